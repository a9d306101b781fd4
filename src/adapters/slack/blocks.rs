//! Block Kit: buttons and lists as blocks, with Slack's limits of them, and the words in other people's blocks.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks> (read 2026-11-20).

use channel::ContentProblem;
use model::{Button, Content, Format, ListSection};
use serde_json::{Value, json};

use super::mrkdwn::{self, Written};

/// Blocks in a message.
const BLOCKS_MAX: usize = 50;
/// Characters of a section.
const SECTION_MAX: usize = 3_000;
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

/// Begins the `action_id` of a button whose title is what its press says.
pub(super) const SAYS: &str = "says:";
/// Begins the `action_id` of a button that opens a link: its press says nothing.
pub(super) const OPENS: &str = "opens:";
/// Begins the `action_id` of a button that carries data.
const CARRIES: &str = "carries:";
const CHOOSES: &str = "chooses";

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

/// A text as blocks: marked where it is, else in pieces in which every character means itself.
pub(super) fn sections(written: &Written) -> Vec<Value> {
    if written.marked {
        let text = json!({ "type": "mrkdwn", "text": written.text });
        return vec![json!({ "type": "section", "text": text })];
    }
    let chars: Vec<char> = written.plain.chars().collect();
    let pieces = chars.chunks(SECTION_MAX).map(|piece| piece.iter().collect::<String>());
    pieces.map(|piece| json!({ "type": "section", "text": plain_text(&piece) })).collect()
}

/// Rows of buttons, each a block.
pub(super) fn buttons(rows: &[Vec<Button>]) -> Vec<Value> {
    let rows = rows.iter().enumerate().filter(|(_, row)| !row.is_empty());
    rows.map(|(row, buttons)| {
        let elements = buttons.iter().enumerate().map(|(column, button)| {
            let place = format!("{row}.{column}");
            let mut element = json!({ "type": "button", "text": plain_text(&button.title) });
            let (kind, field, value) = match (&button.data, &button.url) {
                (Some(data), _) => (CARRIES, "value", data),
                (None, Some(url)) => (OPENS, "url", url),
                (None, None) => (SAYS, "value", &button.title),
            };
            element["action_id"] = format!("{kind}{place}").into();
            element[field] = value.as_str().into();
            element
        });
        json!({ "type": "actions", "elements": elements.collect::<Vec<_>>() })
    })
    .collect()
}

/// A list as a menu under its words.
pub(super) fn list(text: &str, button: &str, sections: &[ListSection]) -> Vec<Value> {
    let options = |section: &ListSection| -> Vec<Value> {
        let rows = section.rows.iter().map(|row| {
            let mut option = json!({ "text": plain_text(&row.title), "value": row.data });
            if let Some(description) = &row.description {
                option["description"] = plain_text(description);
            }
            option
        });
        rows.collect()
    };
    let mut menu =
        json!({ "type": "static_select", "placeholder": plain_text(button), "action_id": CHOOSES });
    match sections {
        [only] if only.title.is_none() => menu["options"] = options(only).into(),
        several => {
            let groups = several.iter().map(|section| {
                let label = plain_text(section.title.as_deref().unwrap_or_default());
                json!({ "label": label, "options": options(section) })
            });
            menu["option_groups"] = groups.collect();
        }
    }
    vec![
        json!({ "type": "section", "text": plain_text(text) }),
        json!({ "type": "actions", "elements": [menu] }),
    ]
}

/// A picture at a link.
pub(super) fn image(url: &str, alt: &str) -> Value {
    json!({ "type": "image", "image_url": url, "alt_text": alt })
}

fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// The words in blocks or attachments that somebody else made, as mrkdwn, a line each.
pub(super) fn words(message: &Value) -> String {
    let mut lines = Vec::new();
    for attachment in array(message, "attachments") {
        for field in ["pretext", "title", "text"] {
            lines.extend(attachment.get(field).and_then(Value::as_str));
        }
        if lines.is_empty() {
            lines.extend(attachment.get("fallback").and_then(Value::as_str));
        }
    }
    for block in array(message, "blocks") {
        gather(block, &mut lines, 0);
    }
    lines.retain(|line| !line.trim().is_empty());
    lines.join("\n")
}

/// The texts in a block, without those of what can be pressed.
fn gather<'a>(block: &'a Value, lines: &mut Vec<&'a str>, depth: usize) {
    // Blocks lie in blocks a few levels deep; whoever nests deeper means no good.
    if depth > 8 || block.get("type").and_then(Value::as_str) == Some("actions") {
        return;
    }
    match block.get("text") {
        Some(Value::String(text)) => lines.push(text),
        Some(text @ Value::Object(_)) => gather(text, lines, depth + 1),
        _ => {}
    }
    for inner in array(block, "fields").iter().chain(array(block, "elements")) {
        gather(inner, lines, depth + 1);
    }
}

/// The array `key`; an empty one where there is none.
pub(super) fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn buttons_say_what_their_press_will_mean() {
        let rows: Vec<Vec<Button>> = serde_json::from_value(json!([
            [{"title": "Yes", "data": "y"}, {"title": "Site", "url": "https://x.y"}], [], [{"title": "No"}]
        ]))
        .unwrap();
        let text = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
        assert_eq!(
            Value::Array(buttons(&rows)),
            json!([
                {"type": "actions", "elements": [
                    {"type": "button", "text": text("Yes"), "action_id": "carries:0.0", "value": "y"},
                    {"type": "button", "text": text("Site"), "action_id": "opens:0.1", "url": "https://x.y"},
                ]},
                {"type": "actions", "elements": [
                    {"type": "button", "text": text("No"), "action_id": "says:2.0", "value": "No"},
                ]},
            ])
        );
    }

    #[test]
    fn a_long_text_without_marks_is_split_into_sections() {
        let written = mrkdwn::write(&"*".repeat(6_001), Format::Plain);
        let lengths: Vec<_> = sections(&written)
            .iter()
            .map(|section| section["text"]["text"].as_str().unwrap().len())
            .collect();
        assert_eq!(lengths, [3_000, 3_000, 1]);
    }

    #[test]
    fn words_are_found_in_blocks_of_others() {
        let message = json!({
            "attachments": [{"fallback": "x", "title": "Build 7", "text": "failed"}],
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": "*Deploy*"}, "fields": [{"text": "now"}]},
                {"type": "actions", "elements": [{"type": "button", "text": {"text": "Retry"}}]},
                {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"text": "ok"}]}]},
            ],
        });
        assert_eq!(words(&message), "Build 7\nfailed\n*Deploy*\nnow\nok");
        assert_eq!(words(&json!({"blocks": 1})), "");
    }
}
