//! `POST /{node}/messages`: a message, or a sender action.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::attachments;
use super::business::node;
use super::state::{Kind, Message, State, Window};
use crate::simulators::meta::{Call, Grant, Refusal, Reply};

/// Messenger's words for reactions.
const REACTIONS: &[&str] = &["smile", "angry", "sad", "wow", "love", "like", "dislike"];
/// What a message may consist of.
const PARTS: &[&str] = &["text", "attachment", "attachments", "template", "sticker_id"];

/// The permission to send.
pub(super) fn scope(state: &State) -> &'static str {
    match state.kind {
        Kind::Messenger => "pages_messaging",
        Kind::Instagram => "instagram_manage_messages",
        Kind::InstagramLogin => "instagram_business_manage_messages",
    }
}

pub(super) fn post(
    state: &mut State,
    place: &str,
    call: &Call,
    grant: &Grant,
    fresh: u64,
    at: Instant,
) -> Reply {
    node(state, place, grant, scope(state))?;
    let body = call.body();
    let to = recipient(state, &body["recipient"])?;
    let person = state.people[&to].clone();
    if let Some((code, subcode, words)) = person.refuses {
        return Err(Refusal::new(400, code, words).with_subcode(subcode));
    }
    if body.get("sender_action").is_some() {
        act(state, &body)?;
        state.actions.push(body);
        return Ok(json!({ "recipient_id": to }));
    }
    let message = body.get("message").filter(|message| message.is_object());
    let message = message.ok_or_else(|| Refusal::parameter("the message is empty"))?;
    check(state, message)?;
    if let Some(quoted) = body.get("reply_to").map(|quoted| quoted["mid"].as_str().unwrap_or_default())
        && !state.knows(quoted)
    {
        return Err(Refusal::parameter("reply_to.mid is no message of this conversation"));
    }
    window(state, &body, person.window)?;
    let kind = message["attachment"]["type"].as_str().unwrap_or_default();
    state.admit(at, matches!(kind, "audio" | "video"))?;
    let id = format!("m_simulated-{fresh}");
    state.messages.push(Message { id: id.clone(), to: to.clone(), body });
    Ok(json!({ "recipient_id": to, "message_id": id }))
}

/// The person, known to the page by this id or by a comment (`c_<id of the person>` here).
fn recipient(state: &State, recipient: &Value) -> Result<String, Refusal> {
    let (id, comment) = (recipient["id"].as_str(), recipient["comment_id"].as_str());
    let meant = id.or_else(|| comment?.strip_prefix("c_"));
    let meant = meant.ok_or_else(|| Refusal::parameter("The parameter recipient is required"))?;
    if state.people.contains_key(meant) {
        return Ok(meant.to_owned());
    }
    let subcode = if state.is_instagram() { 2_534_014 } else { 2_018_001 };
    Err(Refusal::new(400, 100, "(#100) No matching user found").with_subcode(subcode))
}

fn act(state: &State, body: &Value) -> Result<(), Refusal> {
    if body.get("message").is_some() {
        return Err(Refusal::parameter("a sender action is a request of its own"));
    }
    let action = body["sender_action"].as_str().unwrap_or_default();
    match action {
        "typing_on" | "typing_off" | "mark_seen" => Ok(()),
        "react" | "unreact" => {
            let payload = &body["payload"];
            if !state.knows(payload["message_id"].as_str().unwrap_or_default()) {
                return Err(Refusal::new(400, 9_000_001, "The message was deleted"));
            }
            let reaction = payload["reaction"].as_str().unwrap_or_default();
            let is_known = match state.kind {
                Kind::Messenger => REACTIONS.contains(&reaction),
                Kind::Instagram | Kind::InstagramLogin => !reaction.is_empty(),
            };
            if action == "react" && !is_known {
                return Err(Refusal::parameter(format!("payload[reaction] is `{reaction}`")));
            }
            Ok(())
        }
        _ => Err(Refusal::parameter(format!("sender_action is `{action}`"))),
    }
}

fn check(state: &State, message: &Value) -> Result<(), Refusal> {
    if PARTS.iter().filter(|part| message.get(**part).is_some()).count() != 1 {
        return Err(Refusal::parameter("a message has exactly one of text, attachment and the like"));
    }
    if let Some(text) = message.get("text") {
        let text = text.as_str().unwrap_or_default();
        let fits = if state.is_instagram() { text.len() <= 1000 } else { text.chars().count() < 2000 };
        if text.is_empty() || !fits {
            return Err(Refusal::new(400, 100, "(#100) Length of param message[text] is too long"));
        }
    }
    if message.get("attachment").is_some() {
        attachments::check(state, &message["attachment"])?;
    }
    let replies = message["quick_replies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_whole = |reply: &Value| {
        reply["content_type"] == "text"
            && reply["title"].as_str().is_some_and(|title| !title.is_empty())
            && reply["payload"].as_str().is_some_and(|payload| payload.chars().count() <= 1000)
    };
    if replies.len() > 13 || !replies.iter().all(is_whole) {
        return Err(Refusal::parameter("message[quick_replies]"));
    }
    match message.get("metadata") {
        Some(_) if state.is_instagram() => Err(Refusal::parameter("message[metadata] is not known")),
        Some(word) if word.as_str().is_none_or(|word| word.len() >= 1000) => {
            Err(Refusal::parameter("message[metadata]"))
        }
        _ => Ok(()),
    }
}

/// What a message is for, and whether that may be sent now.
fn window(state: &State, body: &Value, window: Window) -> Result<(), Refusal> {
    let kind = body.get("messaging_type").map(|kind| kind.as_str().unwrap_or_default());
    let tag = body.get("tag").map(|tag| tag.as_str().unwrap_or_default());
    let may = match (kind, tag) {
        (Some("MESSAGE_TAG"), Some("HUMAN_AGENT")) => window != Window::Closed,
        (Some("MESSAGE_TAG"), Some(tag)) => {
            return Err(Refusal::new(400, 100, format!("(#100) The tag {tag} is no longer supported")));
        }
        (Some("UTILITY"), None) if !state.is_instagram() => {
            let template = &body["message"]["template"];
            if template["name"] != "order_update" || template["language"]["code"] != "en_US" {
                return Err(Refusal::parameter("message[template] is none of this page's"));
            }
            true
        }
        (Some("RESPONSE" | "UPDATE"), None) => window == Window::Open,
        (None, None) if state.is_instagram() => window == Window::Open,
        _ => return Err(Refusal::parameter("messaging_type and tag do not fit")),
    };
    if may {
        return Ok(());
    }
    let subcode = if state.is_instagram() { 2_534_022 } else { 2_018_278 };
    let words = "(#10) This message is sent outside of allowed window.";
    Err(Refusal::new(400, 10, words).with_subcode(subcode))
}
