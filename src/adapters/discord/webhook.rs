//! The interactions endpoint: an Ed25519 signature over time and body, an answer at once, one event.
//!
//! Dedupe keys: `interaction:<id>`, the same where the Gateway tells of it; of the app's webhook events, which have no id,
//! their name and time. No tolerance is documented for the signed time, so an old one is known by its key alone.

use channel::{Credentials, WebhookAnswer, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};

use super::interaction;
use super::snowflake::id;

/// The application's public key among the credentials, and as its app's.
pub(super) const PUBLIC_KEY: &str = "public_key";
pub(super) const APP_PUBLIC_KEY: &str = "app_public_key";

const SIGNATURE_HEADER: &str = "x-signature-ed25519";
const TIMESTAMP_HEADER: &str = "x-signature-timestamp";

/// Whether `signature` was made with the other half of `public_key` over the parts, both in hex.
pub(super) fn is_signed(public_key: &str, signature: &str, parts: &[&[u8]]) -> bool {
    let bytes = |hex_text: &str| hex::decode(hex_text).ok();
    let key = bytes(public_key).and_then(|key| <[u8; 32]>::try_from(key).ok());
    let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
    let signature = bytes(signature).and_then(|signature| <[u8; 64]>::try_from(signature).ok());
    let (Some(key), Some(signature)) = (key, signature) else { return false };
    key.verify_strict(&parts.concat(), &Signature::from_bytes(&signature)).is_ok()
}

/// Believes, answers and splits a request.
pub(super) fn receive(
    credentials: &Credentials,
    request: &WebhookRequest<'_>,
) -> Result<WebhookResponse, WebhookError> {
    let own = credentials.get(PUBLIC_KEY);
    let public_key = if own.is_empty() { credentials.get(APP_PUBLIC_KEY) } else { own };
    let signature = request.header(SIGNATURE_HEADER).unwrap_or_default();
    let timestamp = request.header(TIMESTAMP_HEADER).unwrap_or_default();
    if timestamp.is_empty() || !is_signed(public_key, signature, &[timestamp.as_bytes(), request.body]) {
        return Err(WebhookError::Signature);
    }
    let malformed = || WebhookError::Malformed("Discord");
    let body: Value = serde_json::from_slice(request.body).map_err(|_| malformed())?;
    let Some(kind) = body["type"].as_u64() else { return Err(malformed()) };
    if body["event"].is_object() || (kind == 0 && body["id"].is_null()) {
        return Ok(app_event(&body));
    }
    let answer = interaction::answer(&body);
    let mut response = WebhookResponse::answered(WebhookAnswer::json(&answer));
    if interaction::is_event(&body) {
        let id = id(&body["id"]).ok_or_else(malformed)?;
        response.events.push(WebhookEvent {
            dedupe_key: format!("interaction:{id}"),
            account: super::snowflake::id(&body["application_id"]),
            // What was answered is remembered: one that the Gateway brings is answered by a call.
            payload: json!({ "t": "INTERACTION_CREATE", "d": body, "answered": answer }),
        });
    }
    Ok(response)
}

/// What Discord tells of the app itself, at an address of its own or at the same. Its ping has no event.
fn app_event(body: &Value) -> WebhookResponse {
    let event = &body["event"];
    let Some(name) = event["type"].as_str() else { return WebhookResponse::default() };
    let time = event["timestamp"].as_str().unwrap_or_default();
    let about = id(&event["data"]["id"]).or_else(|| id(&event["data"]["user"]["id"])).unwrap_or_default();
    let payload = json!({ "t": name, "d": event["data"].as_object().cloned().unwrap_or_default() });
    let dedupe_key = format!("event:{name}:{time}:{about}");
    let event = WebhookEvent { dedupe_key, account: id(&body["application_id"]), payload };
    WebhookResponse { events: vec![event], answer: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1: public key, message, signature.
    const VECTORS: &[(&str, &str, &str)] = &[
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];

    #[test]
    fn the_published_vectors_hold() {
        for (key, message, signature) in VECTORS {
            let message = hex::decode(message).unwrap();
            assert!(is_signed(key, signature, &[&message]));
            assert!(!is_signed(key, signature, &[&message, b"x"]));
            let changed = if signature.starts_with('0') { "1" } else { "0" };
            assert!(!is_signed(key, &format!("{changed}{}", &signature[1..]), &[&message]));
        }
        // The parts are taken as one.
        let (key, message, signature) = VECTORS[2];
        let message = hex::decode(message).unwrap();
        assert!(is_signed(key, signature, &[&message[..1], &message[1..]]));
    }

    #[test]
    fn what_is_no_key_or_signature_proves_nothing() {
        let (key, _, signature) = VECTORS[0];
        for (key, signature) in
            [("", signature), (key, ""), ("zz", signature), (key, &signature[2..]), ("", "")]
        {
            assert!(!is_signed(key, signature, &[b""]));
        }
        // A key of small order signs anything: strict verification refuses it.
        let weak = "0100000000000000000000000000000000000000000000000000000000000000";
        let forged = format!("{weak}{}", "0".repeat(64));
        assert!(!is_signed(weak, &forged, &[b"anything"]));
    }
}
