//! Interactive messages: buttons, lists, links, and the envelope of the others.

use std::collections::BTreeSet;

use serde_json::Value;

use super::messages::{missing, text, value, within};
use crate::simulators::meta::Refusal;

pub(super) fn check(content: &Value) -> Result<(), Refusal> {
    let kind = text(content, "type").ok_or_else(|| missing("interactive.type"))?;
    let action = content.get("action").ok_or_else(|| missing("interactive.action"))?;
    let body = |max| within(content.get("body").unwrap_or(&Value::Null), "text", max);
    if let Some(footer) = content.get("footer") {
        within(footer, "text", 60)?;
    }
    match kind {
        "button" => {
            body(1024)?;
            buttons(action)
        }
        "list" => {
            body(4096)?;
            list(action)
        }
        "cta_url" => {
            body(1024)?;
            let parameters = action.get("parameters").unwrap_or(&Value::Null);
            within(parameters, "display_text", 20)?;
            match text(parameters, "url") {
                Some(url) if url.starts_with("http") && text(action, "name") == Some("cta_url") => Ok(()),
                _ => Err(value("interactive.action", "not a link")),
            }
        }
        "flow"
        | "order_details"
        | "order_status"
        | "product"
        | "product_list"
        | "catalog_message"
        | "location_request_message"
        | "carousel" => Ok(()),
        _ => Err(value("interactive.type", "not one of the kinds")),
    }
}

fn buttons(action: &Value) -> Result<(), Refusal> {
    let buttons = action.get("buttons").and_then(Value::as_array).ok_or_else(|| missing("buttons"))?;
    if !(1..=3).contains(&buttons.len()) {
        return Err(value("buttons", "1 to 3 of them"));
    }
    for button in buttons {
        if text(button, "type") != Some("reply") {
            return Err(value("buttons", "their type is reply"));
        }
        let reply = button.get("reply").unwrap_or(&Value::Null);
        within(reply, "id", 256)?;
        within(reply, "title", 20)?;
    }
    different(buttons.iter().map(|button| &button["reply"]["id"]))?;
    different(buttons.iter().map(|button| &button["reply"]["title"]))
}

fn list(action: &Value) -> Result<(), Refusal> {
    within(action, "button", 20)?;
    let sections = action.get("sections").and_then(Value::as_array).ok_or_else(|| missing("sections"))?;
    let mut rows = Vec::new();
    for section in sections {
        if sections.len() > 1 || section.get("title").is_some() {
            within(section, "title", 24)?;
        }
        rows.extend(section.get("rows").and_then(Value::as_array).ok_or_else(|| missing("rows"))?);
    }
    if !(1..=10).contains(&rows.len()) || sections.len() > 10 {
        return Err(value("rows", "1 to 10 of them"));
    }
    for row in &rows {
        within(row, "id", 200)?;
        within(row, "title", 24)?;
        if row.get("description").is_some() {
            within(row, "description", 72)?;
        }
    }
    different(rows.iter().map(|row| &row["id"]))
}

fn different<'a>(all: impl Iterator<Item = &'a Value>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for one in all {
        if !seen.insert(one.to_string()) {
            return Err(value("id", "each must be another"));
        }
    }
    Ok(())
}
