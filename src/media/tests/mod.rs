//! Files go in and come out as they were, in pieces of any size; what is too large or breaks off leaves nothing.

mod bucket;

use std::convert::Infallible;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use outbound::{Http, HttpConfig};
use sha2::{Digest, Sha256};

use crate::{MediaError, MediaPlace, MediaStore, PutError};

const LIMIT: u64 = 100 * 1024 * 1024;

struct Bench {
    media: MediaStore,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = MediaPlace::Folder(folder.path().join("media"));
        Self { media: MediaStore::open(place, &Http::new(&HttpConfig::default()).unwrap()).unwrap(), folder }
    }

    fn files(&self) -> usize {
        fn count(path: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(self.folder.path())
    }
}

fn pieces(
    bytes: &[u8],
    size: usize,
) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

#[tokio::test]
async fn a_folder_keeps_files() {
    let bench = Bench::new();
    comes_out_as_it_went_in(&bench.media).await;
    assert_eq!(bench.files(), 4);
    leaves_nothing_of_what_is_too_large_or_breaks_off(&bench.media).await;
    assert_eq!(bench.files(), 4);
}

#[tokio::test]
async fn a_bucket_keeps_files() {
    let bucket = bucket::Bucket::start().await;
    let media = MediaStore::open(bucket.place(), &Http::new(&HttpConfig::default()).unwrap()).unwrap();
    comes_out_as_it_went_in(&media).await;
    let keys = ["a", "b", "c", "d"].map(|name| format!("rookery/w/{name}"));
    assert_eq!(bucket.holds(), (keys.to_vec(), 0));
    leaves_nothing_of_what_is_too_large_or_breaks_off(&media).await;
    assert_eq!(bucket.holds(), (keys.to_vec(), 0));
}

#[tokio::test]
async fn a_bucket_that_is_away_is_not_a_file_that_is_not_there() {
    let settings = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let place = MediaPlace::parse("s3://files", settings).unwrap();
    let media = MediaStore::open(place, &Http::new(&HttpConfig::default()).unwrap()).unwrap();
    let error = media.read("w/a", LIMIT).await.unwrap_err();
    assert!(matches!(error, MediaError::Unavailable(_)), "{error:?}");
}

async fn comes_out_as_it_went_in(media: &MediaStore) {
    let part = 8 * 1024 * 1024;
    for (key, len, size) in [
        ("w/a", 0, 1),
        ("w/b", 5, 2),
        ("w/c", part, 70_000),
        ("w/d", part + 1, part + 1),
        ("w/e", 2 * part + 3, 1_000_003),
    ] {
        let bytes = noise(len);
        let stored = media.put(key, None, LIMIT, pieces(&bytes, size)).await.unwrap();
        assert_eq!((stored.size, stored.sha256), (len as u64, Sha256::digest(&bytes).into()), "{key}");
        assert_eq!(media.read(key, LIMIT).await.unwrap(), bytes, "{key}");
    }
    let reading = media.get("w/e", Some(part as u64..part as u64 + 10)).await.unwrap();
    assert_eq!((reading.size, reading.range.clone()), (2 * part as u64 + 3, part as u64..part as u64 + 10));
    let range: Vec<Bytes> = reading.bytes.try_collect().await.unwrap();
    assert_eq!(range.concat(), noise(part + 10)[part..]);
    assert!(matches!(media.read("w/e", 10).await, Err(MediaError::TooLarge { limit: 10 })));
    media.check().await.unwrap();
    media.delete("w/e").await.unwrap();
    media.delete("w/e").await.unwrap();
    assert!(matches!(media.read("w/e", LIMIT).await, Err(MediaError::NotFound)));
}

async fn leaves_nothing_of_what_is_too_large_or_breaks_off(media: &MediaStore) {
    for len in [11, 20 * 1024 * 1024] {
        let limit = len as u64 - 1;
        let refused = media.put("w/z", None, limit, pieces(&noise(len), 65_536)).await;
        assert!(matches!(refused, Err(PutError::Media(MediaError::TooLarge { .. }))), "{refused:?}");
    }
    let broken = pieces(&noise(20 * 1024 * 1024), 65_536)
        .map(|piece| piece.map_err(|never| match never {}))
        .chain(stream::iter([Err("it broke off")]));
    let refused = media.put("w/z", None, LIMIT, broken).await;
    assert!(matches!(refused, Err(PutError::Source("it broke off"))), "{refused:?}");
    assert!(matches!(media.read("w/z", LIMIT).await, Err(MediaError::NotFound)));
}

#[tokio::test]
async fn a_file_is_what_its_bytes_say() {
    let bench = Bench::new();
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    for len in [0, 9 * 1024 * 1024] {
        png.extend(noise(len));
        let stored = bench.media.put("w/a", Some("video/mp4"), LIMIT, pieces(&png, 7_777)).await.unwrap();
        assert_eq!(stored.mime, "image/png");
    }
}

#[test]
fn a_key_leads_nowhere_else() {
    let bench = Bench::new();
    for key in ["../../etc/passwd", "/etc/passwd", "w/../../x"] {
        let error = futures::executor::block_on(bench.media.read(key, LIMIT));
        assert!(matches!(error, Err(MediaError::NotFound)), "{key}: {error:?}");
    }
}
