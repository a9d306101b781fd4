//! Block Kit: buttons and lists as blocks, and the words in other people's blocks.

use model::{Button, ListSection};
use serde_json::{Value, json};

use super::mrkdwn::Written;

/// Characters of a section.
pub(super) const SECTION_MAX: usize = 3_000;

/// Begins the `action_id` of a button whose title is what its press says.
pub(super) const SAYS: &str = "says:";
/// Begins the `action_id` of a button that opens a link: its press says nothing.
pub(super) const OPENS: &str = "opens:";
/// Begins the `action_id` of a button that carries data.
const CARRIES: &str = "carries:";
const CHOOSES: &str = "chooses";

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
    use model::Format;

    use super::super::mrkdwn;
    use super::*;

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
