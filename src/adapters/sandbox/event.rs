//! The sandbox's events in our words.

use channel::{ParseError, WebhookEvent};
use model::{ConversationKind, Inbound, InboundKind, Party, Receipt, ReceiptKind, Timestamp};
use serde_json::{Map, Value};

use super::content::{incoming, string, strings};

/// Splits `{"events": […]}`; none if it is something else.
pub(super) fn split(body: Value) -> Option<Vec<WebhookEvent>> {
    let Value::Object(mut fields) = body else {
        return None;
    };
    let Value::Array(events) = fields.remove("events")? else {
        return None;
    };
    events
        .into_iter()
        .map(|payload| {
            Some(WebhookEvent { dedupe_key: payload["id"].as_str()?.to_owned(), account: None, payload })
        })
        .collect()
}

/// What one event means.
pub(super) fn parse(payload: &Value) -> Result<Inbound, ParseError> {
    let missing = |field: &str| ParseError {
        channel: "sandbox",
        detail: format!("{field} is missing or of another type"),
    };
    let fields = payload.as_object().ok_or_else(|| missing("the object"))?;
    let at = fields.get("at_us").and_then(Value::as_i64).ok_or_else(|| missing("at_us"))?;
    let what = string(fields, "type").ok_or_else(|| missing("type"))?;
    // Kinds that are not known may be about no chat at all.
    let chat = string(fields, "chat");
    let kind = kind(&what, fields).map_err(missing)?;
    if chat.is_none() && !matches!(kind, InboundKind::Ignored { .. }) {
        return Err(missing("chat"));
    }
    Ok(Inbound {
        chat: chat.unwrap_or_default(),
        chat_kind: match fields.get("chat_kind").and_then(Value::as_str) {
            Some("group") => ConversationKind::Group,
            _ => ConversationKind::Direct,
        },
        chat_title: string(fields, "chat_title"),
        thread: string(fields, "thread"),
        from: fields.get("from").and_then(party),
        at: Timestamp::from_micros(at),
        kind,
    })
}

fn kind(what: &str, fields: &Map<String, Value>) -> Result<InboundKind, &'static str> {
    let provider_id = || string(fields, "message_id").ok_or("message_id");
    let content = || fields.get("content").map(incoming).ok_or("content");
    let flag = |name| fields.get(name).and_then(Value::as_bool);
    Ok(match what {
        "message" => InboundKind::Message {
            provider_id: provider_id()?,
            content: content()?,
            reply_to: string(fields, "reply_to"),
            echo: flag("echo").unwrap_or(false),
        },
        "receipt" => {
            let status = string(fields, "status").ok_or("status")?;
            match status.parse::<ReceiptKind>() {
                Ok(kind) => InboundKind::Receipt(Receipt {
                    provider_id: provider_id()?,
                    kind,
                    error: string(fields, "error"),
                }),
                Err(_) => InboundKind::Ignored { what: format!("receipt {status}") },
            }
        }
        "edited" => InboundKind::Edited { provider_id: provider_id()?, content: content()? },
        "deleted" => InboundKind::Deleted { provider_id: provider_id()? },
        "reaction" => InboundKind::Reacted { provider_id: provider_id()?, emoji: strings(fields, "emoji") },
        "chat_moved" => InboundKind::ChatMoved { to: string(fields, "to").ok_or("to")? },
        "contact_opted_out" => {
            InboundKind::ContactOptedOut { opted_out: flag("opted_out").ok_or("opted_out")? }
        }
        "contact_blocked" => InboundKind::ContactBlocked { blocked: flag("blocked").ok_or("blocked")? },
        other => InboundKind::Ignored { what: other.to_owned() },
    })
}

fn party(from: &Value) -> Option<Party> {
    let fields = from.as_object()?;
    Some(Party {
        address: string(fields, "id")?,
        name: string(fields, "name"),
        phone: string(fields, "phone"),
    })
}
