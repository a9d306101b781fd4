//! How much of its limits an app has used, as Meta tells with each answer: for the log while there is room, and as the
//! time to wait once there is none.

use std::time::Duration;

use serde_json::Value;

/// From this share of a limit on it is worth a line in the log.
const WORTH_TELLING: f64 = 90.0;

/// What the headers of an answer tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Usage {
    /// The largest share of a limit that is used up, in per cent.
    pub percent: f64,
    /// Until calls are welcome again, where an answer says so.
    pub wait: Option<Duration>,
}

impl Usage {
    /// Reads `Retry-After` (seconds), `X-App-Usage`, `X-Page-Usage` and `X-Business-Use-Case-Usage`, whose
    /// `estimated_time_to_regain_access` is in minutes.
    pub fn of<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let told = header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        let mut usage = Self { percent: 0.0, wait: told.map(Duration::from_secs) };
        let json = |name| header(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
        for name in ["x-app-usage", "x-page-usage", "x-ad-account-usage"] {
            usage.add(json(name).as_ref());
        }
        let businesses = json("x-business-use-case-usage");
        for business in businesses.iter().filter_map(Value::as_object).flat_map(serde_json::Map::values) {
            for case in business.as_array().into_iter().flatten() {
                usage.add(Some(case));
            }
        }
        usage.wait = usage.wait.filter(|wait| !wait.is_zero());
        usage
    }

    fn add(&mut self, case: Option<&Value>) {
        let Some(case) = case else { return };
        for share in ["call_count", "total_time", "total_cputime"] {
            if let Some(percent) = case.get(share).and_then(Value::as_f64) {
                self.percent = self.percent.max(percent);
            }
        }
        if let Some(minutes) = case.get("estimated_time_to_regain_access").and_then(Value::as_u64) {
            let wait = Duration::from_secs(minutes.saturating_mul(60));
            self.wait = Some(self.wait.unwrap_or_default().max(wait));
        }
    }

    /// Warns the operator before the limit bites.
    pub fn tell(&self) {
        if self.percent >= WORTH_TELLING {
            tracing::warn!(percent = self.percent, "most of a limit of Meta's for this app is used up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(headers: &[(&str, &'static str)]) -> Usage {
        Usage::of(|name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
    }

    #[test]
    fn the_longest_wait_and_the_largest_share_count() {
        let cases = r#"{"1":[{"type":"messenger","call_count":20,"total_time":95,"total_cputime":1,"estimated_time_to_regain_access":0}],
            "2":[{"call_count":100,"estimated_time_to_regain_access":12}]}"#;
        let usage = usage(&[("x-app-usage", r#"{"call_count":28}"#), ("x-business-use-case-usage", cases)]);
        assert_eq!(usage, Usage { percent: 100.0, wait: Some(Duration::from_mins(12)) });
    }

    #[test]
    fn no_wait_is_none_and_nonsense_is_passed_over() {
        assert_eq!(usage(&[]), Usage::default());
        let odd = [
            ("retry-after", "Wed"),
            ("x-app-usage", "[1"),
            ("x-business-use-case-usage", r#"{"1":7,"2":[3]}"#),
        ];
        assert_eq!(usage(&odd), Usage::default());
        assert_eq!(usage(&[("retry-after", "30")]).wait, Some(Duration::from_secs(30)));
        assert_eq!(usage(&[("retry-after", "0")]).wait, None);
    }
}
