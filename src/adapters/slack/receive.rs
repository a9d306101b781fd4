//! Webhooks: proof, and what they hold. Events come as JSON; pressed buttons and commands as forms, to the same address.
//!
//! Slack repeats an event three times when no 2xx comes within 3 s (`x-slack-retry-num`); a repetition has the same
//! `event_id`. Buttons and commands are not repeated; each has a `trigger_id` of its own.

use channel::{
    Credentials, WebhookAnswer, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse, signature,
};
use model::Timestamp;
use serde_json::{Map, Value};

use super::SIGNING_SECRET;
use super::blocks::array;

const SIGNATURE_HEADER: &str = "x-slack-signature";
const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
/// How far the signed time may be from ours, in seconds: what is older may be somebody's recording
/// (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
const TOLERANCE: u64 = 300;

const MALFORMED: WebhookError = WebhookError::Malformed("Slack");

/// The `type` that a slash command gets here: Slack gives it none.
pub(super) const COMMAND: &str = "slash_command";

/// Checks a webhook and splits it. Each event says whose it is.
pub(super) fn receive(
    credentials: &Credentials,
    now: Timestamp,
    request: &WebhookRequest<'_>,
) -> Result<WebhookResponse, WebhookError> {
    verify(credentials.get(SIGNING_SECRET), now, request)?;
    if request.body.first() == Some(&b'{') {
        return told(serde_json::from_slice(request.body).map_err(|_| MALFORMED)?, request.body);
    }
    let text = std::str::from_utf8(request.body).map_err(|_| MALFORMED)?;
    let mut fields: Map<String, Value> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    if let Some(Value::String(payload)) = fields.get("payload") {
        let payload = serde_json::from_str(payload).map_err(|_| MALFORMED)?;
        return told(payload, request.body);
    }
    if fields.contains_key("command") {
        fields.insert("type".to_owned(), COMMAND.into());
        return told(fields, request.body);
    }
    if fields.contains_key("ssl_check") {
        // Now and then Slack only looks whether somebody is there.
        return Ok(WebhookResponse::default());
    }
    Err(MALFORMED)
}

fn verify(secret: &str, now: Timestamp, request: &WebhookRequest<'_>) -> Result<(), WebhookError> {
    let given = request.header(SIGNATURE_HEADER).unwrap_or_default();
    let signed_at = request.header(TIMESTAMP_HEADER).unwrap_or_default();
    let parts = [b"v0:", signed_at.as_bytes(), b":", request.body];
    let expected = format!("v0={}", signature::hmac_sha256_hex(secret.as_bytes(), &parts));
    let signed_at: i64 = signed_at.parse().map_err(|_| WebhookError::Signature)?;
    let fresh = (now.as_micros() / 1_000_000).abs_diff(signed_at) <= TOLERANCE;
    // Without a secret everybody could sign.
    if secret.is_empty() || !signature::secrets_match(&expected, given) || !fresh {
        return Err(WebhookError::Signature);
    }
    Ok(())
}

fn told(mut fields: Map<String, Value>, body: &[u8]) -> Result<WebhookResponse, WebhookError> {
    // The old way to prove where it comes from: a secret of the app, of no use to anybody behind here.
    fields.remove("token");
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let kind = text("type").ok_or(MALFORMED)?;
    if kind == "url_verification" {
        let challenge = text("challenge").ok_or(MALFORMED)?;
        return Ok(WebhookResponse::answered(WebhookAnswer::text(challenge)));
    }
    let dedupe_key = match (text("event_id"), text("trigger_id")) {
        (Some(event), _) if !event.is_empty() => event.to_owned(),
        (_, Some(trigger)) if !trigger.is_empty() => format!("{kind}:{trigger}"),
        // It has no name of its own: what says the same is the same.
        _ => format!("{kind}:{}", signature::hmac_sha256_hex(b"", &[body])),
    };
    let payload = Value::Object(fields);
    let account = whose(&payload);
    Ok(WebhookResponse { events: vec![WebhookEvent { dedupe_key, account, payload }], answer: None })
}

/// The account that an event belongs to: the workspace, or the organisation if the app was let into all of it; and the
/// app, because several apps of one workspace are several accounts.
pub(super) fn external_id(workspace: &str, app: &str) -> String {
    format!("{workspace}:{app}")
}

fn whose(payload: &Value) -> Option<String> {
    let app = payload.get("api_app_id").and_then(Value::as_str)?;
    // In channels that companies share, the event may have happened in a workspace that is not the account's.
    let seen_by = array(payload, "authorizations").first().unwrap_or(payload);
    let id = |flat: &str, nested: &str| {
        [seen_by, payload].into_iter().find_map(|place| {
            let id = place.get(flat).or_else(|| place.get(nested)?.get("id"))?;
            id.as_str().filter(|id| !id.is_empty())
        })
    };
    let everywhere = match seen_by.get("is_enterprise_install") {
        Some(Value::Bool(everywhere)) => *everywhere,
        // In forms.
        Some(Value::String(everywhere)) => everywhere == "true",
        _ => false,
    };
    let (team, organisation) = (id("team_id", "team"), id("enterprise_id", "enterprise"));
    let workspace = if everywhere { organisation.or(team) } else { team.or(organisation) };
    Some(external_id(workspace?, app))
}
