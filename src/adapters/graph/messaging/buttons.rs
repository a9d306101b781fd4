//! Buttons: quick replies, which vanish once one is chosen, or a button template where one of them opens a link.

use channel::ContentProblem;
use model::Button;
use serde_json::{Value, json};

/// Most quick replies under a message.
const QUICK_REPLIES: usize = 13;
/// Most buttons of a template.
const TEMPLATE_BUTTONS: usize = 3;
/// Longest words on a button, in characters; longer ones are cut off on the screen.
const TITLE: usize = 20;
/// Longest data of a button, in characters.
const DATA: usize = 1000;
/// Longest words of a button template, in characters.
const TEMPLATE_TEXT: usize = 640;

/// The part of a message that is a text with buttons under it.
pub(super) fn write(text: &str, rows: &[Vec<Button>]) -> Value {
    if !opens_links(rows) {
        let replies: Vec<_> = rows
            .iter()
            .flatten()
            .map(|button| json!({ "content_type": "text", "title": button.title, "payload": data(button) }))
            .collect();
        return json!({ "text": text, "quick_replies": replies });
    }
    let buttons: Vec<_> = rows
        .iter()
        .flatten()
        .map(|button| match &button.url {
            Some(url) => json!({ "type": "web_url", "title": button.title, "url": url }),
            None => json!({ "type": "postback", "title": button.title, "payload": data(button) }),
        })
        .collect();
    let payload = json!({ "template_type": "button", "text": text, "buttons": buttons });
    json!({ "attachment": { "type": "template", "payload": payload } })
}

/// Refuses buttons that cannot be shown.
pub(super) fn check(text: &str, rows: &[Vec<Button>]) -> Result<(), ContentProblem> {
    let count = rows.iter().flatten().count();
    if count == 0 {
        return Ok(());
    }
    if opens_links(rows) {
        let length = text.chars().count();
        if length > TEMPLATE_TEXT {
            let message =
                format!("{length} characters is over the limit of {TEMPLATE_TEXT} above buttons with links");
            return problem("text", "too_long", message);
        }
        if count > TEMPLATE_BUTTONS {
            let message = format!("at most {TEMPLATE_BUTTONS} buttons where one opens a link");
            return problem("buttons", "out_of_range", message);
        }
    } else if count > QUICK_REPLIES {
        return problem("buttons", "out_of_range", format!("at most {QUICK_REPLIES} buttons"));
    }
    for button in rows.iter().flatten() {
        within("buttons.title", &button.title, TITLE)?;
        if button.url.is_none() {
            within("buttons.data", data(button), DATA)?;
        }
    }
    Ok(())
}

fn opens_links(rows: &[Vec<Button>]) -> bool {
    rows.iter().flatten().any(|button| button.url.is_some())
}

/// What a button sends back. One without anything of its own sends what it says.
fn data(button: &Button) -> &str {
    button.data.as_deref().unwrap_or(&button.title)
}

fn within(field: &str, text: &str, max: usize) -> Result<(), ContentProblem> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        return problem(field, "empty", "needs at least one visible character".to_owned());
    }
    if length > max {
        return problem(field, "too_long", format!("{length} characters is over the limit of {max} here"));
    }
    Ok(())
}

fn problem<T>(field: &str, code: &'static str, message: String) -> Result<T, ContentProblem> {
    Err(ContentProblem { field: field.to_owned(), code, message })
}
