//! Webhooks of Meta: the question whether an address is the right one, the signature, and what lies within the envelope.

use channel::{Credentials, Method, WebhookAnswer, WebhookError, WebhookRequest, WebhookResponse, signature};
use serde_json::Value;

use super::apps::{APP_SECRET, APP_VERIFY_TOKEN};

/// An account's own word by which its address is known, where it has no app's.
pub(crate) const VERIFY_TOKEN: &str = "verify_token";
const SIGNATURE_HEADER: &str = "x-hub-signature-256";
const MALFORMED: WebhookError = WebhookError::Malformed("Graph API");

/// One entry of `entry[].changes[]`, with whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change<'a> {
    /// `entry[].id`: the WhatsApp Business Account, the page, the Instagram account.
    pub owner: &'a str,
    /// `entry[].time`, in whatever unit, or null.
    pub time: &'a Value,
    /// What changed.
    pub field: &'a str,
    /// How.
    pub value: &'a Value,
}

impl<'a> Change<'a> {
    /// The changes of a delivery, in its order.
    pub fn all(delivery: &'a Value) -> impl Iterator<Item = Self> {
        let text = |value: &'a Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        list(delivery, "entry").flat_map(move |entry| {
            list(entry, "changes").map(move |change| Self {
                owner: text(entry, "id"),
                time: entry.get("time").unwrap_or(&Value::Null),
                field: text(change, "field"),
                value: change.get("value").unwrap_or(&Value::Null),
            })
        })
    }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Answers Meta's question whether this is the right address; none if the request is not that question. The word is the
/// account's own or its app's.
pub(crate) fn challenge(
    credentials: &Credentials,
    request: &WebhookRequest<'_>,
) -> Option<Result<WebhookResponse, WebhookError>> {
    if request.method != Method::Get {
        return None;
    }
    let given = request.parameter("hub.verify_token").unwrap_or_default();
    let known = [VERIFY_TOKEN, APP_VERIFY_TOKEN];
    // All are compared, so that time does not tell which one was met.
    let met = known.map(|name| signature::secrets_match(credentials.get(name), &given)).contains(&true);
    let asked = request.parameter("hub.mode").as_deref() == Some("subscribe");
    Some(match request.parameter("hub.challenge") {
        Some(challenge) if met && asked => Ok(WebhookResponse::answered(WebhookAnswer::text(challenge))),
        _ => Err(WebhookError::Signature),
    })
}

/// Proves by `X-Hub-Signature-256` that a body is Meta's, and reads it. Each delivery has an `object` and an `entry`; one
/// page of Meta's prints the root inside an array, so both are taken. `also` names further secrets that may have signed it
/// (Instagram's own).
pub(crate) fn deliveries(
    credentials: &Credentials,
    also: &[&str],
    request: &WebhookRequest<'_>,
) -> Result<Vec<Value>, WebhookError> {
    let given = request.header(SIGNATURE_HEADER).and_then(|value| value.strip_prefix("sha256="));
    let given = given.ok_or(WebhookError::Signature)?;
    let signed = [&[APP_SECRET], also].concat().into_iter().filter(|name| {
        let secret = credentials.get(name);
        let expected = signature::hmac_sha256_hex(secret.as_bytes(), &[request.body]);
        // An empty secret would be everybody's.
        !secret.is_empty() & signature::secrets_match(&expected, given)
    });
    if signed.count() == 0 {
        return Err(WebhookError::Signature);
    }
    let body: Value = serde_json::from_slice(request.body).map_err(|_| MALFORMED)?;
    let deliveries = match body {
        Value::Array(deliveries) => deliveries,
        delivery => vec![delivery],
    };
    let is_whole = |delivery: &Value| {
        delivery.get("object").is_some_and(Value::is_string)
            && delivery.get("entry").is_some_and(Value::is_array)
    };
    if deliveries.is_empty() || !deliveries.iter().all(is_whole) {
        return Err(MALFORMED);
    }
    Ok(deliveries)
}

/// A key for what has no id of its own: the same words are the same event. Keys of objects are sorted, so the order in
/// which Meta writes them is of no matter.
pub(crate) fn fingerprint(parts: &[&Value]) -> String {
    let text = parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let mut hash = signature::hmac_sha256_hex(b"rookery dedupe key", &[text.as_bytes()]);
    hash.truncate(32);
    hash
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(query: &str, credentials: &Credentials) -> Result<WebhookResponse, WebhookError> {
        let request = WebhookRequest { method: Method::Get, headers: &[], query, body: b"" };
        challenge(credentials, &request).unwrap()
    }

    #[test]
    fn the_question_is_answered_to_who_knows_the_word() {
        let own = Credentials::default().with(VERIFY_TOKEN, "own word");
        let both = own.clone().with(APP_VERIFY_TOKEN, "app");
        for (credentials, word) in [(&own, "own+word"), (&both, "own%20word"), (&both, "app")] {
            let query = format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={word}");
            let answer = get(&query, credentials).unwrap().answer.unwrap();
            assert_eq!(
                (answer.body.as_str(), answer.content_type),
                ("1158201444", "text/plain; charset=utf-8")
            );
        }
        for (credentials, query) in [
            (&own, "hub.mode=subscribe&hub.challenge=1&hub.verify_token=app"),
            (&own, "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=own+word"),
            (&own, "hub.mode=subscribe&hub.verify_token=own+word"),
            (&own, "hub.mode=subscribe&hub.challenge=1"),
            (&Credentials::default(), "hub.mode=subscribe&hub.challenge=1&hub.verify_token="),
            (&own, ""),
        ] {
            assert_eq!(get(query, credentials), Err(WebhookError::Signature), "{query}");
        }
    }

    /// RFC 4231's second test case stands for Meta's signature: the same function over the same bytes.
    #[test]
    fn a_known_signature_is_taken_over_the_raw_bytes() {
        let body = b"what do ya want for nothing?";
        let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let credentials = Credentials::default().with(APP_SECRET, "Jefe");
        let receive = |value: &str, credentials: &Credentials, also: &[&str], body: &[u8]| {
            let headers = [(SIGNATURE_HEADER.to_owned(), value.to_owned())];
            let request = WebhookRequest { method: Method::Post, headers: &headers, query: "", body };
            deliveries(credentials, also, &request)
        };
        // It is believed; only what it says is no delivery.
        assert_eq!(receive(&format!("sha256={hex}"), &credentials, &[], body), Err(MALFORMED));
        let instagram = Credentials::default().with("app_instagram_secret", "Jefe").with(APP_SECRET, "other");
        let value = format!("sha256={hex}");
        assert_eq!(receive(&value, &instagram, &["app_instagram_secret"], body), Err(MALFORMED));
        assert_eq!(receive(&value, &instagram, &[], body), Err(WebhookError::Signature));
        for value in
            [hex.to_owned(), format!("sha1={hex}"), format!("sha256={}", hex.to_uppercase()), String::new()]
        {
            assert_eq!(receive(&value, &credentials, &[], body), Err(WebhookError::Signature), "{value}");
        }
        assert_eq!(
            receive(&value, &credentials, &[], b"what do ya want for nothing!"),
            Err(WebhookError::Signature)
        );
        assert_eq!(receive(&value, &Credentials::default(), &[], body), Err(WebhookError::Signature));
    }

    #[test]
    fn the_root_may_stand_in_an_array() {
        let delivery = json!({ "object": "instagram", "entry": [] });
        let credentials = Credentials::default().with(APP_SECRET, "s");
        for (body, expected) in [
            (delivery.clone(), Ok(vec![delivery.clone()])),
            (json!([delivery]), Ok(vec![delivery.clone()])),
            (json!([]), Err(MALFORMED)),
            (json!({ "object": "page" }), Err(MALFORMED)),
            (json!({ "object": 1, "entry": [] }), Err(MALFORMED)),
            (json!("x"), Err(MALFORMED)),
        ] {
            let body = body.to_string();
            let hex = signature::hmac_sha256_hex(b"s", &[body.as_bytes()]);
            let headers = [(SIGNATURE_HEADER.to_owned(), format!("sha256={hex}"))];
            let request =
                WebhookRequest { method: Method::Post, headers: &headers, query: "", body: body.as_bytes() };
            assert_eq!(deliveries(&credentials, &[], &request), expected, "{body}");
        }
    }

    #[test]
    fn changes_are_read_whatever_lies_between_them() {
        let delivery = json!({ "entry": [
            { "id": "1", "time": 7, "changes": [{ "field": "a", "value": 1 }, 3, { "value": {} }] },
            "x", {}, { "id": "2", "changes": {} },
        ] });
        let found: Vec<_> = Change::all(&delivery).map(|change| (change.owner, change.field)).collect();
        assert_eq!(found, [("1", "a"), ("1", ""), ("1", "")]);
    }

    #[test]
    fn a_fingerprint_knows_no_order_of_keys() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[2]}"#).unwrap();
        let same: Value = serde_json::from_str(r#"{ "b":[2], "a":1 }"#).unwrap();
        assert_eq!(fingerprint(&[&one]), fingerprint(&[&same]));
        assert_ne!(fingerprint(&[&one]), fingerprint(&[&one, &one]));
        assert_ne!(fingerprint(&[&json!(1)]), fingerprint(&[&json!(2)]));
    }
}
