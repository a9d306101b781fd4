//! An account's own numbers: read from JSON, checked field by field, and compared with the profile's.

use serde_json::{Map, Value};

use crate::numbers::Numbers;
use crate::{Kind, Profile, ProfileError, Rule};

/// What an account calls its own numbers: the field of its row and of the API.
const FIELD: &str = "pacing";

impl Profile {
    /// This profile with an account's own numbers: an object by rule, each with the fields to change, in which `null` is
    /// the profile's own rule and `"off"` none. Every problem is told, by its field.
    pub fn with(&self, overrides: &Value) -> Result<Self, Vec<ProfileError>> {
        let none = Map::new();
        let rules = match overrides {
            Value::Null => &none,
            Value::Object(rules) => rules,
            other => return Err(vec![error(FIELD, format!("is {other}; it must be an object by rule"))]),
        };
        let mut profile = self.clone();
        let mut problems = Vec::new();
        for (key, value) in rules {
            let field = format!("{FIELD}.{key}");
            let Some(rule) = profile.rules_mut().iter_mut().find(|rule| rule.key == key.as_str()) else {
                let keys: Vec<_> = self.rules().iter().map(|rule| rule.key.as_ref()).collect();
                problems
                    .push(error(&field, format!("is no rule of this account; they are {}", keys.join(", "))));
                continue;
            };
            match value {
                Value::Null => {}
                Value::String(off) if off == "off" => rule.kind = Kind::Off,
                Value::Object(fields) => match rule.kind.patched(fields) {
                    Ok(kind) => rule.kind = kind,
                    Err(found) => {
                        problems.extend(
                            found.into_iter().map(|(name, text)| error(&format!("{field}.{name}"), text)),
                        );
                    }
                },
                other => {
                    problems
                        .push(error(&field, format!("is {other}; it must be an object, null or \"off\"")));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        profile.sign();
        Ok(profile)
    }

    /// The rules that let anything go that `base` would not, by key. A rule that is switched off is looser.
    pub fn looser_than(&self, base: &Self) -> Vec<String> {
        let ours = |key: &str| self.rules().iter().find(|rule| rule.key == key).map(|rule| &rule.kind);
        let looser = |rule: &&Rule| ours(&rule.key).is_none_or(|kind| kind.is_looser_than(&rule.kind));
        base.rules().iter().filter(looser).map(|rule| rule.key.to_string()).collect()
    }
}

impl Kind {
    fn patched(&self, fields: &Map<String, Value>) -> Result<Self, Vec<(String, String)>> {
        Ok(match self {
            Self::Gap(pace, numbers) => Self::Gap(*pace, patched(numbers, fields)?),
            Self::Bucket(numbers) => Self::Bucket(patched(numbers, fields)?),
            Self::Cap(numbers) => Self::Cap(patched(numbers, fields)?),
            Self::Typing(numbers) => Self::Typing(patched(numbers, fields)?),
            Self::Batch(numbers) => Self::Batch(patched(numbers, fields)?),
            Self::NewContacts(numbers) => Self::NewContacts(patched(numbers, fields)?),
            Self::WarmUp(numbers) => Self::WarmUp(patched(numbers, fields)?),
            Self::StaleContact(numbers) => Self::StaleContact(patched(numbers, fields)?),
            Self::IdenticalText(numbers) => Self::IdenticalText(patched(numbers, fields)?),
            Self::ResponseRate(numbers) => Self::ResponseRate(patched(numbers, fields)?),
            Self::QuietHours(numbers) => Self::QuietHours(patched(numbers, fields)?),
            Self::Failures(numbers) => Self::Failures(patched(numbers, fields)?),
            Self::OptOut(numbers) => Self::OptOut(patched(numbers, fields)?),
            Self::Off => Self::Off,
        })
    }
}

/// Each field by itself first, so that one bad field hides no other one.
fn patched<N: Numbers>(base: &N, fields: &Map<String, Value>) -> Result<N, Vec<(String, String)>> {
    let Ok(Value::Object(base)) = serde_json::to_value(base) else {
        return Err(vec![(String::new(), "cannot be changed".to_owned())]);
    };
    let read =
        |fields: &Map<String, Value>| serde_path_to_error::deserialize::<_, N>(Value::Object(fields.clone()));
    let mut problems = Vec::new();
    let mut all = base.clone();
    for (field, value) in fields {
        if !base.contains_key(field) {
            let known: Vec<_> = base.keys().map(String::as_str).collect();
            problems
                .push((field.clone(), format!("is no field of this rule; they are {}", known.join(", "))));
            continue;
        }
        let mut one = base.clone();
        one.insert(field.clone(), value.clone());
        if let Err(found) = read(&one) {
            problems.push(told(&found));
        }
        all.insert(field.clone(), value.clone());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let numbers = read(&all).map_err(|found| vec![told(&found)])?;
    numbers.check().map_err(|(field, text)| vec![(field.to_owned(), text)])?;
    Ok(numbers)
}

/// The field that is wrong, and what is wrong with it.
fn told(found: &serde_path_to_error::Error<serde_json::Error>) -> (String, String) {
    (found.path().to_string(), model::in_plain_words(&found.inner().to_string()))
}

fn error(field: &str, problem: String) -> ProfileError {
    ProfileError { field: field.to_owned(), problem }
}
