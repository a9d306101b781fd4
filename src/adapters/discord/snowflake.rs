//! Discord's ids: numbers in text that hold the time at which they were given.

use model::Timestamp;
use serde_json::Value;

/// The first second of 2015, in milliseconds since 1970: where the time in ids begins.
const EPOCH: i64 = 1_420_070_400_000;

/// The id in a field. It is text; numbers are taken, too.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if is_id(id) => Some(id.clone()),
        Value::Number(id) => id.as_u64().map(|id| id.to_string()),
        _ => None,
    }
}

/// Whether this is an id.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// When an id was given; zero for what is none.
pub(super) fn time(id: &str) -> Timestamp {
    let Some(number) = id.parse::<u64>().ok().and_then(|id| i64::try_from(id >> 22).ok()) else {
        return Timestamp::ZERO;
    };
    Timestamp::from_micros(number.saturating_add(EPOCH).saturating_mul(1_000))
}

/// A point in time as Discord writes it, ISO 8601 with its offset.
pub(super) fn date(value: &Value) -> Option<Timestamp> {
    use serde::Deserialize;
    Timestamp::deserialize(value).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_tells_its_time() {
        // The documentation's own example.
        assert_eq!(time("175928847299117063").to_string(), "2016-04-30T11:18:25.796000Z");
        let date_of = |text: &str| date(&json!(text)).map(|at| at.to_string());
        assert_eq!(
            date_of("2017-07-11T17:27:07.299000+00:00").as_deref(),
            Some("2017-07-11T17:27:07.299000Z")
        );
        assert_eq!(time("x"), Timestamp::ZERO);
        assert_eq!(date(&json!(null)), None);
    }

    #[test]
    fn only_numbers_are_ids() {
        assert_eq!(id(&json!("42")).as_deref(), Some("42"));
        assert_eq!(id(&json!(42)).as_deref(), Some("42"));
        for odd in
            [json!(""), json!("4 2"), json!(null), json!({}), json!(-1), json!("123456789012345678901")]
        {
            assert_eq!(id(&odd), None);
        }
    }
}
