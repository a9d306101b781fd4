//! Buttons: under the message when they carry something, in place of the keyboard when they only say something.

use channel::ContentProblem;
use model::Button;
use serde_json::{Value, json};

/// Longest data of a button, in bytes.
const DATA_MAX: usize = 64;

/// Why rows of buttons cannot be sent.
pub(super) fn check(rows: &[Vec<Button>]) -> Result<(), ContentProblem> {
    let problem = |row: usize, column: usize, field: &str, code, message: &str| {
        Err(ContentProblem {
            field: format!("buttons[{row}][{column}]{field}"),
            code,
            message: message.to_owned(),
        })
    };
    let inline = rows.iter().flatten().any(is_inline);
    for (row, buttons) in rows.iter().enumerate() {
        for (column, button) in buttons.iter().enumerate() {
            if button.title.trim().is_empty() {
                return problem(row, column, ".title", "empty", "a button needs a title");
            }
            if inline != is_inline(button) {
                return problem(
                    row,
                    column,
                    "",
                    "unsupported",
                    "Telegram shows either buttons with `data` or `url`, or buttons with neither: not both in one message",
                );
            }
            match (&button.data, &button.url) {
                (Some(_), Some(_)) => {
                    return problem(row, column, "", "unsupported", "give either `data` or `url`");
                }
                (Some(data), None) if data.is_empty() || data.len() > DATA_MAX => {
                    return problem(row, column, ".data", "out_of_range", "1 to 64 bytes");
                }
                (None, Some(url))
                    if !["http://", "https://", "tg://"].iter().any(|scheme| url.starts_with(scheme)) =>
                {
                    return problem(
                        row,
                        column,
                        ".url",
                        "unsupported",
                        "must begin with https://, http:// or tg://",
                    );
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether the buttons belong under the message. Only such can be changed later.
pub(super) fn is_inline_keyboard(rows: &[Vec<Button>]) -> bool {
    rows.iter().flatten().any(is_inline)
}

/// The markup for rows of buttons; none when there are none.
pub(super) fn markup(rows: &[Vec<Button>]) -> Option<Value> {
    if rows.iter().all(Vec::is_empty) {
        return None;
    }
    let inline = is_inline_keyboard(rows);
    let keyboard: Vec<Vec<Value>> =
        rows.iter().filter(|row| !row.is_empty()).map(|row| row.iter().map(button).collect()).collect();
    Some(if inline {
        json!({ "inline_keyboard": keyboard })
    } else {
        // It leaves with the answer: what was asked once is answered once.
        json!({ "keyboard": keyboard, "resize_keyboard": true, "one_time_keyboard": true })
    })
}

fn is_inline(button: &Button) -> bool {
    button.data.is_some() || button.url.is_some()
}

fn button(button: &Button) -> Value {
    match (&button.data, &button.url) {
        (Some(data), _) => json!({ "text": button.title, "callback_data": data }),
        (None, Some(url)) => json!({ "text": button.title, "url": url }),
        (None, None) => json!({ "text": button.title }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(title: &str) -> Button {
        Button { title: title.to_owned(), data: None, url: None }
    }

    fn data(data: &str) -> Button {
        Button { data: Some(data.to_owned()), ..title("t") }
    }

    fn url(url: &str) -> Button {
        Button { url: Some(url.to_owned()), ..title("t") }
    }

    #[test]
    fn buttons_that_carry_something_stand_under_the_message() {
        assert_eq!(
            markup(&[vec![data("a"), url("https://x.y")], vec![]]),
            Some(json!({"inline_keyboard": [[
                {"text": "t", "callback_data": "a"}, {"text": "t", "url": "https://x.y"}
            ]]}))
        );
    }

    #[test]
    fn buttons_that_only_say_something_replace_the_keyboard() {
        assert_eq!(
            markup(&[vec![title("Yes")], vec![title("No")]]),
            Some(json!({
                "keyboard": [[{"text": "Yes"}], [{"text": "No"}]],
                "resize_keyboard": true, "one_time_keyboard": true
            }))
        );
        assert_eq!(markup(&[]), None);
        assert_eq!(markup(&[vec![]]), None);
    }

    #[test]
    fn what_telegram_would_refuse_is_named_by_its_place() {
        let both = Button { url: Some("https://x.y".to_owned()), ..data("a") };
        for (rows, field, code) in [
            (vec![vec![title(" ")]], "buttons[0][0].title", "empty"),
            (vec![vec![data("a")], vec![title("b")]], "buttons[1][0]", "unsupported"),
            (vec![vec![both]], "buttons[0][0]", "unsupported"),
            (vec![vec![data("")]], "buttons[0][0].data", "out_of_range"),
            (vec![vec![data(&"ü".repeat(33))]], "buttons[0][0].data", "out_of_range"),
            (vec![vec![url("ftp://x")]], "buttons[0][0].url", "unsupported"),
        ] {
            let problem = check(&rows).unwrap_err();
            assert_eq!((problem.field.as_str(), problem.code), (field, code));
        }
        assert_eq!(check(&[vec![data(&"ü".repeat(32))]]), Ok(()));
    }
}
