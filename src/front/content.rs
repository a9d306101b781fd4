//! Reading what a message says, with the field that is wrong.
//!
//! serde reads a tagged enum through a buffer and loses the path in it, so a mistake is found by taking fields away:
//! the one without which the complaint changes is the one that it is about.

use model::Content;
use serde_json::Value;

use crate::body::wrong_field;
use crate::problem::Problem;

/// Reads content that lies at `path` in the request.
pub(crate) fn parse(path: &str, value: &Value) -> Result<Content, Problem> {
    let complain = |value: &Value| serde_json::from_value::<Content>(value.clone()).err();
    match serde_json::from_value(value.clone()) {
        Ok(content) => Ok(content),
        Err(error) => {
            let message = error.to_string();
            let place = locate(value, &message, &|value| complain(value).map(|error| error.to_string()));
            Err(wrong_field(&format!("{path}{place}"), &message))
        }
    }
}

fn locate(value: &Value, message: &str, complain: &dyn Fn(&Value) -> Option<String>) -> String {
    let missing = message.starts_with("missing field");
    let named = message.split('`').nth(1);
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let without = |replacement: Option<&Value>| {
                    let mut fields = fields.clone();
                    match replacement {
                        Some(value) => fields.insert(name.clone(), value.clone()),
                        None => fields.remove(name),
                    };
                    complain(&Value::Object(fields))
                };
                if name != "type" && without(None).as_deref() != Some(message) {
                    // An unknown field is named by the message itself, and so is a missing one.
                    if !missing && named == Some(name) && message.starts_with("unknown field") {
                        return String::new();
                    }
                    let deeper = locate(field, message, &|value| without(Some(value)));
                    return format!(".{name}{deeper}");
                }
            }
            String::new()
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let with = |replacement: Option<&Value>| {
                    let mut items = items.clone();
                    match replacement {
                        Some(value) => items[at] = value.clone(),
                        None => drop(items.remove(at)),
                    }
                    complain(&Value::Array(items))
                };
                if with(None).as_deref() != Some(message) {
                    let deeper = locate(item, message, &|value| with(Some(value)));
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
