//! Writing files in pieces and reading them again.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, RetryConfig};
use outbound::Http;
use sha2::{Digest, Sha256};

use crate::connector::Connector;
use crate::place::setting;
use crate::{MediaError, MediaPlace, PutError, kind};

/// Bytes written at once: what a bucket takes as one part of many, and what a file costs in memory.
const PART: usize = 8 * 1024 * 1024;
/// How often and for how long a bucket's bad moment is sat out here; a job that needs it longer comes again later.
const RETRIES: usize = 3;
const RETRYING: Duration = Duration::from_secs(10);

/// Keeps files. Cheap to clone.
#[derive(Clone)]
pub struct MediaStore {
    place: MediaPlace,
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
}

/// What is known of a file once it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it really is.
    pub mime: String,
    /// Its bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A file, or a range of it, on its way out.
pub struct Reading {
    /// Bytes of the whole file.
    pub size: u64,
    /// Which of them follow.
    pub range: Range<u64>,
    /// The bytes, in pieces.
    pub bytes: BoxStream<'static, Result<Bytes, MediaError>>,
}

impl MediaStore {
    /// Files at `place`. A folder is made if it is not there; a bucket is not asked anything yet, and is reached
    /// through `http`.
    pub fn open(place: MediaPlace, http: &Http) -> Result<Self, MediaError> {
        let unusable = |error: &dyn fmt::Display| MediaError::Place(format!("{place}: {error}"));
        let (objects, prefix): (Arc<dyn ObjectStore>, _) = match &place {
            MediaPlace::Folder(path) => {
                std::fs::create_dir_all(path).map_err(|error| unusable(&error))?;
                let folder = LocalFileSystem::new_with_prefix(path).map_err(|error| unusable(&error))?;
                // An acknowledged file survives a power cut, as its row does.
                (Arc::new(folder.with_fsync(true)), String::new())
            }
            MediaPlace::Bucket { name, prefix, settings } => {
                let mut builder = AmazonS3Builder::new();
                for (name, value) in settings {
                    if let Some(key) = setting(name) {
                        builder = builder.with_config(key, value);
                    }
                }
                let bucket = builder
                    .with_bucket_name(name)
                    .with_retry(RetryConfig {
                        max_retries: RETRIES,
                        retry_timeout: RETRYING,
                        ..RetryConfig::default()
                    })
                    .with_http_connector(Connector(http.clone()))
                    .build()
                    .map_err(|error| unusable(&error))?;
                (Arc::new(bucket), prefix.clone())
            }
        };
        Ok(Self { place, objects, prefix: Path::from(prefix) })
    }

    /// Where files lie.
    pub const fn place(&self) -> &MediaPlace {
        &self.place
    }

    /// Writes a file of at most `limit` bytes and says what it is; `claim` is what its sender says. It is there whole
    /// or not at all, and there when this answers; a file of that key is replaced.
    pub async fn put<E>(
        &self,
        key: &str,
        claim: Option<&str>,
        limit: u64,
        source: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Stored, PutError<E>> {
        let mut writing = Writing::new(self, key);
        match writing.take_all(limit, source).await {
            Ok(()) => Ok(writing.finish(claim).await?),
            Err(error) => {
                writing.give_up().await;
                Err(error)
            }
        }
    }

    /// Begins to read a file, or `range` of it: one that lies within.
    pub async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Reading, MediaError> {
        let options = GetOptions { range: range.map(Into::into), ..GetOptions::default() };
        let found = self.objects.get_opts(&self.path(key), options).await?;
        Ok(Reading {
            size: found.meta.size,
            range: found.range.clone(),
            bytes: found.into_stream().map_err(MediaError::from).boxed(),
        })
    }

    /// Reads a whole file of at most `limit` bytes.
    pub async fn read(&self, key: &str, limit: u64) -> Result<Bytes, MediaError> {
        let mut reading = self.get(key, None).await?;
        if reading.size > limit {
            return Err(MediaError::TooLarge { limit });
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(reading.size).unwrap_or(0));
        while let Some(piece) = reading.bytes.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// Deletes a file. That it is not there counts as done.
    pub async fn delete(&self, key: &str) -> Result<(), MediaError> {
        match self.objects.delete(&self.path(key)).await.map_err(MediaError::from) {
            Err(MediaError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// Writes, reads and deletes a small file: whether the place can be used, as far as can be seen from here.
    pub async fn check(&self) -> Result<(), MediaError> {
        let key = "check";
        let source =
            futures::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from_static(b"rookery"))]);
        match self.put(key, None, 64, source).await {
            Ok(_) => {}
            Err(PutError::Media(error)) => return Err(error),
            Err(PutError::Source(never)) => match never {},
        }
        self.read(key, 64).await?;
        self.delete(key).await
    }

    fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(Path::from(key).parts()).collect()
    }
}

impl fmt::Debug for MediaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaStore").field("place", &self.place).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("size", &self.size)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// A file on its way in. Small ones are written at once, large ones part by part.
struct Writing<'a> {
    objects: &'a dyn ObjectStore,
    path: Path,
    upload: Option<Box<dyn MultipartUpload>>,
    part: BytesMut,
    head: Bytes,
    hash: Sha256,
    size: u64,
}

impl<'a> Writing<'a> {
    fn new(store: &'a MediaStore, key: &str) -> Self {
        Self {
            objects: &*store.objects,
            path: store.path(key),
            upload: None,
            part: BytesMut::new(),
            head: Bytes::new(),
            hash: Sha256::new(),
            size: 0,
        }
    }

    async fn take_all<E>(
        &mut self,
        limit: u64,
        source: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<(), PutError<E>> {
        let mut source = std::pin::pin!(source);
        while let Some(piece) = source.next().await {
            let mut piece = piece.map_err(PutError::Source)?;
            self.size += piece.len() as u64;
            if self.size > limit {
                return Err(MediaError::TooLarge { limit }.into());
            }
            self.hash.update(&piece);
            while !piece.is_empty() {
                let room = PART - self.part.len();
                self.part.extend_from_slice(&piece.split_to(room.min(piece.len())));
                if self.part.len() == PART {
                    self.write_part().await?;
                }
            }
        }
        Ok(())
    }

    /// Hands a part over and waits for it: the sender goes on no faster than the place takes it.
    async fn write_part(&mut self) -> Result<(), MediaError> {
        let part = self.part.split().freeze();
        if self.head.is_empty() {
            self.head = part.slice(..part.len().min(kind::HEAD));
        }
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(self.objects.put_multipart(&self.path).await?),
        };
        Ok(upload.put_part(part.into()).await?)
    }

    async fn finish(mut self, claim: Option<&str>) -> Result<Stored, MediaError> {
        let written = self.finish_writing().await;
        if let Err(error) = written {
            self.give_up().await;
            return Err(error);
        }
        Ok(Stored { mime: kind::of(&self.head, claim), size: self.size, sha256: self.hash.finalize().into() })
    }

    async fn finish_writing(&mut self) -> Result<(), MediaError> {
        if self.upload.is_none() {
            let all = self.part.split().freeze();
            self.head = all.slice(..all.len().min(kind::HEAD));
            self.objects.put(&self.path, all.into()).await?;
            return Ok(());
        }
        if !self.part.is_empty() {
            self.write_part().await?;
        }
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
        }
        self.upload = None;
        Ok(())
    }

    async fn give_up(&mut self) {
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, "parts of a file that broke off may be left behind");
        }
    }
}
