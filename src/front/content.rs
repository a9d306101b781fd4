//! Reading what a message says, with the field that is wrong.
//!
//! serde reads a tagged enum through a buffer and loses the path in it, so a mistake is found by taking fields away:
//! the one without which the complaint changes is the one that it is about.

use model::Content;
use serde_json::Value;

use crate::body::wrong_field;
use crate::problem::Problem;

/// The search copies what it searches at every step, so large content is told its mistake without a place.
const SEARCHED: usize = 500;

/// Reads content that lies at `path` in the request.
pub(crate) fn parse(path: &str, value: &Value) -> Result<Content, Problem> {
    let complain = |value: &Value| serde_json::from_value::<Content>(value.clone()).err();
    match serde_json::from_value(value.clone()) {
        Ok(content) => Ok(content),
        Err(error) => {
            let message = error.to_string();
            let place = if weight(value) <= SEARCHED {
                locate(value, &message, &|value| complain(value).map(|error| error.to_string()))
            } else {
                String::new()
            };
            Err(wrong_field(&format!("{path}{place}"), &message))
        }
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(weight).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 100,
        _ => 1,
    }
}

fn locate(value: &Value, message: &str, complain: &dyn Fn(&Value) -> Option<String>) -> String {
    // These name their field themselves: what is looked for is the object around it.
    let names_itself = message.starts_with("missing field") || message.starts_with("unknown field");
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter().filter(|(name, _)| *name != "type") {
                let with = |field: Option<&Value>| {
                    let mut fields = fields.clone();
                    match field {
                        Some(field) => drop(fields.insert(name.clone(), field.clone())),
                        None => drop(fields.remove(name)),
                    }
                    complain(&Value::Object(fields))
                };
                if with(None).as_deref() != Some(message) {
                    if message.starts_with(&format!("unknown field `{name}`")) {
                        return String::new();
                    }
                    let deeper = locate(field, message, &|field| with(Some(field)));
                    return format!(".{name}{deeper}");
                }
            }
            let tagged = !names_itself && fields.contains_key("type");
            if tagged { ".type".to_owned() } else { String::new() }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let with = |item: Option<&Value>| {
                    let mut items = items.clone();
                    match item {
                        Some(item) => items[at] = item.clone(),
                        None => drop(items.remove(at)),
                    }
                    complain(&Value::Array(items))
                };
                if with(None).as_deref() != Some(message) {
                    let deeper = locate(item, message, &|item| with(Some(item)));
                    return format!("[{at}]{deeper}");
                }
            }
            String::new()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde_json::json;

    use super::*;

    async fn field_of(value: Value) -> (String, String) {
        let response = parse("content", &value).unwrap_err().into_response();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let problem: crate::ProblemDetails = serde_json::from_slice(&bytes).unwrap();
        (problem.errors[0].field.clone(), problem.errors[0].code.clone())
    }

    #[tokio::test]
    async fn a_mistake_is_named_by_its_path() {
        for (value, field, code) in [
            (json!({"type": "text", "text": 5}), "content.text", "invalid_type"),
            (json!({"type": "text"}), "content.text", "required"),
            (json!({"text": "x"}), "content.type", "required"),
            (json!({"type": "text", "text": "x", "colour": 1}), "content.colour", "unknown_field"),
            (json!({"type": "song", "text": "x"}), "content.type", "invalid"),
            (json!({"type": "text", "text": "x", "format": "html"}), "content.format", "invalid"),
            (
                json!({"type": "image", "media": {"url": "u", "size": "big"}}),
                "content.media.size",
                "invalid_type",
            ),
            (json!({"type": "image", "media": {"url": "u", "siz": 1}}), "content.media.siz", "unknown_field"),
            (
                json!({"type": "text", "text": "x", "buttons": [[{"title": "a"}, {"data": "b"}]]}),
                "content.buttons[0][1].title",
                "required",
            ),
            (json!("hello"), "content", "invalid_type"),
        ] {
            assert_eq!(field_of(value.clone()).await, (field.to_owned(), code.to_owned()), "{value}");
        }
    }
}
