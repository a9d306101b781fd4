//! Events in Rookery's words. A payload is what `hook.rs` split off.

use channel::ParseError;
use model::{
    Account, Content, ConversationKind, Inbound, InboundKind, NoticeEffect, Party, Receipt, ReceiptKind,
    Timestamp,
};
use serde_json::Value;

use super::content::{self, owned, text};
use super::{Dialect, hook, send};

/// Most files of one message that Instagram takes: what is taken back may be any of them.
const PARTS: usize = 10;
/// What joins a message's id and the number of the part: one message of several files is several to us.
const PART: char = '#';

/// The provider's id of the message that a part belongs to.
pub(super) fn mid(provider_id: &str) -> &str {
    provider_id.split(PART).next().unwrap_or(provider_id)
}

fn part(mid: &str, n: usize) -> String {
    if n == 0 { mid.to_owned() } else { format!("{mid}{PART}{n}") }
}

/// What an event means.
pub(super) fn event(
    dialect: &Dialect,
    account: &Account,
    payload: &Value,
) -> Result<Vec<Inbound>, ParseError> {
    let at = payload.get("time").map_or(Timestamp::ZERO, millis);
    let ignored = |what: String| vec![in_chat("", at, InboundKind::Ignored { what })];
    let (element, standby) = match (payload.get("messaging"), payload.get("standby")) {
        (Some(element), _) => (element, false),
        (None, Some(element)) => (element, true),
        (None, None) => {
            let Some(field) = payload.get("field").and_then(Value::as_str) else {
                let detail = "neither `messaging`, nor `standby`, nor `field`".to_owned();
                return Err(ParseError { channel: dialect.name, detail });
            };
            return Ok(ignored(field.to_owned()));
        }
    };
    let owner = text(payload, "account").or(account.external_id.as_deref()).unwrap_or_default();
    if account.external_id.as_deref().is_some_and(|own| own != owner) {
        return Ok(ignored(format!("{} of another account", hook::kind(element))));
    }
    let own_app = payload.get("own_app").and_then(Value::as_bool) == Some(true);
    Ok(Element::new(element, owner, at).meaning(own_app, standby))
}

/// One element of a delivery with whom it is about.
struct Element<'a> {
    told: &'a Value,
    kind: &'a str,
    body: &'a Value,
    /// Who did it.
    sender: &'a str,
    /// The other side, whoever did it.
    chat: &'a str,
    owner: &'a str,
    at: Timestamp,
}

impl<'a> Element<'a> {
    fn new(told: &'a Value, owner: &'a str, time: Timestamp) -> Self {
        let id = |name: &str| told.get(name).and_then(|who| text(who, "id")).unwrap_or_default();
        let kind = hook::kind(told);
        let (sender, recipient) = (id("sender"), id("recipient"));
        let chat = if sender == owner { recipient } else { sender };
        let at = told.get("timestamp").map_or(time, millis);
        Self { told, kind, body: told.get(kind).unwrap_or(&Value::Null), sender, chat, owner, at }
    }

    fn meaning(&self, own_app: bool, standby: bool) -> Vec<Inbound> {
        let kinds = match self.kind {
            // Another app has the conversation: what is said there is for it to answer.
            "message" | "postback" | "referral" if standby && !self.has("is_deleted") => {
                vec![ignored(format!("standby {}", self.kind))]
            }
            "message" => self.message(own_app),
            "message_edit" => vec![self.edit()],
            "postback" => vec![self.postback()],
            "reaction" => vec![self.reaction()],
            "delivery" => self.reached(ReceiptKind::Delivered),
            "read" => self.reached(ReceiptKind::Read),
            "referral" => vec![self.referral()],
            "optin" => vec![self.optin()],
            "policy_enforcement" => {
                return vec![in_chat("", self.at, self.policy())];
            }
            // Who has the conversation (`pass_thread_control` and the like), and what is not known.
            other => vec![ignored(other.to_owned())],
        };
        let party = || Party { address: self.sender.to_owned(), name: None, phone: None };
        let from = (!self.sender.is_empty()).then(party);
        let told = |kind| Inbound { from: from.clone(), ..in_chat(self.chat, self.at, kind) };
        // Nobody could be answered: it concerns no conversation.
        let lost =
            self.chat.is_empty() && kinds.iter().any(|kind| !matches!(kind, InboundKind::Ignored { .. }));
        if lost {
            return vec![told(ignored(format!("{} of nobody", self.kind)))];
        }
        kinds.into_iter().map(told).collect()
    }

    fn has(&self, flag: &str) -> bool {
        self.body.get(flag).and_then(Value::as_bool) == Some(true)
    }

    fn mid(&self) -> Option<String> {
        owned(self.body, "mid")
    }

    fn message(&self, own_app: bool) -> Vec<InboundKind> {
        let Some(mid) = self.mid() else { return vec![ignored("message without an id".to_owned())] };
        if self.has("is_deleted") {
            return (0..PARTS).map(|n| InboundKind::Deleted { provider_id: part(&mid, n) }).collect();
        }
        let echo = self.has("is_echo") || self.sender == self.owner;
        if self.has("is_self") || (echo && self.chat == self.owner) {
            return vec![ignored("message to oneself".to_owned())];
        }
        let is_ours = own_app || text(self.body, "metadata").is_some_and(send::is_own_metadata);
        if echo && is_ours {
            return vec![ignored("echo of our own message".to_owned())];
        }
        let reply_to = self.body.get("reply_to").and_then(|quoted| owned(quoted, "mid"));
        let parts = content::read(self.body).into_iter().enumerate();
        parts
            .map(|(n, content)| InboundKind::Message {
                provider_id: part(&mid, n),
                content,
                reply_to: reply_to.clone(),
                echo,
            })
            .collect()
    }

    fn edit(&self) -> InboundKind {
        match (self.mid(), owned(self.body, "text")) {
            (Some(provider_id), Some(text)) => {
                InboundKind::Edited { provider_id, content: Content::text(text) }
            }
            _ => ignored("message_edit of nothing".to_owned()),
        }
    }

    /// A button of a template, of the menu, or to get started. Old ones have no id; then the moment is it.
    fn postback(&self) -> InboundKind {
        let title = owned(self.body, "title");
        let Some(data) = owned(self.body, "payload").or_else(|| title.clone()) else {
            return ignored("postback of nothing".to_owned());
        };
        let provider_id = self.mid().unwrap_or_else(|| self.moment());
        let content = Content::Callback { data, title };
        InboundKind::Message { provider_id, content, reply_to: None, echo: false }
    }

    /// Somebody came back by a link or an advertisement of ours. What it refers to is an answer like a button's: it opens
    /// the window as well.
    fn referral(&self) -> InboundKind {
        let Some(data) = owned(self.body, "ref") else {
            return ignored(format!("referral {}", text(self.body, "source").unwrap_or_default()));
        };
        let content = Content::Callback { data, title: None };
        InboundKind::Message { provider_id: self.moment(), content, reply_to: None, echo: false }
    }

    fn optin(&self) -> InboundKind {
        match text(self.body, "notification_messages_status") {
            Some("STOP_NOTIFICATIONS" | "STOP NOTIFICATIONS") => {
                InboundKind::ContactOptedOut { opted_out: true }
            }
            Some("RESUME_NOTIFICATIONS" | "RESUME NOTIFICATIONS") => {
                InboundKind::ContactOptedOut { opted_out: false }
            }
            _ => ignored(format!("optin {}", text(self.body, "type").unwrap_or_default())),
        }
    }

    fn reaction(&self) -> InboundKind {
        let Some(provider_id) = self.mid() else { return ignored("reaction to nothing".to_owned()) };
        if text(self.body, "action") == Some("unreact") {
            return InboundKind::Reacted { provider_id, emoji: Vec::new() };
        }
        let emoji = owned(self.body, "emoji")
            .or_else(|| text(self.body, "reaction").and_then(send::emoji).map(str::to_owned));
        match emoji {
            Some(emoji) => InboundKind::Reacted { provider_id, emoji: vec![emoji] },
            None => ignored("reaction without an emoji".to_owned()),
        }
    }

    /// By time on Messenger, where the ids may be missing; by message on Instagram.
    fn reached(&self, reached: ReceiptKind) -> Vec<InboundKind> {
        let until = self.body.get("watermark").map_or(Timestamp::ZERO, millis);
        if until > Timestamp::ZERO {
            return vec![InboundKind::ReceiptUpTo { reached, until }];
        }
        let mids = self.body.get("mids").and_then(Value::as_array).into_iter().flatten();
        let mids = mids.filter_map(|mid| Some(mid.as_str()?.to_owned())).chain(self.mid());
        let receipt = |provider_id| InboundKind::Receipt(Receipt { provider_id, kind: reached, error: None });
        let receipts: Vec<_> = mids.map(receipt).collect();
        if receipts.is_empty() { vec![ignored(format!("{} of nothing", self.kind))] } else { receipts }
    }

    fn policy(&self) -> InboundKind {
        let action = text(self.body, "action").unwrap_or_default();
        let effect = match action {
            "block" => NoticeEffect::Stopped { reason: "restricted".to_owned(), until: None },
            "unblock" => NoticeEffect::Restored,
            _ => NoticeEffect::None,
        };
        let what = format!("policy_enforcement {action}").trim_end().to_owned();
        InboundKind::AccountNotice { what, detail: owned(self.body, "reason").unwrap_or_default(), effect }
    }

    /// An id for what has none: its kind and its time are the same whenever it is told.
    fn moment(&self) -> String {
        let time = self.told.get("timestamp").unwrap_or(&Value::Null);
        format!("{}:{}", self.kind, time.as_str().map_or_else(|| time.to_string(), str::to_owned))
    }
}

fn ignored(what: String) -> InboundKind {
    InboundKind::Ignored { what }
}

fn in_chat(chat: &str, at: Timestamp, kind: InboundKind) -> Inbound {
    Inbound {
        chat: chat.to_owned(),
        chat_kind: ConversationKind::Direct,
        chat_title: None,
        thread: None,
        from: None,
        at,
        kind,
    }
}

/// From 1 January 2001 on, in milliseconds; what is smaller is in seconds.
const LEAST_MILLIS: i64 = 978_307_200_000;

/// Milliseconds since 1970; Meta's samples write text, and seconds, too.
fn millis(told: &Value) -> Timestamp {
    let told = told.as_i64().or_else(|| told.as_str()?.parse().ok()).unwrap_or(0);
    let micros = if told < LEAST_MILLIS { told.saturating_mul(1_000_000) } else { told.saturating_mul(1000) };
    Timestamp::from_micros(micros)
}
