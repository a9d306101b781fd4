//! Block Kit's rules, as far as they are documented for the blocks that are sent.

use serde_json::Value;

/// What is wrong with blocks.
pub(super) fn check(blocks: &[Value]) -> Result<(), String> {
    if blocks.len() > 50 {
        return Err("no more than 50 items allowed [json-pointer:/blocks]".to_owned());
    }
    let mut ids = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        check_block(block, &mut ids).map_err(|hint| format!("{hint} [json-pointer:/blocks/{at}]"))?;
    }
    Ok(())
}

fn check_block<'a>(block: &'a Value, ids: &mut Vec<&'a str>) -> Result<(), String> {
    match block["type"].as_str() {
        Some("divider") => Ok(()),
        Some("header") => words(&block["text"], 150, true),
        Some("section") => words(&block["text"], 3_000, false),
        Some("image") => {
            bounded(&block["image_url"], 3_000, "image_url")?;
            bounded(&block["alt_text"], 2_000, "alt_text")
        }
        Some("actions") => {
            let elements = block["elements"].as_array().ok_or("missing required field: elements")?;
            if elements.is_empty() || elements.len() > 25 {
                return Err("1 to 25 elements allowed".to_owned());
            }
            for element in elements {
                bounded(&element["action_id"], 255, "action_id")?;
                let id = element["action_id"].as_str().unwrap_or_default();
                if ids.contains(&id) {
                    return Err(format!("action_id {id} already exists"));
                }
                ids.push(id);
                check_element(element)?;
            }
            Ok(())
        }
        other => Err(format!("unsupported type: {other:?}")),
    }
}

fn check_element(element: &Value) -> Result<(), String> {
    match element["type"].as_str() {
        Some("button") => {
            words(&element["text"], 75, true)?;
            if element.get("value").is_some() {
                bounded(&element["value"], 2_000, "value")?;
            }
            if element.get("url").is_some() {
                bounded(&element["url"], 3_000, "url")?;
            }
            Ok(())
        }
        Some("static_select") => {
            words(&element["placeholder"], 150, true)?;
            match (element.get("options"), element.get("option_groups")) {
                (Some(options), None) => check_options(options),
                (None, Some(Value::Array(groups))) if !groups.is_empty() && groups.len() <= 100 => {
                    groups.iter().try_for_each(|group| {
                        words(&group["label"], 75, true)?;
                        check_options(&group["options"])
                    })
                }
                _ => Err("either options or option_groups".to_owned()),
            }
        }
        other => Err(format!("unsupported element: {other:?}")),
    }
}

fn check_options(options: &Value) -> Result<(), String> {
    let options = options.as_array().ok_or("missing required field: options")?;
    if options.is_empty() || options.len() > 100 {
        return Err("1 to 100 options allowed".to_owned());
    }
    options.iter().try_for_each(|option| {
        words(&option["text"], 75, true)?;
        if option.get("description").is_some() {
            words(&option["description"], 75, true)?;
        }
        bounded(&option["value"], 150, "value")
    })
}

/// A text object.
fn words(text: &Value, max: usize, plain: bool) -> Result<(), String> {
    match text["type"].as_str() {
        Some("plain_text") => {}
        Some("mrkdwn") if !plain => {
            if let Some(stray) = text["text"].as_str().and_then(super::chat::stray) {
                return Err(format!("{stray} stands unescaped"));
            }
        }
        other => return Err(format!("unsupported text type: {other:?}")),
    }
    bounded(&text["text"], max, "text")
}

fn bounded(value: &Value, max: usize, field: &str) -> Result<(), String> {
    let length = value.as_str().map_or(0, |text| text.chars().count());
    if length == 0 {
        return Err(format!("missing required field: {field}"));
    }
    if length > max {
        return Err(format!("must be at most {max} characters: {field}"));
    }
    Ok(())
}
