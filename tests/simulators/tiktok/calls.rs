//! Calls, once who makes them is known.

use bytes::Bytes;
use serde_json::{Value, json};

use super::check::Caller;
use super::server::{Asked, No, no};
use super::state::State;
use super::{Shared, pages};

const LARGEST_PICTURE: usize = 10 * 1024 * 1024;
const LONGEST_TEXT: usize = 2000;

pub(crate) fn call(shared: &Shared, asked: &Asked, caller: &Caller, id: &str) -> Result<Value, No> {
    let now = shared.now();
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let shop = caller.shop.clone().unwrap_or_default();
    let last = asked.path.rsplit('/').next().unwrap_or_default();
    shared.with(|state| match (asked.method.as_str(), last) {
        ("GET", "shops") => Ok(shops(state, &caller.seller)),
        ("GET", "conversations") => {
            pages::conversations(state, &asked.query, &shop, shared.options.newest_first)
        }
        ("POST", "conversations") => {
            let user = body["buyer_user_id"].as_str().unwrap_or_default().to_owned();
            let ordered = state.buyers.get(&(shop.clone(), user.clone())).cloned();
            let known = state.chats.values().find(|chat| chat.shop == shop && chat.user_id == user);
            let nickname = ordered.or_else(|| known.map(|chat| chat.nickname.clone()));
            let nickname = nickname.ok_or_else(|| no(400, 45_101_004, "The buyer does not exist"))?;
            Ok(json!({ "conversation_id": state.converse(&shop, &user, &nickname, now) }))
        }
        ("GET", "messages") => {
            reach(state, &shop, id)?;
            pages::messages(state, &asked.query, id)
        }
        ("POST", "messages") => {
            reach(state, &shop, id)?;
            let (kind, content) = said(state, shared, &body)?;
            if let Some((code, words)) = state.chat(id).closed {
                return Err(no(400, code, words));
            }
            Ok(json!({ "message_id": state.post(id, "CUSTOMER_SERVICE", &kind, &content, now, true) }))
        }
        ("POST", "read") => {
            reach(state, &shop, id)?;
            state.chat(id).unread = 0;
            Ok(json!({}))
        }
        ("POST", "upload") => upload(state, shared, asked.file.as_ref()),
        ("PUT", "webhooks") => set_webhook(state, &shop, &body),
        ("DELETE", "webhooks") => {
            let topic = body["event_type"].as_str().unwrap_or_default().to_owned();
            state.webhooks.remove(&(shop, topic));
            Ok(json!({}))
        }
        _ => {
            let mine = state.webhooks.iter().filter(|((of, _), _)| *of == shop);
            let listed: Vec<_> = mine
                .map(|((_, topic), address)| json!({ "event_type": topic, "address": address }))
                .collect();
            Ok(json!({ "total_count": listed.len(), "webhooks": listed }))
        }
    })
}

fn shops(state: &State, seller: &str) -> Value {
    let shops = state.shops.iter().filter(|shop| shop.seller == seller).map(|shop| {
        json!({
            "id": shop.id, "name": shop.name, "region": "GB", "seller_type": "CROSS_BORDER", "cipher": shop.cipher,
            "code": format!("GBGB{}", shop.id),
        })
    });
    json!({ "shops": shops.collect::<Vec<_>>() })
}

/// Refuses a conversation that is none of the shop's.
fn reach(state: &State, shop: &str, chat: &str) -> Result<(), No> {
    match state.chats.get(chat) {
        Some(conversation) if conversation.shop == shop && !conversation.is_lost => Ok(()),
        _ => Err(no(400, 45_101_003, "The conversation does not exist")),
    }
}

/// A message's type and content, checked.
fn said(state: &State, shared: &Shared, body: &Value) -> Result<(String, Value), No> {
    let invalid = |words: &str| no(400, 36_009_004, words);
    let kind = body["type"].as_str().ok_or_else(|| invalid("Invalid parameter. `type` is missing."))?;
    let text =
        body["content"].as_str().ok_or_else(|| invalid("Invalid parameter. `content` must be a string."))?;
    let content: Value = serde_json::from_str(text)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| invalid("Invalid parameter. `content` must be a JSON string."))?;
    let needs: &[&str] = match kind {
        "TEXT" => &["content"],
        "IMAGE" => &["url"],
        "VIDEO" => &["vid"],
        "PRODUCT_CARD" => &["product_id"],
        "ORDER_CARD" | "LOGISTICS_CARD" => &["order_id"],
        "RETURN_REFUND_CARD" => &["order_id", "sku_id"],
        "COUPON_CARD" => &["coupon_id"],
        _ => return Err(invalid("Invalid parameter. `type` is not supported.")),
    };
    if let Some(missing) = needs.iter().find(|name| content[**name].as_str().is_none_or(str::is_empty)) {
        return Err(invalid(&format!("Invalid parameter. `content.{missing}` is missing.")));
    }
    if kind == "TEXT" && content["content"].as_str().is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
        return Err(invalid("Invalid parameter. The text is longer than 2000 characters."));
    }
    if kind == "IMAGE" {
        let link = content["url"].as_str().unwrap_or_default();
        let is_ours = link.strip_prefix(&shared.url("")).is_some_and(|path| state.pictures.contains(path));
        if !is_ours {
            return Err(invalid("Invalid parameter. The picture was not uploaded."));
        }
        if !content["width"].is_u64() || !content["height"].is_u64() {
            return Err(invalid("Invalid parameter. `width` and `height` are needed."));
        }
    }
    Ok((kind.to_owned(), content))
}

fn upload(state: &mut State, shared: &Shared, file: Option<&Bytes>) -> Result<Value, No> {
    let bytes = file.ok_or_else(|| no(400, 36_009_004, "Invalid parameter. `data` is missing."))?;
    let is_picture =
        [&b"\xFF\xD8\xFF"[..], b"\x89PNG", b"GIF8", b"RIFF"].iter().any(|start| bytes.starts_with(start));
    if !is_picture {
        return Err(no(400, 36_009_004, "Invalid parameter. The file must be jpg, png, gif or webp."));
    }
    if bytes.len() > LARGEST_PICTURE {
        return Err(no(400, 36_009_004, "Invalid parameter. The file is larger than 10 MB."));
    }
    let path = state.keep(bytes.clone());
    state.pictures.insert(path.clone());
    Ok(json!({ "url": shared.url(&path), "width": 1, "height": 1 }))
}

fn set_webhook(state: &mut State, shop: &str, body: &Value) -> Result<Value, No> {
    let address = body["address"].as_str().unwrap_or_default();
    let topic = body["event_type"].as_str().unwrap_or_default();
    let host = url::Url::parse(address).ok().filter(|url| url.scheme() == "https" && url.port().is_none());
    let is_domain = host.is_some_and(|url| matches!(url.host(), Some(url::Host::Domain(_))));
    if !is_domain || address.len() > 255 {
        return Err(no(
            400,
            36_009_004,
            "Invalid parameter. `address` must be an HTTPS domain of at most 255 characters.",
        ));
    }
    let known =
        ["NEW_CONVERSATION", "NEW_MESSAGE", "SELLER_DEAUTHORIZATION", "UPCOMING_AUTHORIZATION_EXPIRATION"];
    if !known.contains(&topic) {
        return Err(no(400, 36_009_004, "Invalid parameter. `event_type` is not supported."));
    }
    state.webhooks.insert((shop.to_owned(), topic.to_owned()), address.to_owned());
    Ok(json!({}))
}
