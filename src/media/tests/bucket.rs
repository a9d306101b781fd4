//! A bucket that speaks as much of S3 as is needed here. It checks that a request is signed and that its body is the one
//! that was signed, and has a bad moment now and then.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::MediaPlace;

#[derive(Default)]
struct Objects {
    whole: BTreeMap<String, Bytes>,
    /// By upload and number.
    parts: BTreeMap<(String, u32), Bytes>,
    calls: usize,
}

/// A running bucket.
#[derive(Clone)]
pub struct Bucket {
    objects: Arc<Mutex<Objects>>,
    url: String,
}

impl Bucket {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bucket = Self { objects: Arc::default(), url };
        let router = Router::new().fallback(answer).with_state(bucket.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        bucket
    }

    pub fn place(&self) -> MediaPlace {
        let settings = [
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ENDPOINT_URL", self.url.as_str()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        MediaPlace::parse("s3://files/rookery", settings).unwrap()
    }

    /// The keys of what is whole, and how many parts lie about.
    pub fn holds(&self) -> (Vec<String>, usize) {
        let objects = self.lock();
        (objects.whole.keys().cloned().collect(), objects.parts.len())
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }
}

async fn answer(
    State(bucket): State<Bucket>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut objects = bucket.lock();
    objects.calls += 1;
    if objects.calls % 5 == 3 {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_signed(&head.headers, &body) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let path = head.uri.path().trim_start_matches("/files").trim_start_matches('/').to_owned();
    let upload = query.get("uploadId").cloned();
    match (head.method, upload) {
        (Method::PUT, Some(upload)) => {
            let etag = format!("\"{}\"", hex::encode(Sha256::digest(&body)));
            objects.parts.insert((upload, query["partNumber"].parse().unwrap()), body);
            [(header::ETAG, etag)].into_response()
        }
        (Method::PUT, None) => {
            objects.whole.insert(path, body);
            [(header::ETAG, "\"whole\"")].into_response()
        }
        (Method::POST, None) if query.contains_key("uploads") => format!(
            "<InitiateMultipartUploadResult><UploadId>{path}-{}</UploadId></InitiateMultipartUploadResult>",
            objects.calls
        )
        .into_response(),
        (Method::POST, None) => {
            let text = String::from_utf8(body.to_vec()).unwrap();
            let keys = text.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
            let deleted: Vec<String> = keys
                .map(|key| {
                    objects.whole.remove(&key);
                    format!("<Deleted><Key>{key}</Key></Deleted>")
                })
                .collect();
            format!("<DeleteResult>{}</DeleteResult>", deleted.concat()).into_response()
        }
        (Method::POST, Some(upload)) => {
            let of_upload: Vec<_> = objects.parts.keys().filter(|(of, _)| *of == upload).cloned().collect();
            let parts: Vec<Bytes> = of_upload.iter().filter_map(|part| objects.parts.remove(part)).collect();
            objects.whole.insert(path, parts.concat().into());
            "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>"
                .into_response()
        }
        (Method::DELETE, Some(upload)) => {
            objects.parts.retain(|(of, _), _| *of != upload);
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::GET, _) => match objects.whole.get(&path) {
            Some(bytes) => show(&head.headers, bytes),
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn is_signed(headers: &HeaderMap, body: &Bytes) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text("authorization").starts_with("AWS4-HMAC-SHA256 Credential=key/")
        && text("x-amz-content-sha256") == hex::encode(Sha256::digest(body))
}

fn show(headers: &HeaderMap, bytes: &Bytes) -> Response {
    let dated = [(header::LAST_MODIFIED, "Sun, 01 Mar 2026 12:00:00 GMT"), (header::ETAG, "\"whole\"")];
    let range = headers.get(header::RANGE).map(|range| range.to_str().unwrap());
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return (dated, bytes.clone()).into_response();
    };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let range = format!("bytes {first}-{last}/{}", bytes.len());
    let part = bytes.slice(first..=last);
    (StatusCode::PARTIAL_CONTENT, dated, [(header::CONTENT_RANGE, range)], part).into_response()
}
