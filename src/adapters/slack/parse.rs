//! Events in Rookery's words.
//!
//! Fields are read one by one and each may be missing: Slack adds words all the time, and an event of which we know too
//! little is kept and ignored, not refused.

use channel::ParseError;
use model::{Account, ConversationKind, Inbound, InboundKind, NoticeEffect, Party, Timestamp};
use serde_json::Value;

use super::blocks::array;
use super::{BOT_ID, BOT_USER, emoji, ids, interactive, message};

/// An event with what is known of those who told it.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    account: &'a Account,
    payload: &'a Value,
    /// What happened.
    pub event: &'a Value,
}

/// What an event means.
pub(super) fn payload(account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
    let kind = text(payload, "type");
    if let Some(event) = payload.get("event").filter(|event| event.is_object()) {
        return Ok(event_callback(Told { account, payload, event }));
    }
    match kind {
        Some("app_rate_limited") => Ok(vec![rate_limited(payload)]),
        Some(kind) if !kind.is_empty() => Ok(interactive::payload(kind, payload)),
        // Not its own words: they may be private.
        _ => Err(ParseError { channel: super::NAME, detail: "neither an event nor a type".to_owned() }),
    }
}

fn event_callback(told: Told<'_>) -> Vec<Inbound> {
    let event = told.event;
    match text(event, "type").unwrap_or_default() {
        // A mention comes as a message too, with the same `ts`: where the app may read the channel, the store knows one
        // from the other by it; where it may not, the mention is all there is.
        "message" | "app_mention" => message::read(told),
        kind @ ("reaction_added" | "reaction_removed") => vec![reaction(told, kind == "reaction_added")],
        "channel_id_changed" => vec![moved(event)],
        "app_uninstalled" => vec![stopped(told, "app_uninstalled", "the app was removed from the workspace")],
        "tokens_revoked" => vec![tokens_revoked(told)],
        "app_rate_limited" => vec![rate_limited(event)],
        kind => vec![ignored(event, kind)],
    }
}

impl Told<'_> {
    fn setting(&self, name: &str) -> Option<&str> {
        text(&self.account.settings, name)
    }

    /// The bot's user id: noted when the account was connected, and told with each event.
    fn bot_user(&self) -> Option<&str> {
        self.setting(BOT_USER).or_else(|| {
            let mut told = array(self.payload, "authorizations").iter();
            let bot = told.find(|one| one.get("is_bot") == Some(&Value::Bool(true)))?;
            text(bot, "user_id")
        })
    }

    pub fn is_our_user(&self, user: Option<&str>) -> bool {
        user.is_some_and(|user| !user.is_empty() && self.bot_user() == Some(user))
    }

    /// Whether the app itself wrote a message: as its bot, or through a `response_url` or a webhook of its own.
    pub fn is_ours(&self, message: &Value) -> bool {
        let same =
            |one: Option<&str>, other: Option<&str>| one.is_some_and(|one| !one.is_empty()) && one == other;
        let bot = text(message, "bot_id");
        let of_app = text(message, "app_id")
            .or_else(|| text(message.get("bot_profile").unwrap_or(&Value::Null), "app_id"));
        self.is_our_user(text(message, "user"))
            || same(bot, self.setting(BOT_ID))
            || bot.is_some() && same(of_app, text(self.payload, "api_app_id"))
    }
}

fn reaction(told: Told<'_>, added: bool) -> Inbound {
    let event = told.event;
    let item = event.get("item").unwrap_or(&Value::Null);
    let (Some(channel), Some(ts), Some(name)) =
        (text(item, "channel"), text(item, "ts"), text(event, "reaction"))
    else {
        // To a file, or to something of next year.
        return ignored(event, "reaction");
    };
    if told.is_our_user(text(event, "user")) {
        return ignored(event, "own reaction");
    }
    // Slack tells what changed and not what stands: of a person's several reactions the newest counts.
    let emoji = if added { vec![emoji::unicode(name)] } else { Vec::new() };
    let kind = InboundKind::Reacted { provider_id: ts.to_owned(), emoji };
    Inbound {
        from: text(event, "user").map(|user| person(user, None)),
        at: at(event),
        ..in_chat(channel, None, kind)
    }
}

fn moved(event: &Value) -> Inbound {
    let (Some(old), Some(new)) = (text(event, "old_channel_id"), text(event, "new_channel_id")) else {
        return ignored(event, "channel_id_changed");
    };
    Inbound { at: at(event), ..in_chat(old, None, InboundKind::ChatMoved { to: new.to_owned() }) }
}

/// Of the bot's own tokens, or only of people's, whose tokens are none of ours.
fn tokens_revoked(told: Told<'_>) -> Inbound {
    let tokens = told.event.get("tokens").unwrap_or(&Value::Null);
    let bots = array(tokens, "bot");
    let ours = match told.bot_user() {
        Some(bot) => bots.iter().any(|user| user.as_str() == Some(bot)),
        None => !bots.is_empty(),
    };
    if ours {
        stopped(told, "tokens_revoked", "the bot's token was revoked")
    } else {
        ignored(told.event, "tokens_revoked")
    }
}

fn stopped(told: Told<'_>, what: &str, detail: &str) -> Inbound {
    let effect = NoticeEffect::Stopped { reason: "token_revoked".to_owned(), until: None };
    let seconds = told.payload.get("event_time").and_then(Value::as_i64).unwrap_or_default();
    Inbound { at: Timestamp::from_micros(seconds.saturating_mul(1_000_000)), ..notice(what, detail, effect) }
}

fn rate_limited(told: &Value) -> Inbound {
    let detail = "over 30,000 events of the workspace in an hour: Slack drops some";
    let seconds = told.get("minute_rate_limited").and_then(Value::as_i64).unwrap_or_default();
    Inbound {
        at: Timestamp::from_micros(seconds.saturating_mul(1_000_000)),
        ..notice("app_rate_limited", detail, NoticeEffect::None)
    }
}

fn notice(what: &str, detail: &str, effect: NoticeEffect) -> Inbound {
    let kind = InboundKind::AccountNotice { what: what.to_owned(), detail: detail.to_owned(), effect };
    in_chat("", None, kind)
}

/// An event of no concern, or of a kind that is not known, with whatever can be told about its whereabouts.
pub(super) fn ignored(event: &Value, what: &str) -> Inbound {
    let what = if what.is_empty() { "event without a type" } else { what };
    let of = |place: &Value| {
        let channel = place.get("channel")?;
        channel.as_str().or_else(|| text(channel, "id")).map(str::to_owned)
    };
    let chat = of(event).or_else(|| of(event.get("item")?)).unwrap_or_default();
    let kind = InboundKind::Ignored { what: what.to_owned() };
    Inbound {
        from: text(event, "user").filter(|user| !user.is_empty()).map(|user| person(user, None)),
        at: at(event),
        ..in_chat(&chat, text(event, "channel_type"), kind)
    }
}

pub(super) fn in_chat(channel: &str, channel_type: Option<&str>, kind: InboundKind) -> Inbound {
    let direct = matches!(channel_type, Some("im" | "app_home")) || ids::is_direct(channel);
    Inbound {
        chat: channel.to_owned(),
        // What Slack calls a channel is a room in which everybody speaks.
        chat_kind: if direct { ConversationKind::Direct } else { ConversationKind::Group },
        chat_title: None,
        thread: None,
        from: None,
        at: Timestamp::ZERO,
        kind,
    }
}

pub(super) fn person(id: &str, name: Option<&str>) -> Party {
    let name = name.filter(|name| !name.trim().is_empty()).map(str::to_owned);
    Party { address: id.to_owned(), name, phone: None }
}

/// When it happened.
fn at(event: &Value) -> Timestamp {
    text(event, "event_ts").or_else(|| text(event, "ts")).map_or(Timestamp::ZERO, ids::time)
}

/// The text `key`, if it is one.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}
