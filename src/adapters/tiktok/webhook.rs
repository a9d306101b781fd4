//! Webhooks: who sent them, and which event each one is.
//!
//! Dedupe keys: a message is known by its conversation's id and its own, the same in a webhook, in its repetitions (after
//! 2 minutes, 30 minutes, 3 and 12 hours) and in a poll; anything else by the notification's id.

use channel::{Credentials, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse, signature};
use serde_json::Value;

use super::{APP_KEY, APP_SECRET, NEW_MESSAGE, number, sign, word};

/// Proves and splits a webhook. One is one event. `shared`: it came to the address of all the app's accounts, so the event
/// says whose it is.
pub(super) fn receive(
    app: &Credentials,
    request: &WebhookRequest<'_>,
    shared: bool,
) -> Result<WebhookResponse, WebhookError> {
    let (key, secret) = (app.get(APP_KEY), app.get(APP_SECRET));
    let given = request.header("authorization").unwrap_or_default();
    let expected = sign::webhook(key, secret, request.body);
    // An empty secret signs as well as any other, and everybody knows it.
    if key.is_empty() || secret.is_empty() || !signature::secrets_match(&expected, given) {
        return Err(WebhookError::Signature);
    }
    let malformed = WebhookError::Malformed("TikTok Shop");
    let payload: Value = serde_json::from_slice(request.body).map_err(|_| malformed.clone())?;
    let kind = payload.get("type").and_then(number).ok_or(malformed)?;
    let account = if shared { Some(payload.get("shop_id").and_then(word).unwrap_or_default()) } else { None };
    let dedupe_key = dedupe_key(kind, &payload).unwrap_or_else(|| {
        // It has no name, so its own bytes are one.
        signature::hmac_sha256_hex(b"body", &[request.body])
    });
    let events = vec![WebhookEvent { dedupe_key, account, payload }];
    Ok(WebhookResponse { events, answer: None })
}

fn dedupe_key(kind: i64, payload: &Value) -> Option<String> {
    let data = payload.get("data");
    let read = |name| data?.get(name).and_then(word);
    if kind == NEW_MESSAGE
        && let (Some(chat), Some(message)) = (read("conversation_id"), read("message_id"))
    {
        return Some(message_key(&chat, &message));
    }
    let id = payload.get("tts_notification_id").and_then(word)?;
    Some(format!("notification:{id}"))
}

/// The key of a message, however it came.
pub(super) fn message_key(chat: &str, message: &str) -> String {
    format!("message:{chat}:{message}")
}
