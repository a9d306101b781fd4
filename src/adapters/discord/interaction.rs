//! Interactions: commands, pressed buttons, choices, forms. Each is answered within three seconds, before anybody knows what
//! it leads to; what it says is then a message like any other.

use model::{Content, ConversationKind, Inbound, InboundKind};
use serde_json::{Value, json};

use super::content::known_as;
use super::parse::{ignored, party};
use super::snowflake::{id, time};

const PING: u64 = 1;
const COMMAND: u64 = 2;
const COMPONENT: u64 = 3;
const AUTOCOMPLETE: u64 = 4;
const FORM: u64 = 5;

/// Kinds of answers: a pong, "is thinking…", nothing to see, suggestions.
const PONG: u64 = 1;
const DEFERRED: u64 = 5;
const DEFERRED_UPDATE: u64 = 6;
const SUGGESTIONS: u64 = 8;
/// Only who asked sees it.
const EPHEMERAL: u64 = 64;

/// What an interaction is answered with at once.
pub(super) fn answer(interaction: &Value) -> Value {
    let is_update = match interaction["type"].as_u64() {
        Some(PING) => return json!({ "type": PONG }),
        Some(AUTOCOMPLETE) => return json!({ "type": SUGGESTIONS, "data": { "choices": [] } }),
        Some(COMPONENT) => true,
        Some(FORM) => interaction["message"].is_object(),
        _ => false,
    };
    if is_update {
        return json!({ "type": DEFERRED_UPDATE });
    }
    json!({ "type": DEFERRED, "data": { "flags": EPHEMERAL } })
}

/// Whether that answer shows "is thinking…" until there is another.
pub(super) fn leaves_a_notice(answer: &Value) -> bool {
    answer["type"].as_u64() == Some(DEFERRED)
}

/// Whether something happened: not where it is only asked whether we are there, or what somebody may be about to type.
pub(super) fn is_event(interaction: &Value) -> bool {
    !matches!(interaction["type"].as_u64(), Some(PING | AUTOCOMPLETE))
}

/// What an interaction means.
pub(super) fn parse(interaction: &Value) -> Vec<Inbound> {
    let chat = id(&interaction["channel_id"]).or_else(|| id(&interaction["channel"]["id"]));
    let (Some(chat), Some(own_id)) = (chat, id(&interaction["id"])) else {
        return vec![ignored(interaction, "INTERACTION_CREATE without a channel")];
    };
    let data = &interaction["data"];
    let mut reply_to = None;
    let said = match interaction["type"].as_u64() {
        Some(COMMAND) => {
            if data["type"].as_u64() == Some(3) {
                reply_to = id(&data["target_id"]);
            }
            vec![command(data)]
        }
        Some(COMPONENT) => {
            reply_to = id(&interaction["message"]["id"]);
            chosen(data, &interaction["message"]["components"])
        }
        Some(FORM) => {
            reply_to = id(&interaction["message"]["id"]);
            vec![form(data)]
        }
        _ => {
            let what = format!("INTERACTION_CREATE type {}", interaction["type"]);
            return vec![ignored(interaction, &what)];
        }
    };
    let is_group = !interaction["guild_id"].is_null() || interaction["channel"]["type"].as_u64() == Some(3);
    let member = &interaction["member"];
    let user = if member["user"].is_object() { &member["user"] } else { &interaction["user"] };
    let from = party(user, member["nick"].as_str());
    let inbound = |(place, content): (usize, Content)| Inbound {
        chat: chat.clone(),
        chat_kind: if is_group { ConversationKind::Group } else { ConversationKind::Direct },
        chat_title: interaction["channel"]["name"].as_str().map(str::to_owned),
        thread: None,
        from: from.clone(),
        at: time(&own_id),
        kind: InboundKind::Message {
            provider_id: if place == 0 { own_id.clone() } else { format!("{own_id}:{place}") },
            content,
            reply_to: reply_to.clone(),
            echo: false,
        },
    };
    said.into_iter().enumerate().map(inbound).collect()
}

/// A command is words as the person typed them; one of a menu is a button.
fn command(data: &Value) -> Content {
    let name = data["name"].as_str().unwrap_or_default();
    match (data["type"].as_u64(), id(&data["target_id"])) {
        (Some(2), Some(target)) => {
            let user = &data["resolved"]["users"][&target];
            Content::Callback {
                data: format!("{name}:{target}"),
                title: known_as(user).or(Some(name.to_owned())),
            }
        }
        (Some(2 | 3), _) => Content::Callback { data: name.to_owned(), title: Some(name.to_owned()) },
        _ => {
            let mut words = format!("/{name}");
            options(&data["options"], &mut words, 0);
            Content::text(words)
        }
    }
}

fn options(given: &Value, words: &mut String, depth: u8) {
    for option in given.as_array().into_iter().flatten() {
        let name = option["name"].as_str().unwrap_or_default();
        words.push(' ');
        words.push_str(name);
        match &option["value"] {
            // A command below the command; Discord has two levels of them.
            Value::Null if depth < 3 => options(&option["options"], words, depth + 1),
            Value::Null => {}
            Value::String(value) => words.extend([":", value]),
            value => words.extend([":", &value.to_string()]),
        }
    }
}

/// A pressed button, or what was chosen from a menu: each choice by itself.
fn chosen(data: &Value, components: &Value) -> Vec<Content> {
    let custom_id = data["custom_id"].as_str().unwrap_or_default();
    let callback = |data: &str| Content::Callback {
        data: data.to_owned(),
        title: label(components, custom_id, data, 0),
    };
    let values: Vec<_> = data["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if values.is_empty() {
        return vec![callback(custom_id)];
    }
    values.into_iter().map(callback).collect()
}

/// What the button or the choice said.
fn label(components: &Value, custom_id: &str, value: &str, depth: u8) -> Option<String> {
    let found = |component: &Value| {
        if component["custom_id"] == custom_id {
            let choices = component["options"].as_array().into_iter().flatten();
            let choice =
                choices.filter(|choice| choice["value"] == value).find_map(|choice| choice["label"].as_str());
            return choice.or_else(|| component["label"].as_str()).map(str::to_owned);
        }
        (depth < 5).then(|| label(&component["components"], custom_id, value, depth + 1)).flatten()
    };
    components.as_array().into_iter().flatten().find_map(found)
}

/// What was typed into a form, a line each.
fn form(data: &Value) -> Content {
    let mut typed = Vec::new();
    values(&data["components"], &mut typed, 0);
    if typed.is_empty() {
        let custom_id = data["custom_id"].as_str().unwrap_or_default();
        return Content::Callback { data: custom_id.to_owned(), title: None };
    }
    Content::text(typed.join("\n"))
}

fn values(components: &Value, typed: &mut Vec<String>, depth: u8) {
    for component in components.as_array().into_iter().flatten() {
        let chosen = component["values"].as_array().into_iter().flatten();
        let given = chosen.chain([&component["value"]]).filter_map(Value::as_str);
        typed.extend(given.filter(|value| !value.trim().is_empty()).map(str::to_owned));
        if depth < 5 {
            values(&component["components"], typed, depth + 1);
            if component["component"].is_object() {
                values(&json!([component["component"]]), typed, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_at_once() {
        for (interaction, expected) in [
            (json!({"type": 1}), json!({"type": 1})),
            (json!({"type": 2}), json!({"type": 5, "data": {"flags": 64}})),
            (json!({"type": 3}), json!({"type": 6})),
            (json!({"type": 4}), json!({"type": 8, "data": {"choices": []}})),
            (json!({"type": 5}), json!({"type": 5, "data": {"flags": 64}})),
            (json!({"type": 5, "message": {}}), json!({"type": 6})),
        ] {
            assert_eq!(answer(&interaction), expected);
        }
    }

    #[test]
    fn a_command_reads_as_it_was_typed() {
        let data = json!({"type": 1, "name": "order", "options": [
            {"name": "add", "type": 1, "options": [
                {"name": "what", "type": 3, "value": "tea"}, {"name": "count", "type": 4, "value": 2}
            ]}
        ]});
        assert_eq!(command(&data), Content::text("/order add what:tea count:2"));
    }

    #[test]
    fn a_form_reads_as_it_was_filled_in() {
        let data = json!({"custom_id": "f", "components": [
            {"type": 1, "components": [{"type": 4, "custom_id": "a", "value": "one"}]},
            {"type": 18, "component": {"type": 3, "custom_id": "b", "values": ["two", "three"]}},
        ]});
        assert_eq!(form(&data), Content::text("one\ntwo\nthree"));
        assert_eq!(form(&json!({"custom_id": "f"})), Content::Callback { data: "f".to_owned(), title: None });
    }
}
