//! What Slack would refuse, found before anything is stored.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit> (read 2026-11-20).

use channel::ContentProblem;
use model::{Button, Content, Format, ListSection};
use serde_json::Value;

use super::blocks::{SECTION_MAX, sections};
use super::mrkdwn;

/// Blocks in a message.
const BLOCKS_MAX: usize = 50;
/// Elements in a row of buttons.
const ROW_MAX: usize = 25;
/// Characters of what a button or an option says.
const LABEL_MAX: usize = 75;
/// Characters of what a button carries.
const VALUE_MAX: usize = 2_000;
/// Characters of what an option carries.
const OPTION_VALUE_MAX: usize = 150;
/// Characters of a link.
const URL_MAX: usize = 3_000;
/// Characters of what a list says while nothing is chosen.
const PLACEHOLDER_MAX: usize = 150;
/// Options in a section of a list, and sections in a list.
const OPTIONS_MAX: usize = 100;

/// Why content cannot be sent, as far as it becomes blocks.
pub(super) fn check(content: &Content) -> Result<(), ContentProblem> {
    match content {
        Content::Text { text, format, buttons } => check_text(text, *format, buttons),
        Content::List { text, button, sections } => check_list(text, button, sections),
        Content::Native { body, .. } => check_native(body),
        _ => Ok(()),
    }
}

fn problem(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> ContentProblem {
    ContentProblem { field: field.into(), code, message: message.into() }
}

/// Refuses what is empty or has more than `max` characters.
fn bounded(field: &str, text: &str, max: usize) -> Result<(), ContentProblem> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        return Err(problem(field, "empty", "needs at least one visible character"));
    }
    if length > max {
        return Err(problem(
            field,
            "too_long",
            format!("{length} is over Slack's limit of {max} characters"),
        ));
    }
    Ok(())
}

fn check_text(text: &str, format: Format, rows: &[Vec<Button>]) -> Result<(), ContentProblem> {
    let written = mrkdwn::write(text, format);
    if written.plain.trim().is_empty() {
        return Err(problem("text", "empty", "nothing is left of it without its marks"));
    }
    if rows.iter().all(Vec::is_empty) {
        return Ok(());
    }
    if written.marked {
        bounded("text", &written.text, SECTION_MAX)?;
    }
    if sections(&written).len() + rows.len() > BLOCKS_MAX {
        return Err(problem("buttons", "too_long", format!("Slack takes {BLOCKS_MAX} blocks a message")));
    }
    for (row, buttons) in rows.iter().enumerate() {
        if buttons.len() > ROW_MAX {
            let message = format!("Slack takes {ROW_MAX} buttons a row");
            return Err(problem(format!("buttons[{row}]"), "too_long", message));
        }
        for (column, button) in buttons.iter().enumerate() {
            let field = |name: &str| format!("buttons[{row}][{column}]{name}");
            bounded(&field(".title"), &button.title, LABEL_MAX)?;
            match (&button.data, &button.url) {
                (Some(_), Some(_)) => {
                    return Err(problem(field(""), "unsupported", "give either `data` or `url`"));
                }
                (Some(data), None) => bounded(&field(".data"), data, VALUE_MAX)?,
                (None, Some(url)) => {
                    bounded(&field(".url"), url, URL_MAX)?;
                    if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                        let message = "must begin with https:// or http://";
                        return Err(problem(field(".url"), "unsupported", message));
                    }
                }
                (None, None) => {}
            }
        }
    }
    Ok(())
}

fn check_list(text: &str, button: &str, sections: &[ListSection]) -> Result<(), ContentProblem> {
    bounded("text", text, SECTION_MAX)?;
    bounded("button", button, PLACEHOLDER_MAX)?;
    if sections.is_empty() || sections.len() > OPTIONS_MAX {
        return Err(problem("sections", "out_of_range", format!("Slack takes 1 to {OPTIONS_MAX} sections")));
    }
    for (at, section) in sections.iter().enumerate() {
        match &section.title {
            Some(title) => bounded(&format!("sections[{at}].title"), title, LABEL_MAX)?,
            None if sections.len() > 1 => {
                let message = "of several sections each needs a title";
                return Err(problem(format!("sections[{at}].title"), "empty", message));
            }
            None => {}
        }
        if section.rows.is_empty() || section.rows.len() > OPTIONS_MAX {
            let message = format!("Slack takes 1 to {OPTIONS_MAX} rows a section");
            return Err(problem(format!("sections[{at}].rows"), "out_of_range", message));
        }
        for (row, option) in section.rows.iter().enumerate() {
            let field = |name: &str| format!("sections[{at}].rows[{row}].{name}");
            bounded(&field("title"), &option.title, LABEL_MAX)?;
            bounded(&field("data"), &option.data, OPTION_VALUE_MAX)?;
            if let Some(description) = &option.description {
                bounded(&field("description"), description, LABEL_MAX)?;
            }
        }
    }
    Ok(())
}

/// What says where a message goes and as whom is ours to say.
const NOT_NATIVE: &[&str] = &["channel", "thread_ts", "token", "ts"];

fn check_native(body: &Value) -> Result<(), ContentProblem> {
    let Some(fields) = body.as_object() else {
        return Err(problem("body", "unsupported", "must be an object of chat.postMessage's arguments"));
    };
    if let Some(name) = NOT_NATIVE.iter().find(|name| fields.contains_key(**name)) {
        return Err(problem(format!("body.{name}"), "unsupported", "comes from the message itself"));
    }
    if !["blocks", "attachments", "text", "markdown_text"].iter().any(|name| fields.contains_key(*name)) {
        return Err(problem("body", "empty", "needs blocks, attachments or a text"));
    }
    match fields.get("blocks") {
        None => Ok(()),
        Some(Value::Array(blocks)) if blocks.len() <= BLOCKS_MAX => Ok(()),
        Some(Value::Array(_)) => {
            Err(problem("body.blocks", "too_long", format!("Slack takes {BLOCKS_MAX} blocks a message")))
        }
        Some(_) => Err(problem("body.blocks", "unsupported", "must be an array")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(json: Value) -> Content {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_slack_would_refuse_is_named_by_its_place() {
        let text = |buttons: Value| json!({"type": "text", "text": "a", "buttons": buttons});
        let list =
            |sections: Value| json!({"type": "list", "text": "a", "button": "b", "sections": sections});
        let row = json!({"title": "t", "data": "d"});
        let native = |body: Value| json!({"type": "native", "body": body});
        for (bad, field, code) in [
            (text(json!([[{"title": " "}]])), "buttons[0][0].title", "empty"),
            (text(json!([[{"title": "x".repeat(76)}]])), "buttons[0][0].title", "too_long"),
            (text(json!([[{"title": "a", "data": ""}]])), "buttons[0][0].data", "empty"),
            (
                text(json!([[{"title": "a", "data": "b", "url": "https://x.y"}]])),
                "buttons[0][0]",
                "unsupported",
            ),
            (text(json!([[{"title": "a", "url": "tg://x"}]])), "buttons[0][0].url", "unsupported"),
            (text(json!([vec![json!({"title": "a"}); 26]])), "buttons[0]", "too_long"),
            (text(json!(vec![json!([{"title": "a"}]); 50])), "buttons", "too_long"),
            (json!({"type": "text", "text": "```\n\n```", "format": "markdown"}), "", ""),
            (list(json!([])), "sections", "out_of_range"),
            (list(json!([{"rows": []}])), "sections[0].rows", "out_of_range"),
            (list(json!([{"title": "a", "rows": [row]}, {"rows": [row]}])), "sections[1].title", "empty"),
            (
                list(json!([{"rows": [{"title": "t", "data": "x".repeat(151)}]}])),
                "sections[0].rows[0].data",
                "too_long",
            ),
            (native(json!([])), "body", "unsupported"),
            (native(json!({})), "body", "empty"),
            (native(json!({"blocks": [], "channel": "C1"})), "body.channel", "unsupported"),
            (native(json!({"blocks": {}})), "body.blocks", "unsupported"),
            (native(json!({"blocks": vec![json!({}); 51]})), "body.blocks", "too_long"),
        ] {
            match check(&content(bad)) {
                Err(problem) => assert_eq!((problem.field.as_str(), problem.code), (field, code)),
                Ok(()) => assert_eq!(field, ""),
            }
        }
        assert_eq!(check(&content(text(json!(vec![json!([{"title": "a"}]); 49])))), Ok(()));
    }
}
