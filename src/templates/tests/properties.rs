//! What holds for every text, tried on many.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, json};

use crate::{check, fill, render};

/// A text as somebody means it: the oracle knows what it can become without reading it.
#[derive(Debug, Clone)]
enum Meant {
    Words(String),
    Name,
    Braces(Vec<Meant>),
    OneOf(Vec<Vec<Meant>>),
}

const VALUE: &str = "V{1|2}{{x}}";

fn escaped(words: &str) -> String {
    let mut text = String::new();
    for (place, c) in words.char_indices() {
        match c {
            '{' | '}' | '|' => text.extend(['\\', c]),
            // Before one of those, or before an end that may be a bar or a brace, a backslash counts.
            '\\' => {
                let after = words[place..].trim_start_matches('\\').chars().next();
                let doubled = after.is_none_or(|c| matches!(c, '{' | '}' | '|'));
                text.push_str(if doubled { "\\\\" } else { "\\" });
            }
            c => text.push(c),
        }
    }
    text
}

fn written(parts: &[Meant]) -> String {
    let each = parts.iter().map(|part| match part {
        Meant::Words(words) => escaped(words),
        Meant::Name => "{{ v }}".to_owned(),
        Meant::Braces(parts) => format!("{{{}}}", written(parts)),
        Meant::OneOf(alternatives) => {
            let all: Vec<_> = alternatives.iter().map(|parts| written(parts)).collect();
            format!("{{{}}}", all.join("|"))
        }
    });
    each.collect()
}

/// Every text it can become.
fn become_all(parts: &[Meant]) -> BTreeSet<String> {
    let mut texts = BTreeSet::from([String::new()]);
    for part in parts {
        let more: BTreeSet<String> = match part {
            Meant::Words(words) => BTreeSet::from([words.clone()]),
            Meant::Name => BTreeSet::from([VALUE.to_owned()]),
            Meant::Braces(parts) => become_all(parts).iter().map(|text| format!("{{{text}}}")).collect(),
            Meant::OneOf(alternatives) => alternatives.iter().flat_map(|parts| become_all(parts)).collect(),
        };
        texts = texts.iter().flat_map(|text| more.iter().map(move |more| format!("{text}{more}"))).collect();
    }
    texts
}

fn meant() -> impl Strategy<Value = Vec<Meant>> {
    // A space at both ends: whether two braces side by side are a variable is told by the examples.
    let words = "[ab{}|\\\\ é🙂]{0,6}".prop_map(|words| Meant::Words(format!(" {words} ")));
    let leaf = prop_oneof![4 => words, 1 => Just(Meant::Name)];
    let part = leaf.prop_recursive(3, 12, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            list().prop_map(|mut parts| {
                parts.insert(0, Meant::Words(" ".to_owned()));
                Meant::Braces(parts)
            }),
            prop::collection::vec(list(), 2..4).prop_map(|mut alternatives| {
                for parts in &mut alternatives {
                    parts.insert(0, Meant::Words(" ".to_owned()));
                }
                Meant::OneOf(alternatives)
            }),
        ]
    });
    prop::collection::vec(part, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_meant_is_what_comes_out(parts in meant(), seeds in prop::collection::vec(any::<u64>(), 1..5)) {
        let text = written(&parts);
        let variables = json!({"v": VALUE});
        let filled = fill(&text, variables.as_object().unwrap());
        let filled = match filled {
            Ok(filled) => filled,
            Err(error) => return Err(TestCaseError::fail(format!("{text}: {error}"))),
        };
        let texts = become_all(&parts);
        prop_assert!(filled.texts() >= texts.len() as u64);
        for seed in seeds {
            let picked = filled.pick(seed);
            prop_assert_eq!(&picked, &filled.pick(seed));
            prop_assert!(texts.contains(&picked), "{} became {}", text, picked);
        }
        if filled.texts() <= 24 {
            let seen: BTreeSet<_> = (0..4_000).map(|seed| filled.pick(seed)).collect();
            prop_assert_eq!(seen, texts, "{}", text);
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "([{}|%\\\\\"' -]|if|for|else|endif|in|[ax.1]|\u{FDD0}|é){0,40}", seed in any::<u64>()) {
        let variables = json!({"a": "x", "x": [1]});
        let rendered = render(&text, variables.as_object().unwrap(), seed);
        // What a check refuses is never rendered.
        if check(&text).is_err() {
            prop_assert!(rendered.is_err());
        }
    }

    #[test]
    fn any_text_at_all(text in any::<String>(), seed in any::<u64>()) {
        drop(render(&text, &Map::new(), seed));
    }

    #[test]
    fn a_text_without_bars_and_code_stays(text in "[a-z \n:\",]{0,5}(\\{[a-z \n:\"][a-z \n:\"%]{0,4}(\\{ [a-z]{0,3}\\} )?\\}[a-z #]{0,3}){0,4}") {
        let rendered = render(&text, &Map::new(), 5).map(|rendered| rendered.text);
        prop_assert_eq!(rendered.as_ref(), Ok(&text));
    }

    #[test]
    fn values_stay_as_they_are(value in any::<String>(), seed in any::<u64>()) {
        prop_assume!(!value.contains(['\u{FDD0}', '\u{FDD1}', '\u{FDD2}', '\u{FDD3}']));
        let variables = json!({"v": value});
        let text = render("<{{ v }}|{{{v}}|{{ v }}}>", variables.as_object().unwrap(), seed).unwrap().text;
        prop_assert_eq!(text, format!("<{value}|{value}>"));
    }
}
