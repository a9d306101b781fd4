//! Buttons and lists, as Discord's components: rows of buttons, and select menus.

use std::collections::HashSet;

use channel::ContentProblem;
use model::{Button, ListSection};
use serde_json::{Value, json};

/// A row of components.
const ROW: u8 = 1;
const BUTTON: u8 = 2;
const SELECT: u8 = 3;
/// How a button that sends something looks, and one that opens a page.
const SECONDARY: u8 = 2;
const LINK: u8 = 5;

/// Rows under a message.
const ROWS: usize = 5;
/// Buttons in a row.
const COLUMNS: usize = 5;
/// Choices in a menu.
const CHOICES: usize = 25;
const LABEL: usize = 80;
const DATA: usize = 100;
const URL: usize = 512;
const CHOICE: usize = 100;
const PLACEHOLDER: usize = 150;
/// What a menu is called where its choice comes back; its place follows.
const MENU: &str = "list:";

/// Buttons as rows of components.
pub(super) fn buttons(rows: &[Vec<Button>]) -> Vec<Value> {
    let rows = rows.iter().filter(|row| !row.is_empty());
    rows.map(|row| json!({ "type": ROW, "components": row.iter().map(button).collect::<Vec<_>>() })).collect()
}

fn button(button: &Button) -> Value {
    match (&button.data, &button.url) {
        (None, Some(url)) => json!({ "type": BUTTON, "style": LINK, "label": button.title, "url": url }),
        // One that only says something sends what it says.
        (data, _) => json!({
            "type": BUTTON, "style": SECONDARY, "label": button.title,
            "custom_id": data.as_ref().unwrap_or(&button.title),
        }),
    }
}

/// A list as menus, one a section.
pub(super) fn list(button: &str, sections: &[ListSection]) -> Vec<Value> {
    let sections = sections.iter().filter(|section| !section.rows.is_empty()).enumerate();
    let menu = |(place, section): (usize, &ListSection)| {
        let choices: Vec<_> = section
            .rows
            .iter()
            .map(|row| {
                let mut choice = json!({ "label": row.title, "value": row.data });
                if let Some(description) = &row.description {
                    choice["description"] = description.as_str().into();
                }
                choice
            })
            .collect();
        json!({ "type": ROW, "components": [{
            "type": SELECT, "custom_id": format!("{MENU}{place}"), "options": choices,
            "placeholder": section.title.as_deref().unwrap_or(button),
        }]})
    };
    sections.map(menu).collect()
}

/// Refuses buttons that Discord would not take.
pub(super) fn check_buttons(rows: &[Vec<Button>]) -> Result<(), ContentProblem> {
    if rows.iter().filter(|row| !row.is_empty()).count() > ROWS {
        return problem("buttons", "out_of_range", "Discord shows five rows of buttons");
    }
    let mut seen = HashSet::new();
    for (row, buttons) in rows.iter().enumerate() {
        if buttons.len() > COLUMNS {
            return problem(
                &format!("buttons[{row}]"),
                "out_of_range",
                "Discord shows five buttons in a row",
            );
        }
        for (column, button) in buttons.iter().enumerate() {
            let place = format!("buttons[{row}][{column}]");
            let at = |field: &str| format!("{place}.{field}");
            length(&at("title"), &button.title, LABEL)?;
            match (&button.data, &button.url) {
                (Some(_), Some(_)) => {
                    return problem(&place, "unsupported", "a button either sends something or opens a page");
                }
                (_, Some(url)) => {
                    length(&at("url"), url, URL)?;
                    let known = ["https://", "http://", "discord://"];
                    if !known.iter().any(|scheme| url.starts_with(scheme) && url.len() > scheme.len()) {
                        return problem(
                            &at("url"),
                            "unsupported",
                            "Discord opens http, https and discord links",
                        );
                    }
                }
                (data, None) => {
                    let data = data.as_ref().unwrap_or(&button.title);
                    length(&at("data"), data, DATA)?;
                    if !seen.insert(data) {
                        return problem(&at("data"), "invalid", "two buttons of a message carry the same");
                    }
                }
            }
        }
    }
    Ok(())
}

/// Refuses a list that Discord would not take.
pub(super) fn check_list(button: &str, sections: &[ListSection]) -> Result<(), ContentProblem> {
    length("button", button, PLACEHOLDER)?;
    let filled = sections.iter().filter(|section| !section.rows.is_empty()).count();
    if !(1..=ROWS).contains(&filled) {
        return problem("sections", "out_of_range", "Discord shows one to five menus");
    }
    for (place, section) in sections.iter().enumerate() {
        let at = format!("sections[{place}]");
        if let Some(title) = &section.title {
            length(&format!("{at}.title"), title, PLACEHOLDER)?;
        }
        if section.rows.len() > CHOICES {
            return problem(
                &format!("{at}.rows"),
                "out_of_range",
                "a menu of Discord's has at most 25 choices",
            );
        }
        let mut seen = HashSet::new();
        for (row, choice) in section.rows.iter().enumerate() {
            let at = |field: &str| format!("{at}.rows[{row}].{field}");
            length(&at("title"), &choice.title, CHOICE)?;
            length(&at("data"), &choice.data, CHOICE)?;
            if let Some(description) = &choice.description {
                length(&at("description"), description, CHOICE)?;
            }
            if !seen.insert(&choice.data) {
                return problem(&at("data"), "invalid", "two choices of a menu carry the same");
            }
        }
    }
    Ok(())
}

fn length(field: &str, text: &str, max: usize) -> Result<(), ContentProblem> {
    match text.chars().count() {
        _ if text.trim().is_empty() => problem(field, "empty", "it needs at least one visible character"),
        length if length > max => {
            problem(field, "too_long", &format!("{length} is over Discord's limit of {max} characters"))
        }
        _ => Ok(()),
    }
}

fn problem(field: &str, code: &'static str, message: &str) -> Result<(), ContentProblem> {
    Err(ContentProblem { field: field.to_owned(), code, message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use model::ListRow;

    use super::*;

    fn data(data: &str) -> Button {
        Button { title: "t".to_owned(), data: Some(data.to_owned()), url: None }
    }

    #[test]
    fn buttons_send_or_open() {
        let open = Button { title: "o".to_owned(), data: None, url: Some("https://x.y".to_owned()) };
        let say = Button { title: "Yes".to_owned(), data: None, url: None };
        assert_eq!(
            buttons(&[vec![data("a"), open], vec![], vec![say]]),
            [
                json!({"type": 1, "components": [
                    {"type": 2, "style": 2, "label": "t", "custom_id": "a"},
                    {"type": 2, "style": 5, "label": "o", "url": "https://x.y"},
                ]}),
                json!({"type": 1, "components": [{"type": 2, "style": 2, "label": "Yes", "custom_id": "Yes"}]}),
            ]
        );
    }

    #[test]
    fn what_discord_would_refuse_is_named_by_its_place() {
        let url = |url: &str| Button { title: "t".to_owned(), data: None, url: Some(url.to_owned()) };
        for (rows, field, code) in [
            (vec![vec![data("a"), data("a")]], "buttons[0][1].data", "invalid"),
            (vec![(0..6).map(|n| data(&n.to_string())).collect()], "buttons[0]", "out_of_range"),
            ((0..6).map(|n| vec![data(&n.to_string())]).collect(), "buttons", "out_of_range"),
            (vec![vec![data("")]], "buttons[0][0].data", "empty"),
            (vec![vec![data(&"x".repeat(101))]], "buttons[0][0].data", "too_long"),
            (vec![vec![url("javascript:1")]], "buttons[0][0].url", "unsupported"),
            (
                vec![vec![Button { url: Some("https://x.y".to_owned()), ..data("a") }]],
                "buttons[0][0]",
                "unsupported",
            ),
        ] {
            let problem = check_buttons(&rows).unwrap_err();
            assert_eq!((problem.field.as_str(), problem.code), (field, code));
        }
        assert_eq!(check_buttons(&[vec![data(&"ü".repeat(100))]]), Ok(()));
    }

    #[test]
    fn a_list_is_a_menu_a_section() {
        let row = |data: &str| ListRow { title: "T".to_owned(), description: None, data: data.to_owned() };
        let section = |rows| ListSection { title: None, rows };
        let menus = list("Choose", &[section(vec![row("a")]), section(vec![]), section(vec![row("b")])]);
        assert_eq!(menus.len(), 2);
        assert_eq!(
            menus[1],
            json!({"type": 1, "components": [{"type": 3, "custom_id": "list:1", "placeholder": "Choose",
                "options": [{"label": "T", "value": "b"}]}]})
        );
        assert_eq!(check_list("c", &[]).unwrap_err().field, "sections");
        let many = section((0..26).map(|n| row(&n.to_string())).collect());
        assert_eq!(check_list("c", &[many]).unwrap_err().field, "sections[0].rows");
        assert_eq!(check_list("c", &[section(vec![row("a"), row("a")])]).unwrap_err().code, "invalid");
    }
}
