//! What texts come out of a template, and which templates are refused.

mod language;
mod properties;

use serde_json::{Map, Value, json};

/// Renders with the variables of an object.
fn rendered(text: &str, variables: &Value, seed: u64) -> String {
    let variables = variables.as_object().unwrap();
    crate::render(text, variables, seed).unwrap_or_else(|error| panic!("{text}: {error}")).text
}

/// What is wrong with a text.
fn refused(text: &str, variables: &Value) -> String {
    let given = variables.as_object().cloned().unwrap_or_else(Map::new);
    crate::render(text, &given, 0).expect_err(text).to_string()
}

fn nothing() -> Value {
    json!({})
}
