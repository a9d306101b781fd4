//! What of a request's body nobody read: taken in or cut off, so that the answer arrives.
//!
//! A client that still writes while we answer and close sees a broken connection instead of the answer, and one that reuses the
//! connection sees it break in its next request. So a moderate rest is read and thrown away; of a large one the client
//! is told that the connection ends here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// A rest of at most so many bytes is thrown away.
const MOST: u64 = 32 * 1024 * 1024;
/// For at most so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A body that its reader may leave unfinished.
#[derive(Clone)]
struct Lent(Arc<Mutex<Body>>);

impl Lent {
    fn body(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and drops what is left; false when that is too much.
    async fn throw_away(mut self) -> bool {
        let mut read = 0;
        let all = async {
            loop {
                match std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
                    None => return true,
                    Some(Err(_)) => return false,
                    Some(Ok(frame)) => read += frame.data_ref().map_or(0, |data| data.len() as u64),
                }
                if read > MOST {
                    return false;
                }
            }
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap_or(false)
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

/// Answers only when the rest of the body is out of the way.
pub(crate) async fn take_in(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = Lent(Arc::new(Mutex::new(body)));
    let mut response = next.run(Request::from_parts(parts, Body::new(body.clone()))).await;
    if !body.is_end_stream() && !body.throw_away().await {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
