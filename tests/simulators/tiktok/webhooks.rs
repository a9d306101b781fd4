//! Webhooks: their bodies, and the proof that they are TikTok's.

use serde_json::{Value, json};

use super::sign::webhook_signature;
use super::state::State;

/// A webhook as it is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

pub(crate) fn body(state: &mut State, shop: &str, kind: i64, data: &Value, now: i64) -> Value {
    let id = format!("7380{}", state.fresh());
    json!({ "type": kind, "tts_notification_id": id, "shop_id": shop, "timestamp": now, "data": data })
}

pub(crate) fn signed(state: &State, app: &str, body: &Value) -> Notification {
    let secret = &state.apps.get(app).expect("the app was made here").secret;
    let body = body.to_string().into_bytes();
    let signature = webhook_signature(app, secret, &body);
    let headers = [("content-type", "application/json".to_owned()), ("authorization", signature)];
    Notification { headers: headers.map(|(name, value)| (name.to_owned(), value)).into(), body }
}
