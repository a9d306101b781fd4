//! Mistakes in JSON as people speak of them: serde tells them to programmers, by the names of their types.

/// What serde found wrong, in plain words: `is "many"; it must be a whole number of 0 or more`. What has plain words of its
/// own stays as it is.
///
/// ```
/// let told = model::in_plain_words("invalid type: string \"many\", expected u32 at line 1 column 8");
/// assert_eq!(told, "is \"many\"; it must be a whole number of 0 or more");
/// ```
pub fn in_plain_words(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "];
    let wrong = wrong.iter().find_map(|start| message.strip_prefix(start)?.rsplit_once(", expected "));
    if let Some((found, expected)) = wrong {
        return match found.parse::<u32>() {
            Ok(length) => format!("has a length of {length}; it must be {}", sort(expected, found)),
            Err(_) => format!("is {}; it must be {}", value(found), sort(expected, found)),
        };
    }
    if let Some((found, words)) =
        message.strip_prefix("unknown variant ").and_then(|text| text.split_once(", expected "))
    {
        return format!("is {found}; it must be {words}");
    }
    match message {
        "input contains invalid characters" | "premature end of input" | "trailing input" => {
            "must be a time as RFC 3339 has it, for example 2026-03-02T08:00:00Z".to_owned()
        }
        "input is out of range" => "is no time that there is".to_owned(),
        "number out of range" => "is too large a number".to_owned(),
        _ if message.starts_with("UUID parsing failed") => "must be an id, a UUID".to_owned(),
        _ => message.to_owned(),
    }
}

/// What was found: serde says its type first.
fn value(found: &str) -> &str {
    match found {
        "sequence" => "a list",
        "map" => "an object",
        "unit value" => "null",
        _ => {
            let types = ["integer `", "floating point `", "boolean `"];
            let bare = types.iter().find_map(|start| found.strip_prefix(start)?.strip_suffix('`'));
            bare.or_else(|| found.strip_prefix("string ")).unwrap_or(found)
        }
    }
}

/// What was expected.
fn sort(expected: &str, found: &str) -> String {
    let is_large = value(found).parse::<f64>().is_ok_and(|number| number >= 1.0 && number.fract() == 0.0);
    let most = |most: u64| {
        if is_large { format!("a whole number of at most {most}") } else { sort("u64", "") }
    };
    match expected {
        "u8" => most(u8::MAX.into()),
        "u16" => most(u16::MAX.into()),
        "u32" => most(u32::MAX.into()),
        "u64" | "usize" => "a whole number of 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        "a string" | "a borrowed string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "a formatted UUID string" | "a UUID string" => "an id, a UUID".to_owned(),
        "an RFC 3339 formatted date and time string" => {
            "a time as RFC 3339 has it, for example 2026-03-02T08:00:00Z".to_owned()
        }
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        _ if expected.starts_with("enum ") => "one of its words".to_owned(),
        _ => {
            let count = expected.strip_prefix("a tuple of size ");
            let count = count.or_else(|| expected.strip_prefix("an array of length "));
            count.map_or_else(|| expected.to_owned(), |count| format!("a list of {count}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use uuid::Uuid;

    use super::*;
    use crate::{Purpose, Timestamp};

    #[derive(Debug, Deserialize)]
    struct Asked {
        #[serde(default, rename = "count")]
        _count: u32,
        #[serde(default, rename = "share")]
        _share: f64,
        #[serde(default, rename = "same")]
        _same: bool,
        #[serde(default, rename = "purpose")]
        _purpose: Option<Purpose>,
        #[serde(default, rename = "start")]
        _start: Timestamp,
        #[serde(default, rename = "id")]
        _id: Uuid,
        #[serde(default, rename = "pair")]
        _pair: (u8, u8),
        #[serde(default, rename = "name")]
        _name: String,
        #[serde(default, rename = "list")]
        _list: Vec<u8>,
    }

    #[test]
    fn no_type_of_rust_is_named() {
        for (json, told) in [
            (r#"{"count": "many"}"#, "is \"many\"; it must be a whole number of 0 or more"),
            (r#"{"count": -1}"#, "is -1; it must be a whole number of 0 or more"),
            (r#"{"count": 1.5}"#, "is 1.5; it must be a whole number of 0 or more"),
            (r#"{"count": 4294967296}"#, "is 4294967296; it must be a whole number of at most 4294967295"),
            (r#"{"count": null}"#, "is null; it must be a whole number of 0 or more"),
            (r#"{"count": [1]}"#, "is a list; it must be a whole number of 0 or more"),
            (r#"{"share": {}}"#, "is an object; it must be a number"),
            (r#"{"same": 1}"#, "is 1; it must be true or false"),
            (
                r#"{"purpose": "fun"}"#,
                "is `fun`; it must be one of `conversation`, `transactional`, `campaign`",
            ),
            (r#"{"start": "soon"}"#, "must be a time as RFC 3339 has it, for example 2026-03-02T08:00:00Z"),
            (
                r#"{"start": 7}"#,
                "is 7; it must be a time as RFC 3339 has it, for example 2026-03-02T08:00:00Z",
            ),
            (r#"{"id": "me"}"#, "must be an id, a UUID"),
            (r#"{"pair": [1]}"#, "has a length of 1; it must be a list of 2"),
            (r#"{"name": false}"#, "is false; it must be a text"),
            (r#"{"list": "a"}"#, "is \"a\"; it must be a list"),
        ] {
            let mistake = serde_json::from_str::<Asked>(json).unwrap_err().to_string();
            assert_eq!(in_plain_words(&mistake), told, "{mistake}");
        }
    }

    #[test]
    fn what_is_plain_already_stays() {
        for text in ["is 0; it must be more than 0", "missing field `messages`"] {
            assert_eq!(in_plain_words(text), text);
        }
    }
}
