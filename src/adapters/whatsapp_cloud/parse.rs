//! Events in Rookery's words. A payload is a change of Meta's with one message, receipt or the like in it (`hook.rs`); one
//! with several is read as well.

use channel::{ErrorClass, ParseError};
use model::{
    Account, ConversationKind, Inbound, InboundKind, NoticeEffect, Party, Receipt, ReceiptKind, Timestamp,
};
use serde_json::{Map, Value};

use super::content::{self, Said};
use super::{error, notices};
use crate::graph::Refusal;

/// What a change means.
pub(super) fn change(account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
    let field = payload.get("field").and_then(Value::as_str);
    let (Some(field), Some(value)) = (field, payload.get("value").and_then(Value::as_object)) else {
        return Err(ParseError {
            channel: super::NAME,
            detail: "a change without field and value".to_owned(),
        });
    };
    let time = payload.get("time").map_or(Timestamp::ZERO, seconds);
    let ignored = |what: &str| {
        let kind = InboundKind::Ignored { what: what.to_owned() };
        vec![Inbound { at: time, ..in_chat("", false, kind) }]
    };
    if !is_meant(account, value) {
        return Ok(ignored(&format!("{field} of another number")));
    }
    let list = |name: &str| value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let people = People(list("contacts"));
    Ok(match field {
        "messages" => {
            let mut all: Vec<Inbound> =
                list("messages").iter().flat_map(|told| message(told, people, false)).collect();
            all.extend(list("statuses").iter().flat_map(status));
            all.extend(list("errors").iter().map(|told| notices::problem(told, time)));
            if all.is_empty() { ignored(field) } else { all }
        }
        "smb_message_echoes" => {
            list("message_echoes").iter().flat_map(|told| message(told, people, true)).collect()
        }
        "user_preferences" => list("user_preferences").iter().map(preference).collect(),
        _ => match notices::notice(field, value) {
            Some(kind) => vec![Inbound { at: time, ..in_chat("", false, kind) }],
            None => ignored(field),
        },
    })
}

/// Whether a change concerns this account: what comes to an address of several numbers names the one that it means.
fn is_meant(account: &Account, value: &Map<String, Value>) -> bool {
    let number =
        value.get("metadata").and_then(|metadata| metadata.get("phone_number_id")).and_then(Value::as_str);
    if let (Some(number), Some(own)) = (number, account.external_id.as_deref()) {
        return number == own;
    }
    let told = value.get(super::DISPLAY_PHONE).and_then(Value::as_str).map(super::address::digits);
    let own = account.settings.get(super::DISPLAY_PHONE).and_then(Value::as_str).map(super::address::digits);
    match (told, own) {
        (Some(told), Some(own)) if !told.is_empty() && !own.is_empty() => told == own,
        _ => true,
    }
}

/// The people whom a change names.
#[derive(Clone, Copy)]
struct People<'a>(&'a [Value]);

impl People<'_> {
    /// What somebody is called: the name of their profile, else their user name.
    fn name(self, address: &str) -> Option<String> {
        let is_them = |person: &&Value| {
            ["wa_id", "user_id"].iter().any(|id| person.get(*id).and_then(Value::as_str) == Some(address))
        };
        let profile = self.0.iter().find(is_them)?.get("profile")?;
        let named = |name: &str| profile.get(name)?.as_str().filter(|name| !name.trim().is_empty());
        named("name").or_else(|| named("username")).map(str::to_owned)
    }
}

/// A message, or what stands in its place: a reaction, a deletion, a word of the system.
fn message(told: &Value, people: People<'_>, echo: bool) -> Vec<Inbound> {
    let text = |name: &str| told.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // The person: by phone number, or by the business's own id of them where they hide it.
    let address = |phone: &str, user: &str| text(phone).or_else(|| text(user)).unwrap_or_default().to_owned();
    let from = address("from", "from_user_id");
    let (chat, is_group) = match (text("group_id"), echo) {
        (Some(group), _) => (group.to_owned(), true),
        (None, true) => (address("to", "to_user_id"), false),
        (None, false) => (from.clone(), false),
    };
    let party = Party {
        name: people.name(&from).filter(|_| !echo),
        phone: text("from").map(|phone| format!("+{}", phone.trim_start_matches('+'))),
        address: from,
    };
    let at = told.get("timestamp").map_or(Timestamp::ZERO, seconds);
    let quoted = told.get("context").and_then(|context| context.get("id")).and_then(Value::as_str);
    let id = text("id").unwrap_or_default().to_owned();
    let kind = match content::read(told) {
        Said::Content(content) if id.is_empty() => {
            InboundKind::Ignored { what: format!("{} without an id", content.kind()) }
        }
        Said::Content(content) => {
            InboundKind::Message { provider_id: id, content, reply_to: quoted.map(str::to_owned), echo }
        }
        Said::Edited { provider_id, content } => InboundKind::Edited { provider_id, content },
        Said::Deleted { provider_id } => InboundKind::Deleted { provider_id },
        Said::Reacted { provider_id, emoji } => InboundKind::Reacted { provider_id, emoji },
        Said::Moved { to } => InboundKind::ChatMoved { to },
        Said::Nothing { what } => InboundKind::Ignored { what },
    };
    // Who was known by the business's own id alone may show the number later: it is one chat.
    let before = text("from_user_id").filter(|user| !echo && !is_group && *user != chat);
    let moved = before.map(|user| in_chat(user, false, InboundKind::ChatMoved { to: chat.clone() }));
    let from = (!party.address.is_empty()).then_some(party);
    let told = Inbound { from, at, ..in_chat(&chat, is_group, kind) };
    moved.into_iter().map(|moved| Inbound { at, ..moved }).chain([told]).collect()
}

/// What became of a message of ours. A failure may also tell of the person, or of the account as a whole.
fn status(told: &Value) -> Vec<Inbound> {
    let text = |name: &str| told.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // What we sent along says where a message to a person without a phone number went (`send.rs`).
    let sent_to =
        text("biz_opaque_callback_data").and_then(|data| data.split_once(' ')).map(|(_, chat)| chat);
    let chat =
        sent_to.or_else(|| text("recipient_id")).or_else(|| text("recipient_user_id")).unwrap_or_default();
    let is_group = text("recipient_type") == Some("group");
    let at = told.get("timestamp").map_or(Timestamp::ZERO, seconds);
    let tell = |kind| Inbound { at, ..in_chat(chat, is_group, kind) };
    let status = text("status").unwrap_or_default();
    let reached = match status {
        "sent" => Some(ReceiptKind::Sent),
        "delivered" => Some(ReceiptKind::Delivered),
        // A recording that was listened to was seen.
        "read" | "played" => Some(ReceiptKind::Read),
        "failed" => Some(ReceiptKind::Failed),
        _ => None,
    };
    let (Some(kind), Some(id)) = (reached, text("id")) else {
        return vec![tell(InboundKind::Ignored { what: format!("status {status}") })];
    };
    let refusals: Vec<_> =
        told.get("errors").and_then(Value::as_array).into_iter().flatten().map(Refusal::read).collect();
    let error = refusals.first().map(|refusal| format!("{}: {}", refusal.name(), refusal.words()));
    let error = error.filter(|_| kind == ReceiptKind::Failed);
    let mut all = vec![tell(InboundKind::Receipt(Receipt { provider_id: id.to_owned(), kind, error }))];
    for refusal in &refusals {
        match refusal.code {
            131_050 => all.push(tell(InboundKind::ContactOptedOut { opted_out: true })),
            130_403 => all.push(tell(InboundKind::ContactBlocked { blocked: true })),
            _ => {}
        }
        if let ErrorClass::AccountStopped { reason, .. } = refusal.class(error::classify) {
            let effect = NoticeEffect::Stopped { reason: reason.to_owned(), until: None };
            let kind = InboundKind::AccountNotice { what: refusal.name(), detail: refusal.words(), effect };
            all.push(Inbound { at, ..in_chat("", false, kind) });
        }
    }
    all
}

/// Somebody wants no marketing messages any more, or wants them again.
fn preference(told: &Value) -> Inbound {
    let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default();
    let chat = [text("wa_id"), text("user_id")].into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    let kind = match (text("category"), text("value")) {
        ("marketing_messages" | "", "stop") => InboundKind::ContactOptedOut { opted_out: true },
        ("marketing_messages" | "", "resume") => InboundKind::ContactOptedOut { opted_out: false },
        (category, value) => InboundKind::Ignored { what: format!("user_preferences {category} {value}") },
    };
    Inbound { at: told.get("timestamp").map_or(Timestamp::ZERO, seconds), ..in_chat(chat, false, kind) }
}

fn in_chat(chat: &str, is_group: bool, kind: InboundKind) -> Inbound {
    Inbound {
        chat: chat.to_owned(),
        chat_kind: if is_group { ConversationKind::Group } else { ConversationKind::Direct },
        chat_title: None,
        thread: None,
        from: None,
        at: Timestamp::ZERO,
        kind,
    }
}

/// Seconds since 1970, which Meta writes as text in messages and as a number elsewhere.
pub(super) fn seconds(told: &Value) -> Timestamp {
    let seconds = told.as_i64().or_else(|| told.as_str()?.parse().ok()).unwrap_or(0);
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}
