//! Webhooks as Meta sends them: JSON with everything but ASCII escaped, signed as it is written.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use sha2::Sha256;

/// How long Meta waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// JSON as Meta writes it: letters beyond ASCII as `\u` with small hex digits, slashes behind a backslash.
pub fn escaped(value: &Value) -> String {
    value.to_string().chars().fold(String::new(), |mut text, c| {
        if c.is_ascii() {
            text.push_str(if c == '/' { "\\/" } else { "" });
            if c != '/' {
                text.push(c);
            }
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        text
    })
}

/// The value of `X-Hub-Signature-256`.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    let hex = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("sha256={hex}")
}

/// Posts a webhook; answers the status, 0 where nobody answered.
pub(super) async fn post(url: &str, headers: &[(String, String)], body: String) -> u16 {
    let request =
        headers.iter().fold(Request::post(url), |request, (name, value)| request.header(name, value));
    match exchange(request.body(Full::from(body)).expect("the test's address is a URL")).await {
        Some((status, _)) => status,
        None => 0,
    }
}

/// Whether an address answers Meta's question with its challenge.
pub(super) async fn verify(url: &str, token: &str, challenge: &str) -> bool {
    let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let url = format!("{url}?hub.mode=subscribe&hub.challenge={challenge}&hub.verify_token={token}");
    let Ok(request) = Request::get(url).body(Full::default()) else { return false };
    matches!(exchange(request).await, Some((200, body)) if body == challenge.as_bytes())
}

async fn exchange(request: Request<Full<Bytes>>) -> Option<(u16, Bytes)> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answered = async {
        let response = client.request(request).await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().collect().await.ok()?.to_bytes()))
    };
    tokio::time::timeout(TIMEOUT, answered).await.ok().flatten()
}
