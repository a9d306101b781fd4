//! Content as the body of `POST /{page or account}/messages`: to whom, what, as an answer to what, and what it is for.

use std::time::Duration;

use channel::{ChannelError, ContentProblem, Outgoing};
use model::{Content, Format, Media, Purpose, Timestamp};
use serde_json::{Map, Value, json};

use super::{COMMENT, Dialect, buttons, parse};
use crate::telegram::markdown::{Node, parse as parse_markdown};

/// For how long anybody may answer.
pub(crate) const WINDOW: Duration = Duration::from_hours(24);
/// For how long a person may, with Meta's tag for that.
pub(crate) const PERSON_WINDOW: Duration = Duration::from_hours(7 * 24);
/// The one tag that is left for general use: the others are refused since April 2026.
const HUMAN_AGENT: &str = "HUMAN_AGENT";
/// What our word in a message begins with, by which its echo is known.
const METADATA: &str = "rookery:";
/// What a native message may consist of; who it goes to and what it answers is filled in.
const NATIVE: &[&str] = &["message", "messaging_type", "tag", "notification_type", "persona_id"];
/// Messenger's words for reactions, with the emoji that stand for them; the first is shown for the word.
const REACTIONS: &[(&str, &[&str])] = &[
    ("love", &["\u{2764}\u{fe0f}", "\u{2764}", "\u{1f60d}"]),
    ("like", &["\u{1f44d}"]),
    ("dislike", &["\u{1f44e}"]),
    ("smile", &["\u{1f606}", "\u{1f600}", "\u{1f602}"]),
    ("wow", &["\u{1f62e}"]),
    ("sad", &["\u{1f622}"]),
    ("angry", &["\u{1f620}", "\u{1f621}"]),
];

/// The body that says a message. `uploaded` is the handle of the file that was uploaded for it.
pub(super) fn body(
    dialect: &Dialect,
    message: &Outgoing,
    uploaded: Option<&str>,
    now: Timestamp,
) -> Result<Value, ChannelError> {
    let mut body = match &message.content {
        Content::Native { body, .. } => {
            let problem = |problem: ContentProblem| ChannelError::permanent("native", problem.message);
            check_native(body).map_err(problem)?;
            body.as_object().cloned().unwrap_or_default()
        }
        content => Map::from_iter([("message".to_owned(), said(content, uploaded)?)]),
    };
    if dialect.typed && body["message"].get("metadata").is_none() {
        body["message"]["metadata"] = format!("{METADATA}{}", message.message_id).into();
    }
    body.insert("recipient".to_owned(), recipient(&message.chat));
    if let Some(quoted) = &message.reply_to {
        body.insert("reply_to".to_owned(), json!({ "mid": parse::mid(quoted) }));
    }
    if !body.contains_key("messaging_type") {
        for (name, value) in purpose(dialect, message, now) {
            body.insert(name.to_owned(), value.into());
        }
    }
    Ok(Value::Object(body))
}

/// Whom a message goes to: a person, or who wrote a comment, once.
pub(super) fn recipient(chat: &str) -> Value {
    match chat.strip_prefix(COMMENT) {
        Some(comment) => json!({ "comment_id": comment }),
        None => json!({ "id": chat }),
    }
}

/// What a message is for, as Meta wants it named. Whether the window is open, Meta judges itself.
fn purpose(dialect: &Dialect, message: &Outgoing, now: Timestamp) -> Vec<(&'static str, &'static str)> {
    let waited = message.contact_wrote_at.map(|at| now.since(at));
    let is_late = waited.is_some_and(|waited| waited > WINDOW && waited <= PERSON_WINDOW);
    if matches!(message.content, Content::ProviderTemplate { .. }) {
        return vec![("messaging_type", "UTILITY")];
    }
    if message.by_person && is_late {
        return vec![("messaging_type", "MESSAGE_TAG"), ("tag", HUMAN_AGENT)];
    }
    if !dialect.typed {
        return Vec::new();
    }
    let is_answer = message.purpose == Purpose::Conversation && message.contact_wrote_at.is_some();
    vec![("messaging_type", if is_answer { "RESPONSE" } else { "UPDATE" })]
}

fn said(content: &Content, uploaded: Option<&str>) -> Result<Value, ChannelError> {
    if let Content::Text { text, format, buttons } = content {
        let text = plain(text, *format);
        return Ok(if buttons.is_empty() { json!({ "text": text }) } else { buttons::write(&text, buttons) });
    }
    if let Content::ProviderTemplate { name, language, components } = content {
        let mut template = json!({ "name": name, "language": { "code": language } });
        if !components.is_empty() {
            template["components"] = components.as_slice().into();
        }
        return Ok(json!({ "template": template }));
    }
    let unsupported =
        || ChannelError::permanent("unsupported", format!("{} cannot be sent here", content.kind()));
    let kind = attachment_type(content).ok_or_else(unsupported)?;
    let payload = file(content.media().ok_or_else(unsupported)?, uploaded)?;
    Ok(json!({ "attachment": { "type": kind, "payload": payload } }))
}

/// A file: uploaded, or at a link that Meta fetches; one that was received still has its link for a while.
fn file(media: &Media, uploaded: Option<&str>) -> Result<Value, ChannelError> {
    match (uploaded, media.url.as_deref().or(media.provider_ref.as_deref())) {
        (Some(id), _) => Ok(json!({ "attachment_id": id })),
        (None, Some(link)) => Ok(json!({ "url": link, "is_reusable": false })),
        (None, None) => Err(ChannelError::permanent("media", "the file has neither bytes nor a link")),
    }
}

/// The provider's word for content that is a file.
pub(super) fn attachment_type(content: &Content) -> Option<&'static str> {
    Some(match content {
        Content::Image { .. } => "image",
        Content::Video { .. } => "video",
        Content::Audio { .. } => "audio",
        Content::Document { .. } => "file",
        _ => return None,
    })
}

/// What a file is taken for that nobody has said anything of.
pub(super) fn usual_mime(attachment_type: &str) -> &'static str {
    match attachment_type {
        "image" => "image/jpeg",
        "video" => "video/mp4",
        "audio" => "audio/mp4",
        _ => "application/octet-stream",
    }
}

/// What cannot be said beyond what the capabilities tell.
pub(super) fn check(content: &Content) -> Result<(), ContentProblem> {
    match content {
        Content::Text { text, buttons, .. } => buttons::check(text, buttons),
        Content::ProviderTemplate { name, language, .. } => {
            for (field, text) in [("name", name), ("language", language)] {
                if text.trim().is_empty() {
                    let message = "a template has a name and a language".to_owned();
                    return Err(ContentProblem { field: field.to_owned(), code: "empty", message });
                }
            }
            Ok(())
        }
        Content::Native { body, .. } => check_native(body),
        _ => Ok(()),
    }
}

/// A native message is the request without its recipient: templates, carousels, stickers, own posts, a tag of one's own.
fn check_native(body: &Value) -> Result<(), ContentProblem> {
    let problem =
        |message: String| Err(ContentProblem { field: "body".to_owned(), code: "invalid", message });
    let Some(fields) = body.as_object().filter(|fields| fields.get("message").is_some_and(Value::is_object))
    else {
        return problem("a native message has an object `message`".to_owned());
    };
    match fields.keys().find(|name| !NATIVE.contains(&name.as_str())) {
        Some(field) => problem(format!("`{field}` is not part of it; there may be {}", NATIVE.join(", "))),
        None => Ok(()),
    }
}

/// Whether a word in an echo is ours.
pub(super) fn is_own_metadata(metadata: &str) -> bool {
    metadata.starts_with(METADATA)
}

/// Messenger's word for an emoji; one without a word is left to Meta's judgement.
pub(super) fn reaction_word(emoji: &str) -> &str {
    REACTIONS.iter().find(|(_, emojis)| emojis.contains(&emoji)).map_or(emoji, |(word, _)| *word)
}

/// The emoji for one of Messenger's words.
pub(super) fn emoji(word: &str) -> Option<&'static str> {
    REACTIONS.iter().find(|(known, _)| *known == word)?.1.first().copied()
}

/// There is no markup: what is left are the words, and links beside their labels.
fn plain(text: &str, format: Format) -> String {
    match format {
        Format::Plain => text.to_owned(),
        Format::Markdown => nodes(&parse_markdown(text)),
    }
}

fn nodes(nodes: &[Node]) -> String {
    nodes.iter().map(node).collect()
}

fn node(node: &Node) -> String {
    match node {
        Node::Text(text) => text.clone(),
        Node::Bold(inner) | Node::Italic(inner) | Node::Strike(inner) => nodes(inner),
        Node::Code(code) | Node::Fenced { code, .. } => code.clone(),
        Node::Link { label, url } => {
            let label = nodes(label);
            if label == *url || label.is_empty() { url.clone() } else { format!("{label} ({url})") }
        }
    }
}
