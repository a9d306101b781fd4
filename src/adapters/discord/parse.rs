//! Events in Rookery's words. Each payload has the form of a Gateway dispatch, however it came: `t` says what happened, `d`
//! what it is about.
//!
//! Several files in one message are several messages with us; all but the first have their place behind the id
//! (`123:1`), so that no id is given twice.

use channel::ParseError;
use model::{Account, ConversationKind, Inbound, InboundKind, NoticeEffect, Party, Timestamp};
use serde_json::Value;

use super::content::{self, known_as};
use super::interaction;
use super::snowflake::{date, id, time};

/// Kinds of messages that somebody wrote; all others tell what happened in a channel.
const WRITTEN: &[u64] = &[0, 19];

/// What an event means.
pub(super) fn event(account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
    let what = payload["t"].as_str().ok_or_else(|| malformed("an event without a name"))?;
    let body = &payload["d"];
    if !body.is_object() {
        return Err(malformed("an event that is about nothing"));
    }
    let me = account.settings["bot_id"].as_str().or(account.external_id.as_deref());
    Ok(match what {
        "MESSAGE_CREATE" => message(me, body)?,
        "MESSAGE_UPDATE" => edited(me, body)?,
        "MESSAGE_DELETE" => vec![deleted(body, &required(body, "id")?)?],
        "MESSAGE_DELETE_BULK" => {
            let ids = body["ids"].as_array().ok_or_else(|| malformed("a bulk deletion without ids"))?;
            ids.iter().filter_map(id).map(|id| deleted(body, &id)).collect::<Result<_, _>>()?
        }
        "MESSAGE_REACTION_ADD" => vec![reacted(me, body, what, Some(emoji(&body["emoji"])))?],
        "MESSAGE_REACTION_REMOVE" | "MESSAGE_REACTION_REMOVE_ALL" => vec![reacted(me, body, what, None)?],
        "INTERACTION_CREATE" => interaction::parse(body),
        "APPLICATION_AUTHORIZED" | "APPLICATION_DEAUTHORIZED" => vec![installed(body, what)],
        // Everything else has no place in a conversation of this account: channels, members, purchases, what people who
        // play a game write to each other; and reactions of one kind that somebody took away from all.
        other => vec![ignored(body, other)],
    })
}

fn malformed(detail: &str) -> ParseError {
    ParseError { channel: super::NAME, detail: detail.to_owned() }
}

fn required(body: &Value, field: &str) -> Result<String, ParseError> {
    id(&body[field]).ok_or_else(|| malformed(&format!("a message event without {field}")))
}

fn message(me: Option<&str>, body: &Value) -> Result<Vec<Inbound>, ParseError> {
    let (chat, own_id) = (required(body, "channel_id")?, required(body, "id")?);
    if let Some(why) = machine(me, body) {
        return Ok(vec![ignored(body, why)]);
    }
    let kind = body["type"].as_u64().unwrap_or_default();
    if !WRITTEN.contains(&kind) {
        return Ok(vec![ignored(body, &format!("MESSAGE_CREATE type {kind}"))]);
    }
    let is_reply = body["message_reference"]["type"].as_u64().unwrap_or_default() == 0;
    let reply_to = id(&body["message_reference"]["message_id"]).filter(|_| is_reply);
    let said = content::read(body).into_iter().enumerate();
    Ok(said
        .map(|(place, content)| {
            let kind = InboundKind::Message {
                provider_id: if place == 0 { own_id.clone() } else { format!("{own_id}:{place}") },
                content,
                reply_to: reply_to.clone(),
                echo: false,
            };
            let at = date(&body["timestamp"]).unwrap_or_else(|| time(&own_id));
            Inbound { from: author(body), at, ..in_chat(body, &chat, kind) }
        })
        .collect())
}

/// An edit. Discord also tells of one when it has looked at a link; and it may leave out what did not change.
fn edited(me: Option<&str>, body: &Value) -> Result<Vec<Inbound>, ParseError> {
    let (chat, own_id) = (required(body, "channel_id")?, required(body, "id")?);
    if let Some(why) = machine(me, body) {
        return Ok(vec![ignored(body, why)]);
    }
    let Some(at) = date(&body["edited_timestamp"]) else {
        return Ok(vec![ignored(body, "MESSAGE_UPDATE that is no edit")]);
    };
    if body.get("content").is_none() && body.get("attachments").is_none() {
        return Ok(vec![ignored(body, "MESSAGE_UPDATE without words")]);
    }
    // The files that follow cannot be changed, only taken away.
    let content = content::read(body).into_iter().next();
    let edit = content.map(|content| {
        let kind = InboundKind::Edited { provider_id: own_id.clone(), content };
        Inbound { from: author(body), at, ..in_chat(body, &chat, kind) }
    });
    Ok(edit.into_iter().collect())
}

/// Why a message is none of a person's, if it is not.
pub(super) fn machine(me: Option<&str>, body: &Value) -> Option<&'static str> {
    let author = &body["author"];
    if id(&author["id"]).is_some_and(|author| Some(author.as_str()) == me) {
        return Some("own message");
    }
    let is_bot = author["bot"].as_bool() == Some(true) || !body["webhook_id"].is_null();
    is_bot.then_some("message of a bot")
}

fn deleted(body: &Value, message: &str) -> Result<Inbound, ParseError> {
    let chat = required(body, "channel_id")?;
    Ok(in_chat(body, &chat, InboundKind::Deleted { provider_id: message.to_owned() }))
}

fn reacted(me: Option<&str>, body: &Value, what: &str, emoji: Option<String>) -> Result<Inbound, ParseError> {
    let (chat, message) = (required(body, "channel_id")?, required(body, "message_id")?);
    let user = id(&body["user_id"]);
    if user.is_some() && user.as_deref() == me {
        return Ok(ignored(body, &format!("own {what}")));
    }
    let member = &body["member"];
    let known = party(&member["user"], member["nick"].as_str());
    let from = known.or_else(|| user.map(|address| Party { address, name: None, phone: None }));
    let kind = InboundKind::Reacted { provider_id: message, emoji: emoji.into_iter().collect() };
    Ok(Inbound { from, ..in_chat(body, &chat, kind) })
}

/// An emoji as it is given back: the character, or a server's own by its name and id.
fn emoji(emoji: &Value) -> String {
    let name = emoji["name"].as_str().unwrap_or_default();
    match id(&emoji["id"]) {
        Some(id) => format!("{}:{id}", if name.is_empty() { "emoji" } else { name }),
        None => name.to_owned(),
    }
}

/// Somebody let the app into a server or their account, or put it out.
fn installed(body: &Value, what: &str) -> Inbound {
    let who = known_as(&body["user"]).unwrap_or_else(|| "somebody".to_owned());
    let did = if what == "APPLICATION_AUTHORIZED" { "let the app in" } else { "put the app out" };
    let place =
        body["guild"]["name"].as_str().map(|name| format!(" of the server {name}")).unwrap_or_default();
    let kind = InboundKind::AccountNotice {
        what: what.to_owned(),
        detail: format!("{who} {did}{place}"),
        effect: NoticeEffect::None,
    };
    Inbound { from: party(&body["user"], None), ..in_chat(body, "", kind) }
}

/// An event of no concern, or of a kind that is not known, with whatever can be told about its whereabouts.
pub(super) fn ignored(body: &Value, what: &str) -> Inbound {
    let chat = id(&body["channel_id"]).unwrap_or_default();
    in_chat(body, &chat, InboundKind::Ignored { what: what.to_owned() })
}

fn in_chat(body: &Value, chat: &str, kind: InboundKind) -> Inbound {
    let is_direct = body["guild_id"].is_null();
    Inbound {
        chat: chat.to_owned(),
        chat_kind: if is_direct { ConversationKind::Direct } else { ConversationKind::Group },
        chat_title: None,
        thread: None,
        from: None,
        at: Timestamp::ZERO,
        kind,
    }
}

fn author(body: &Value) -> Option<Party> {
    party(&body["author"], body["member"]["nick"].as_str())
}

/// A user as somebody on the other side; their name on the server goes first.
pub(super) fn party(user: &Value, nick: Option<&str>) -> Option<Party> {
    let address = id(&user["id"])?;
    let nick = nick.filter(|nick| !nick.is_empty()).map(str::to_owned);
    Some(Party { address, name: nick.or_else(|| known_as(user)), phone: None })
}
