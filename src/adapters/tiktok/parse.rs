//! Events in Rookery's words: notifications as webhooks bring them, and messages as polls find them.

use model::{Content, ConversationKind, Inbound, InboundKind, Media, NoticeEffect, Party, Timestamp};
use serde_json::{Map, Value, json};

use channel::ParseError;

use super::{NAME, NEW_CONVERSATION, NEW_MESSAGE, number, word};

/// The seller took back the app's leave.
const DEAUTHORIZED: i64 = 6;
/// The seller's leave ends within 30 days.
const ENDS_SOON: i64 = 7;

/// What an event means.
pub(super) fn event(payload: &Value) -> Result<Vec<Inbound>, ParseError> {
    let fields = payload.as_object().ok_or_else(|| malformed("not an object"))?;
    if let Some(found) = fields.get("message") {
        let chat = fields.get("conversation_id").and_then(word);
        let chat = chat.ok_or_else(|| malformed("a message without a conversation"))?;
        return Ok(vec![message(chat, "id", found)?]);
    }
    let kind = fields.get("type").and_then(number).ok_or_else(|| malformed("no type"))?;
    let data = fields.get("data").unwrap_or(&Value::Null);
    let chat = data.get("conversation_id").and_then(word);
    let at = seconds(data.get("create_time").or_else(|| fields.get("timestamp")));
    let ignored = |what: String| InboundKind::Ignored { what };
    let told = |chat: Option<String>, kind| vec![inbound(chat.unwrap_or_default(), at, kind)];
    Ok(match kind {
        NEW_MESSAGE => {
            let chat = chat.ok_or_else(|| malformed("a message without a conversation"))?;
            vec![message(chat, "message_id", data)?]
        }
        // It begins with the first message, which is told too.
        NEW_CONVERSATION => told(chat, ignored("NEW_CONVERSATION".to_owned())),
        DEAUTHORIZED => {
            let effect = NoticeEffect::Stopped { reason: "token_revoked".to_owned(), until: None };
            told(None, notice("SELLER_DEAUTHORIZATION", data, "the seller took back the app's leave", effect))
        }
        ENDS_SOON => {
            let detail = "the seller's leave for the app ends within 30 days: they have to let it in again";
            told(None, notice("UPCOMING_AUTHORIZATION_EXPIRATION", data, detail, NoticeEffect::None))
        }
        // Orders, products and what else the app subscribed to.
        other => told(chat, ignored(format!("type {other}"))),
    })
}

fn malformed(detail: &str) -> ParseError {
    ParseError { channel: NAME, detail: detail.to_owned() }
}

fn notice(what: &str, data: &Value, detail: &str, effect: NoticeEffect) -> InboundKind {
    let detail = data.get("message").and_then(Value::as_str).unwrap_or(detail).to_owned();
    InboundKind::AccountNotice { what: what.to_owned(), detail, effect }
}

/// A message, whose own id is called `id`: webhooks and polls have different names for it.
fn message(chat: String, id: &str, message: &Value) -> Result<Inbound, ParseError> {
    let provider_id = message.get(id).and_then(word).ok_or_else(|| malformed("a message without an id"))?;
    let sender = message.get("sender").unwrap_or(&Value::Null);
    let read = |value: &Value, name| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (role, kind) = (read(sender, "role"), read(message, "type"));
    let from = sender.get("im_user_id").and_then(word).map(|address| Party {
        address,
        name: Some(read(sender, "nickname")).filter(|name| !name.is_empty()),
        phone: None,
    });
    let hidden = message.get("is_visible").and_then(Value::as_bool) == Some(false);
    // SYSTEM and ROBOT speak under the shop's own id, so only the role tells them from the shop.
    let echo = match role.as_str() {
        _ if hidden => None,
        "BUYER" => Some(false),
        "SHOP" | "CUSTOMER_SERVICE" => Some(true),
        _ => None,
    };
    let content = content(&kind, message.get("content").unwrap_or(&Value::Null));
    let what = match (echo, content) {
        (Some(echo), Some(content)) => InboundKind::Message { provider_id, content, reply_to: None, echo },
        _ if hidden => InboundKind::Ignored { what: format!("hidden {kind}") },
        _ => InboundKind::Ignored { what: format!("{role} {kind}").trim().to_owned() },
    };
    let at = seconds(message.get("create_time"));
    Ok(Inbound { from, ..inbound(chat, at, what) })
}

/// What a message of type `kind` says; none if nobody says it (somebody joined, the buyer looked at a product).
fn content(kind: &str, told: &Value) -> Option<Content> {
    let body = body(told);
    let read = |name: &str| body.get(name).and_then(word).filter(|value| !value.is_empty());
    let media = |name: &str, mime: Option<&str>| {
        read(name).map(|link| Media {
            provider_ref: Some(link),
            mime: mime.map(str::to_owned),
            size: body.get("size").and_then(number).and_then(|size| size.try_into().ok()),
            ..Media::default()
        })
    };
    let unsupported = || Content::Unsupported { kind: kind.to_owned(), raw: told.clone() };
    // A card in the form in which it can be sent again, with its words for those who see no cards.
    let card = |what: &str, ids: &[&str]| {
        let ids: Vec<_> = ids.iter().filter_map(|name| read(name)).collect();
        if ids.is_empty() {
            return unsupported();
        }
        Content::Native {
            body: json!({ "type": kind, "content": body }),
            text: Some(format!("{what} {}", ids.join(", "))),
        }
    };
    Some(match kind {
        "TEXT" => read("content").map_or_else(unsupported, Content::text),
        "IMAGE" => match media("url", None) {
            Some(media) => Content::Image { media, caption: None },
            None => unsupported(),
        },
        "VIDEO" => {
            let mp4 = (read("format").as_deref() == Some("mp4")).then_some("video/mp4");
            match media("url", mp4) {
                Some(media) => Content::Video { media, caption: None },
                None => unsupported(),
            }
        }
        // Its form is not documented: a picture, or the words it stands for.
        "EMOTICONS" => match (media("url", None), read("content")) {
            (Some(media), emoji) => Content::Sticker { media, emoji },
            (None, Some(words)) => Content::text(words),
            (None, None) => unsupported(),
        },
        "PRODUCT_CARD" => card("Product", &["product_id"]),
        "ORDER_CARD" => card("Order", &["order_id"]),
        "LOGISTICS_CARD" => card("Delivery of order", &["order_id", "package_id"]),
        "RETURN_REFUND_CARD" => card("Return of order", &["order_id", "sku_id"]),
        "COUPON_CARD" => card("Coupon", &["coupon_id"]),
        "ALLOCATED_SERVICE"
        | "NOTIFICATION"
        | "BUYER_ENTER_FROM_TRANSFER"
        | "BUYER_ENTER_FROM_PRODUCT"
        | "BUYER_ENTER_FROM_ORDER" => return None,
        // `OTHER` is TikTok's own word for what its API cannot show.
        _ => unsupported(),
    })
}

/// A message's content is JSON in a string. What is not is taken for the words themselves.
fn body(told: &Value) -> Map<String, Value> {
    let words = |text: &str| Map::from_iter([("content".to_owned(), Value::from(text))]);
    match told {
        Value::Object(fields) => fields.clone(),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            _ => words(text),
        },
        _ => Map::new(),
    }
}

fn inbound(chat: String, at: Timestamp, kind: InboundKind) -> Inbound {
    let chat_kind = ConversationKind::Direct;
    Inbound { chat, chat_kind, chat_title: None, thread: None, from: None, at, kind }
}

fn seconds(told: Option<&Value>) -> Timestamp {
    let unix = told.and_then(number).unwrap_or_default();
    Timestamp::from_micros(unix.saturating_mul(1_000_000))
}
