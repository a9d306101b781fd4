//! Content as TikTok Shop takes it: a type, and JSON in a string.

use bytes::Bytes;
use channel::{Channel, ChannelError, ContentProblem, Credentials, Outgoing};
use model::{Content, Format, Media};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Call;
use super::{TikTok, conversation_path, limits};
use crate::telegram::markdown::{self, Node};

/// What must stand in the content of the types that we know; others are handed through.
const NEEDS: &[(&str, &[&str])] = &[
    ("TEXT", &["content"]),
    ("IMAGE", &["url", "width", "height"]),
    ("VIDEO", &["vid"]),
    ("PRODUCT_CARD", &["product_id"]),
    ("ORDER_CARD", &["order_id"]),
    ("RETURN_REFUND_CARD", &["order_id", "sku_id"]),
    ("COUPON_CARD", &["coupon_id"]),
    ("LOGISTICS_CARD", &["order_id"]),
];

/// A message's body.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    kind: String,
    content: Value,
}

/// A picture that TikTok has.
#[derive(Deserialize)]
struct Uploaded {
    url: String,
    width: Value,
    height: Value,
}

/// The answer to a message.
#[derive(Deserialize)]
pub(super) struct Sent {
    pub message_id: String,
}

impl Said {
    fn new(kind: &str, content: Value) -> Self {
        Self { kind: kind.to_owned(), content }
    }

    /// The call that says it.
    pub fn call(&self, chat: &str) -> Result<Call, ChannelError> {
        let path = conversation_path(chat)? + "/messages";
        let body = json!({ "type": self.kind, "content": self.content.to_string() });
        Ok(Call::post(path, &body).once())
    }
}

impl TikTok {
    /// A message's body. Pictures are uploaded on the way.
    pub(super) async fn said(
        &self,
        credentials: &Credentials,
        message: &Outgoing,
    ) -> Result<Said, ChannelError> {
        match &message.content {
            Content::Text { text, format, .. } => {
                Ok(Said::new("TEXT", json!({ "content": visible(text, *format) })))
            }
            Content::Image { media, .. } => {
                let bytes = self.picture(media, message.file.as_ref()).await?;
                let image: Uploaded = self.api.call(credentials, upload(bytes)?).await?;
                let content = json!({ "url": image.url, "width": image.width, "height": image.height });
                Ok(Said::new("IMAGE", content))
            }
            Content::Native { body, .. } => {
                native(body).map_err(|problem| ChannelError::permanent(problem.code, problem.message))
            }
            other => {
                let message = format!("{} cannot be sent", other.kind());
                Err(ChannelError::permanent("unsupported", message))
            }
        }
    }

    /// A picture's bytes. TikTok takes no links but its own, so what lies elsewhere is fetched first.
    async fn picture(&self, media: &Media, file: Option<&Bytes>) -> Result<Bytes, ChannelError> {
        if let Some(bytes) = file {
            return Ok(bytes.clone());
        }
        let link = media.url.as_ref().or(media.provider_ref.as_ref());
        let link =
            link.ok_or_else(|| ChannelError::permanent("media", "the picture has neither bytes nor a link"))?;
        self.api.download(link, limits::MAX_IMAGE).await
    }

    /// Refuses what TikTok would, as far as that can be known before.
    pub(super) fn check_content(&self, content: &Content) -> Result<(), ContentProblem> {
        self.capabilities().check(content)?;
        match content {
            Content::Native { body, .. } => native(body).map(drop),
            _ => Ok(()),
        }
    }
}

fn upload(bytes: Bytes) -> Result<Call, ChannelError> {
    let Some((mime, ending)) = picture_type(&bytes) else {
        let message = "the file is no JPEG, PNG, GIF or WebP picture";
        return Err(ChannelError::permanent("unsupported", message));
    };
    Ok(Call::upload("/customer_service/202309/images/upload", bytes, mime, format!("image.{ending}")))
}

/// What a picture is by its first bytes, with the ending of its name.
fn picture_type(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some(("image/jpeg", "jpg")),
        [0x89, b'P', b'N', b'G', ..] => Some(("image/png", "png")),
        [b'G', b'I', b'F', b'8', ..] => Some(("image/gif", "gif")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(("image/webp", "webp")),
        _ => None,
    }
}

/// A message in TikTok's own form: `{"type": "PRODUCT_CARD", "content": {"product_id": "…"}}`, the content as an object
/// or as the JSON text that TikTok takes.
fn native(body: &Value) -> Result<Said, ContentProblem> {
    let kind = body.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| {
        problem("body.type", "invalid", "must be a type of message, for example ORDER_CARD")
    })?;
    let content = match body.get("content") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(content) => content.clone(),
        None => Value::Null,
    };
    if !content.is_object() {
        return Err(problem("body.content", "invalid", "must be an object, or one as JSON text"));
    }
    let needs = NEEDS.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, needs)| needs);
    let given = |name: &str| match content.get(name) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(_)) => true,
        _ => false,
    };
    match needs.iter().find(|name| !given(name)) {
        Some(name) => Err(problem(&format!("body.content.{name}"), "empty", &format!("{kind} needs it"))),
        None => Ok(Said::new(kind, content)),
    }
}

fn problem(field: &str, code: &'static str, message: &str) -> ContentProblem {
    ContentProblem { field: field.to_owned(), code, message: message.to_owned() }
}

/// A text as TikTok shows it, which has no marks: those of Markdown go, and a link stands beside its words.
fn visible(text: &str, format: Format) -> String {
    match format {
        Format::Plain => text.to_owned(),
        Format::Markdown => unmarked(&markdown::parse(text)),
    }
}

fn unmarked(nodes: &[Node]) -> String {
    nodes.iter().fold(String::new(), |seen, node| match node {
        Node::Text(text) | Node::Code(text) | Node::Fenced { code: text, .. } => seen + text,
        Node::Bold(inner) | Node::Italic(inner) | Node::Strike(inner) => seen + &unmarked(inner),
        Node::Link { label, url } => {
            let label = unmarked(label);
            if label == *url { seen + &label } else { format!("{seen}{label} ({url})") }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_links_stay() {
        let shown = |text| visible(text, Format::Markdown);
        assert_eq!(shown("**bold** _and_ `code`"), "bold and code");
        assert_eq!(shown("see [our shop](https://x.y)"), "see our shop (https://x.y)");
        assert_eq!(shown("[https://x.y](https://x.y)"), "https://x.y");
        assert_eq!(visible("**as it is**", Format::Plain), "**as it is**");
    }

    #[test]
    fn native_messages_are_checked_as_far_as_they_are_known() {
        let card = Said::new("ORDER_CARD", json!({ "order_id": "7" }));
        assert_eq!(native(&json!({"type": "ORDER_CARD", "content": {"order_id": "7"}})), Ok(card));
        let text = json!({"type": "ORDER_CARD", "content": "{\"order_id\":\"7\"}"});
        assert_eq!(native(&text).unwrap().content, json!({ "order_id": "7" }));
        assert!(native(&json!({"type": "NEW_CARD", "content": {}})).is_ok());
        for (body, field) in [
            (json!({}), "body.type"),
            (json!("ORDER_CARD"), "body.type"),
            (json!({"type": "ORDER_CARD"}), "body.content"),
            (json!({"type": "ORDER_CARD", "content": "order 7"}), "body.content"),
            (json!({"type": "ORDER_CARD", "content": {}}), "body.content.order_id"),
            (json!({"type": "VIDEO", "content": {"vid": ""}}), "body.content.vid"),
            (json!({"type": "RETURN_REFUND_CARD", "content": {"order_id": "7"}}), "body.content.sku_id"),
        ] {
            assert_eq!(native(&body).unwrap_err().field, field, "{body}");
        }
    }

    #[test]
    fn pictures_are_known_by_their_bytes() {
        assert_eq!(picture_type(channel::conformance::samples::PNG), Some(("image/png", "png")));
        assert_eq!(picture_type(b"RIFF....WEBPVP8 "), Some(("image/webp", "webp")));
        assert_eq!(picture_type(b"RIFF....AVI "), None);
        assert_eq!(picture_type(b""), None);
    }
}
