//! The way to a bucket: `object_store`'s requests over our own HTTP client, with its pool, its timeouts and its TLS.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use outbound::{Error, Failure, Http, Outcome};

/// A part of a file in either direction, on a slow line.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Connects `object_store` through [`Http`].
pub(crate) struct Connector(pub(crate) Http);

#[derive(Debug)]
struct Service(Http);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let method =
            parts.method.as_str().parse().map_err(|_| failed(Error::Invalid("its method is unknown")))?;
        let mut out = self.0.provider().request(method, &parts.uri.to_string(), TIMEOUT);
        for (name, value) in &parts.headers {
            let value = value.to_str().map_err(|_| failed(Error::Invalid("a header of it is not text")))?;
            out = out.header(name.as_str(), value);
        }
        let answer = out.body(whole(body).await?).send().await.map_err(failed)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let pieces = stream::try_unfold(answer, |mut answer| async move {
            let piece = answer.chunk().await.map_err(failed)?;
            Ok(piece.map(|piece| (Frame::data(piece), answer)))
        });
        let mut response = HttpResponse::new(HttpResponseBody::new(StreamBody::new(pieces)));
        *response.status_mut() =
            status.try_into().map_err(|_| failed(Error::Invalid("its status is unknown")))?;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// A request's body in one piece: its length is known then, which a bucket asks for.
async fn whole(mut body: object_store::client::HttpRequestBody) -> Result<Bytes, HttpError> {
    if let Some(bytes) = body.as_bytes() {
        return Ok(bytes.clone());
    }
    let mut all = BytesMut::with_capacity(body.content_length());
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            all.extend_from_slice(&piece);
        }
    }
    Ok(all.freeze())
}

/// What `object_store` may do about an error: it repeats by itself what certainly was not done, or may be done twice.
fn failed(error: Error) -> HttpError {
    let kind = match error {
        Error::NoAnswer(Failure::Timeout) => HttpErrorKind::Timeout,
        Error::NoAnswer(_) | Error::BrokenAnswer { .. } => HttpErrorKind::Interrupted,
        _ if error.outcome() == Outcome::NotSent => HttpErrorKind::Connect,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
