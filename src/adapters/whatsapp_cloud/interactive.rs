//! Buttons and lists: how they are written, and what they may hold.

use channel::ContentProblem;
use model::{Button, Content, ListSection};
use serde_json::{Value, json};

use super::limits::INTERACTIVE_TEXT;

/// Most buttons that answer.
const BUTTONS: usize = 3;
/// Longest words on a button, in characters.
const BUTTON_TITLE: usize = 20;
/// Longest data of a button.
const BUTTON_DATA: usize = 256;
/// Most sections of a list, and most rows in all of them.
const ROWS: usize = 10;
/// Longest heading of a section, and longest title of a row.
const ROW_TITLE: usize = 24;
const ROW_DESCRIPTION: usize = 72;
const ROW_DATA: usize = 200;

/// A text with buttons under it.
pub(super) fn buttons(body: &str, buttons: &[Vec<Button>]) -> Value {
    let all: Vec<&Button> = buttons.iter().flatten().collect();
    if let [Button { title, url: Some(url), .. }] = all.as_slice() {
        let parameters = json!({ "display_text": title, "url": url });
        return json!({
            "type": "cta_url",
            "body": { "text": body },
            "action": { "name": "cta_url", "parameters": parameters },
        });
    }
    let buttons: Vec<_> = all
        .iter()
        .map(|button| json!({ "type": "reply", "reply": { "id": data(button), "title": button.title } }))
        .collect();
    json!({ "type": "button", "body": { "text": body }, "action": { "buttons": buttons } })
}

/// A list behind a button.
pub(super) fn list(text: &str, button: &str, sections: &[ListSection]) -> Value {
    let sections: Vec<_> = sections
        .iter()
        .map(|section| {
            let rows: Vec<_> = section
                .rows
                .iter()
                .map(|row| {
                    let mut written = json!({ "id": row.data, "title": row.title });
                    if let Some(description) = &row.description {
                        written["description"] = description.as_str().into();
                    }
                    written
                })
                .collect();
            let mut written = json!({ "rows": rows });
            if let Some(title) = &section.title {
                written["title"] = title.as_str().into();
            }
            written
        })
        .collect();
    json!({
        "type": "list",
        "body": { "text": text },
        "action": { "button": button, "sections": sections },
    })
}

/// What a button sends back. One without anything of its own sends what it says.
fn data(button: &Button) -> &str {
    button.data.as_deref().unwrap_or(&button.title)
}

/// Refuses buttons and lists that WhatsApp cannot show.
pub(super) fn check(content: &Content) -> Result<(), ContentProblem> {
    match content {
        Content::Text { text, buttons, .. } if !buttons.is_empty() => {
            within("text", text, INTERACTIVE_TEXT)?;
            check_buttons(buttons)
        }
        Content::List { text, button, sections } => {
            if text.trim().is_empty() {
                return problem("text", "empty", "a list needs words above it");
            }
            filled("button", button, BUTTON_TITLE)?;
            check_sections(sections)
        }
        _ => Ok(()),
    }
}

fn check_buttons(rows: &[Vec<Button>]) -> Result<(), ContentProblem> {
    let all: Vec<&Button> = rows.iter().flatten().collect();
    if all.iter().any(|button| button.url.is_some()) && all.len() > 1 {
        return problem("buttons", "unsupported", "a button that opens a link stands alone on WhatsApp");
    }
    if all.is_empty() || all.len() > BUTTONS {
        return problem("buttons", "out_of_range", "WhatsApp takes 1 to 3 buttons; a list has up to 10 rows");
    }
    for button in &all {
        filled("buttons.title", &button.title, BUTTON_TITLE)?;
        filled("buttons.data", data(button), BUTTON_DATA)?;
    }
    different("buttons.data", all.iter().map(|button| data(button)))?;
    different("buttons.title", all.iter().map(|button| button.title.as_str()))
}

fn check_sections(sections: &[ListSection]) -> Result<(), ContentProblem> {
    let rows: Vec<_> = sections.iter().flat_map(|section| &section.rows).collect();
    if rows.is_empty() || rows.len() > ROWS || sections.iter().any(|section| section.rows.is_empty()) {
        return problem("sections", "out_of_range", "WhatsApp takes 1 to 10 rows, and at least 1 a section");
    }
    for section in sections {
        match &section.title {
            Some(title) => filled("sections.title", title, ROW_TITLE)?,
            None if sections.len() > 1 => {
                return problem("sections.title", "empty", "each of several sections needs a title");
            }
            None => {}
        }
    }
    for row in &rows {
        filled("sections.rows.title", &row.title, ROW_TITLE)?;
        filled("sections.rows.data", &row.data, ROW_DATA)?;
        within("sections.rows.description", row.description.as_deref().unwrap_or_default(), ROW_DESCRIPTION)?;
    }
    different("sections.rows.data", rows.iter().map(|row| row.data.as_str()))
}

fn filled(field: &str, text: &str, max: usize) -> Result<(), ContentProblem> {
    if text.trim().is_empty() {
        return problem(field, "empty", "needs at least one visible character");
    }
    within(field, text, max)
}

fn within(field: &str, text: &str, max: usize) -> Result<(), ContentProblem> {
    let length = text.chars().count();
    if length > max {
        return problem(
            field,
            "too_long",
            &format!("{length} characters is over WhatsApp's limit of {max} here"),
        );
    }
    Ok(())
}

/// Two that are the same could not be told apart when one comes back.
fn different<'a>(field: &str, texts: impl Iterator<Item = &'a str>) -> Result<(), ContentProblem> {
    let mut seen = std::collections::BTreeSet::new();
    for text in texts {
        if !seen.insert(text) {
            return problem(field, "invalid", &format!("`{text}` is there twice"));
        }
    }
    Ok(())
}

fn problem<T>(field: &str, code: &'static str, message: &str) -> Result<T, ContentProblem> {
    Err(ContentProblem { field: field.to_owned(), code, message: message.to_owned() })
}
