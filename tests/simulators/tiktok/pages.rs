//! Lists, a page at a time. The token of a page is the place where it begins.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::{No, no};
use super::state::State;

fn page(query: &BTreeMap<String, String>, most: usize) -> Result<(usize, usize), No> {
    let size: usize = query.get("page_size").and_then(|size| size.parse().ok()).unwrap_or_default();
    if !(1..=most).contains(&size) {
        return Err(no(
            400,
            36_009_004,
            &format!("Invalid parameter. `page_size` must lie within 1 and {most}."),
        ));
    }
    let token = query.get("page_token").map(String::as_str).unwrap_or_default();
    let start = if token.is_empty() {
        Some(0)
    } else {
        token.strip_prefix("from-").and_then(|from| from.parse().ok())
    };
    let start = start.ok_or_else(|| no(400, 36_009_004, "Invalid parameter. `page_token` is invalid."))?;
    Ok((start, size))
}

/// A part of `all`, and the token of the next one: empty where there is none.
fn part(all: Vec<Value>, start: usize, size: usize) -> (Vec<Value>, String) {
    let next = if start + size < all.len() { format!("from-{}", start + size) } else { String::new() };
    (all.into_iter().skip(start).take(size).collect(), next)
}

pub(crate) fn conversations(
    state: &State,
    query: &BTreeMap<String, String>,
    shop: &str,
    newest_first: bool,
) -> Result<Value, No> {
    let (start, size) = page(query, 20)?;
    let mut chats: Vec<_> = state.chats.iter().filter(|(_, chat)| chat.shop == shop).collect();
    chats.sort_by_key(|(_, chat)| chat.latest());
    if newest_first {
        chats.reverse();
    }
    let listed = chats.into_iter().map(|(id, chat)| {
        let mut listed = json!({
            "id": id, "participant_count": 2, "can_send_message": chat.closed.is_none(), "unread_count": chat.unread,
            "create_time": chat.create_time, "cur_session_id": "1",
            "participants": [
                {
                    "im_user_id": format!("im-{}", chat.user_id), "user_id": chat.user_id, "role": "BUYER",
                    "nickname": chat.nickname, "avatar": "https://p16.invalid/a.png",
                },
                { "im_user_id": format!("im-{shop}"), "user_id": shop, "role": "SHOP", "nickname": "The shop" },
            ],
        });
        if let Some(latest) = chat.messages.last() {
            listed["latest_message"] = latest.clone();
        }
        listed
    });
    let (conversations, next) = part(listed.collect(), start, size);
    Ok(json!({ "conversations": conversations, "next_page_token": next }))
}

pub(crate) fn messages(state: &State, query: &BTreeMap<String, String>, chat: &str) -> Result<Value, No> {
    let (start, size) = page(query, 10)?;
    let get = |name: &str, usual: &'static str| query.get(name).cloned().unwrap_or_else(|| usual.to_owned());
    let (field, order) = (get("sort_field", "create_time"), get("sort_order", "DESC"));
    if !["create_time", "index"].contains(&field.as_str()) || !["DESC", "ASC"].contains(&order.as_str()) {
        return Err(no(400, 36_009_004, "Invalid parameter. The order is not supported."));
    }
    let mut messages = state.chats.get(chat).map(|chat| chat.messages.clone()).unwrap_or_default();
    if order == "DESC" {
        messages.reverse();
    }
    let (messages, next) = part(messages, start, size);
    let tips = "See this message in TikTok Shop.";
    Ok(json!({ "messages": messages, "next_page_token": next, "unsupported_msg_tips": tips }))
}
