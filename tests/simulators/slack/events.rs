//! What Slack tells, and how it signs that.

use std::sync::atomic::{AtomicU32, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// The headers that prove `body` to be Slack's, signed at `seconds` since 1970.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn sign(secret: &str, seconds: i64, body: &[u8]) -> Vec<(String, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("v0:{seconds}:").as_bytes());
    mac.update(body);
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    vec![
        ("x-slack-request-timestamp".to_owned(), seconds.to_string()),
        ("x-slack-signature".to_owned(), signature),
    ]
}

/// Makes the bodies of events, each with an id of its own.
#[derive(Debug, Default)]
pub struct Events(AtomicU32);

impl Events {
    /// An event in its envelope.
    pub fn envelope(&self, event: &Value) -> Vec<u8> {
        let id = self.0.fetch_add(1, Ordering::SeqCst);
        let envelope = json!({
            "token": "old-verification-token", "team_id": "T024BE91L", "api_app_id": "A024BE91L",
            "type": "event_callback", "event_id": format!("Ev{id:08}"), "event_time": 1_790_000_000,
            "authorizations": [{
                "enterprise_id": null, "team_id": "T024BE91L", "user_id": "UBOT00000", "is_bot": true,
                "is_enterprise_install": false,
            }],
            "is_ext_shared_channel": false, "event_context": "4-simulated", "event": event,
        });
        envelope.to_string().into_bytes()
    }

    /// Somebody pressed a button, in a form.
    pub fn pressed(&self, room: &str, ts: &str, user: &str, action: &Value) -> Vec<u8> {
        let id = self.0.fetch_add(1, Ordering::SeqCst);
        let payload = json!({
            "type": "block_actions", "token": "old-verification-token", "api_app_id": "A024BE91L",
            "team": { "id": "T024BE91L", "domain": "shop" }, "user": { "id": user, "username": "ada" },
            "trigger_id": format!("{id}.1.x"), "channel": { "id": room, "name": "directmessage" },
            "container": { "type": "message", "message_ts": ts, "channel_id": room },
            "message": { "type": "message", "ts": ts }, "actions": [action],
            "response_url": "https://hooks.slack.com/actions/T024BE91L/1/x",
        });
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string());
        form.finish().into_bytes()
    }
}
