//! The one character that Postgres keeps in no text and no JSON: NUL. `SQLite` would take it; both engines do the same.
//!
//! What people send is refused with the field's name. What providers send is kept with the replacement character
//! instead: an event or an outcome must not get stuck on it.

use std::borrow::Cow;

use serde_json::Value;

use crate::StoreError;

const REPLACEMENT: &str = "\u{FFFD}";

/// Refuses a text of a request.
pub(crate) fn refuse(field: &'static str, text: Option<&str>) -> Result<(), StoreError> {
    if text.is_some_and(|text| text.contains('\0')) {
        return Err(StoreError::invalid(field, "must not contain the character U+0000"));
    }
    Ok(())
}

/// Whether a text within the value has one.
pub(crate) fn within(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(within),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || within(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The value with replacements.
pub(crate) fn without(value: &Value) -> Cow<'_, Value> {
    if within(value) { Cow::Owned(replaced(value)) } else { Cow::Borrowed(value) }
}

/// The text with replacements.
pub(crate) fn without_text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', REPLACEMENT) } else { text }
}

fn replaced(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', REPLACEMENT)),
        Value::Array(items) => items.iter().map(replaced).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.replace('\0', REPLACEMENT), replaced(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
