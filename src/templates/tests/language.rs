//! The language, by example.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, json};

use super::{nothing, refused, rendered};
use crate::{ALTERNATIVES_MAX, DEPTH_MAX, Mistake, TEXT_MAX, VARIABLES_MAX, check, fill, render};

#[test]
fn variables_go_through_filters() {
    let variables = json!({
        "name": "anna lind", "blank": " ", "gone": null, "n": 3, "half": 0.5, "yes": true,
        "contact": {"name": "Ben"}, "items": ["tea", "rice"], "at": "2026-03-01T09:30:00+01:00",
        "lines": [{"what": "tea", "n": 2}, {"what": "rice", "n": 1}],
    });
    for (text, expected) in [
        ("Hi {{ name }}!", "Hi anna lind!"),
        ("{{name|title}}", "Anna Lind"),
        ("{{ name | upper }} {{ name|capitalize }}", "ANNA LIND Anna lind"),
        ("{{ \"  x \" | trim }}", "x"),
        ("{{ contact.name }} {{ contact['name'] | lower }}", "Ben ben"),
        ("{{ contact.nick | default(\"you\") }}", "you"),
        ("{{ blank | default('there') }}, {{ gone | default('there') }}", "there, there"),
        ("{{ n }} {{ half }} {{ yes }} {{ -1 }}", "3 0.5 true -1"),
        (
            "{{ items | join(\", \") }} ({{ items | length }}), {{ items | first }}…{{ items | last }}",
            "tea, rice (2), tea…rice",
        ),
        ("{{ at | date(\"%d.%m.%Y %H:%M\") }}, {{ at | date }}", "01.03.2026 09:30, 2026-03-01"),
        ("{% if n > 2 and name != \"x\" %}many{% elif n == 1 %}one{% else %}few{% endif %}", "many"),
        (
            "{% if gone is defined %}a{% else %}b{% endif %}{{ \" c\" if yes }}{{ \"d\" if name is undefined }}",
            "b c",
        ),
        (
            "{% for line in lines %}{{ line.n }} × {{ line.what }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "2 × tea, 1 × rice",
        ),
        ("a {{- ' ' -}} b\n", "a b\n"),
        ("two\nlines\n\n", "two\nlines\n\n"),
    ] {
        assert_eq!(rendered(text, &variables, 1), expected, "{text}");
    }
}

#[test]
fn braces_and_bars_are_themselves_where_they_vary_nothing() {
    for text in [
        "plain",
        "",
        "a | b",
        "{a}",
        "{ a { b } c }",
        r#"{"a": {"b": [1, 2]}}"#,
        "{}",
        "{#one}",
        "C:\\dir\\\\x \\n \\",
        "100 % {50}",
        "🙂 {🙂}",
    ] {
        assert_eq!(rendered(text, &nothing(), 7), text);
        assert_eq!(fill(text, &Map::new()).unwrap().texts(), 1);
    }
    for (text, expected) in [
        (r"\{a|b\}", "{a|b}"),
        (r"{a\|b}", "{a|b}"),
        (r"\{\{ name \}\}", "{{ name }}"),
        (r"\{% if %\}", "{% if %}"),
        (r"\\\{ \\\| \\x", r"\{ \| \\x"),
        (r"{\{|\{}", "{"),
        (r"{\||\|}", "|"),
        (r"{\\|\\}", r"\"),
    ] {
        assert_eq!(rendered(text, &nothing(), 7), expected, "{text}");
    }
}

/// How often each text comes up for many seeds.
fn all(text: &str, variables: &serde_json::Value) -> BTreeMap<String, usize> {
    let filled = fill(text, variables.as_object().unwrap()).unwrap();
    let mut seen = BTreeMap::new();
    for seed in 0..6_000 {
        *seen.entry(filled.pick(seed)).or_insert(0) += 1;
    }
    seen
}

#[test]
fn every_alternative_comes_up_as_often_as_those_beside_it() {
    let seen = all("{hi|hello|hey {there|friend}}", &nothing());
    let texts: BTreeSet<_> = seen.keys().map(String::as_str).collect();
    assert_eq!(texts, BTreeSet::from(["hello", "hey friend", "hey there", "hi"]));
    assert!((1_850..2_150).contains(&seen["hi"]) && (1_850..2_150).contains(&seen["hello"]), "{seen:?}");
    assert!((900..1_100).contains(&seen["hey there"]), "{seen:?}");

    let seen = all("{{{a|b}|c}|{{n}}}{|!}", &json!({"n": 1}));
    let texts: Vec<_> = seen.keys().map(String::as_str).collect();
    assert_eq!(texts, ["1", "1!", "a", "a!", "b", "b!", "c", "c!"]);
    let seen = all("{{{n}}|{{n}} or {x|{y}}}", &json!({"n": 1}));
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "1 or x", "1 or {y}"]);
    // Each turn of a loop chooses by itself.
    let seen = all("{% for n in list %}{a|b}{% endfor %}", &json!({"list": [1, 2]}));
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), ["aa", "ab", "ba", "bb"]);
    let seen = all("{a{% if n %} n{% endif %}|b}", &json!({"n": 1}));
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), ["a n", "b"]);
}

#[test]
fn a_seed_gives_one_text_in_every_release() {
    let text = "{a|b|c|d|e|f|g|h}{a|b|c|d|e|f|g|h}{a|b|c|d|e|f|g|h}";
    let texts: Vec<_> = [0, 1, 2, u64::MAX].map(|seed| rendered(text, &nothing(), seed)).into();
    assert_eq!(texts, ["hda", "efh", "efe", "hhb"]);
}

#[test]
fn a_count_of_texts_is_that_of_its_choices() {
    for (text, texts) in [("x", 1), ("{a|b}", 2), ("{a|a}", 1), ("{a|b {c|d|e}} {|!}", 8), ("{{n}|{n}}", 1)] {
        assert_eq!(fill(text, &Map::new()).unwrap().texts(), texts, "{text}");
    }
    let many = "{a|b}".repeat(100);
    assert_eq!(fill(&many, &Map::new()).unwrap().texts(), u64::MAX);
}

#[test]
fn values_are_never_read() {
    let evil = "{{ secret }}{a|b}\\{|}{% if %}\u{FDD0}x\u{FDD1}y\u{FDD2}\u{FDD3}";
    let shown = evil.replace(['\u{FDD0}', '\u{FDD1}', '\u{FDD2}', '\u{FDD3}'], "\u{FFFD}");
    let variables = json!({"v": evil, "secret": "s", "list": [evil]});
    for text in [
        "{{ v }}",
        "{{{v}}|{{v}}}",
        "{{ v | trim }}",
        "{{ nope | default(v) }}",
        "{{ list | join }}",
        "{% for v in list %}{{ v }}{% endfor %}",
    ] {
        assert_eq!(rendered(text, &variables, 3), shown, "{text}");
    }
}

#[test]
fn an_unknown_variable_is_named_with_its_place() {
    let variables = json!({"name": "Anna", "contact": {"address": "42", "name": null}, "list": [1]});
    for (text, missing, line, column) in [
        ("Hi {{ nmae }}", "nmae", 1, 7),
        ("Hi\n  {{ name }} {{ order.id }}", "order.id", 2, 17),
        ("{a|{{ nope }}}", "nope", 1, 7),
        ("{{ contact.name }}", "contact.name", 1, 4),
        ("{{ contact.nick | upper }}", "contact.nick", 1, 4),
        ("{% if nope %}x{% endif %}", "nope", 1, 7),
        ("{% for x in nope %}x{% endfor %}", "nope", 1, 13),
        ("{% for x in list %}{{ x }}{{ y }}{% endfor %}", "y", 1, 30),
    ] {
        let error = render(text, variables.as_object().unwrap(), 0).expect_err(text);
        let Mistake::UnknownVariable { name, known } = &error.mistake else { panic!("{text}: {error}") };
        assert_eq!(name, missing, "{text}");
        assert_eq!(known, &["contact.address", "list", "name"]);
        assert_eq!((error.at.line, error.at.column), (line, column), "{text}: {error}");
    }
    let told = refused("{{ nmae }}", &json!({"name": "x"}));
    assert_eq!(
        told,
        "there is no variable `nmae`; there are name. Give it, or write {{ nmae | default(\"…\") }} (line 1, character 4)"
    );
}

#[test]
fn mistakes_say_where_and_what_to_do() {
    let variables = json!({"name": "x", "list": [1], "object": {"a": 1}});
    for (text, place, part) in [
        ("a {b|c", "character 3", "`{` is never closed"),
        ("a {{ name }", "character 3", "`{{` is never closed by `}}`"),
        ("a }", "character 3", "`\\}`"),
        ("{a|{b}", "character 1", "never closed"),
        ("x\n{{ name | uper }}", "line 2, character 11", "no filter `uper`"),
        ("{{hi|hello}}", "character 6", "single braces"),
        ("{{ name is nice }}", "character 12", "no test `nice`"),
        ("{{ range(3) }}", "character 9", "no functions"),
        ("{{ name.upper() }}", "character 14", "no functions"),
        ("{{ name * 1000 }}", "character 9", "nothing is computed"),
        ("{{ name ~ name }}", "character 9", "nothing is computed"),
        ("{{ name name }}", "character 9", "cannot be read"),
        ("{{ }}", "line 1", "cannot be read"),
        ("{{ 'a }}", "character 1", "cannot be read"),
        ("{{ a: 1 }}", "character 5", "`:` cannot stand"),
        ("{% set x = 1 %}", "character 1", "`{% set`"),
        ("{% include 'x' %}", "character 1", "`{% include`"),
        ("{% if name", "character 1", "never closed by `%}`"),
        ("{% if name %}x", "character 1", "never closed by `{% endif %}`"),
        ("{% endif %}", "character 1", "closes nothing"),
        ("{% for x in list %}{% endif %}", "character 20", "closes nothing"),
        ("{a{% if name %}|b}{% endif %}", "character 3", "must be closed within"),
        ("{a|{% if name %}}{% endif %}", "character 4", "must be closed within"),
        ("{{ list }}", "character 4", "a list or an object"),
        ("{{ object | upper }}", "character 13", "a list or an object"),
        ("{{ name | date }}", "character 11", "not a date"),
        ("x\u{FDD1}", "character 2", "stands for nothing"),
    ] {
        let told = refused(text, &variables);
        assert!(told.contains(part), "{text}: {told}");
        assert!(told.contains(place), "{text}: {told}");
    }
}

#[test]
fn nothing_grows_or_runs_without_end() {
    let variables = json!({"big": "x".repeat(60_000), "list": (0..500).collect::<Vec<_>>()});
    let nested = |depth: usize| format!("{}{{x|y}}{}", "{ ".repeat(depth - 1), " }".repeat(depth - 1));
    let alternatives = |n: usize| format!("{{{}}}", vec!["a"; n].join("|"));
    for (text, part) in [
        (nested(DEPTH_MAX + 1), "deep at most"),
        (alternatives(ALTERNATIVES_MAX + 1), "1000 alternatives"),
        ("x".repeat(TEXT_MAX + 1), "at most 65536"),
        ("{{ big }}{{ big }}".to_owned(), "longer than 65536"),
        ("{{ big }}".repeat(5), "longer than"),
        ("{% for a in list %}{% for b in list %}{% endfor %}{% endfor %}".to_owned(), "too long"),
        ("{% for a in list %}{% if big | upper == a %}{% endif %}{% endfor %}".to_owned(), "too long"),
        ("{{ list | join(big) }}".to_owned(), "too long"),
        ("{% for a in list recursive %}{{ loop(list) }}{% endfor %}".to_owned(), "no functions"),
        ("{% for a in list %}{{ big }}{% endfor %}".to_owned(), "longer than"),
        (format!("{{{{ {}1{} }}}}", "(".repeat(1_000), ")".repeat(1_000)), "cannot be read"),
    ] {
        let told = refused(&text, &variables);
        assert!(told.contains(part), "{}: {told}", &text[..text.len().min(60)]);
    }
    assert_eq!(rendered(&nested(DEPTH_MAX), &nothing(), 0).len(), 1 + 4 * (DEPTH_MAX - 1));
    assert_eq!(rendered(&alternatives(ALTERNATIVES_MAX), &nothing(), 0), "a");
    let told = refused("x", &json!({"big": "x".repeat(VARIABLES_MAX)}));
    assert!(told.contains("variables"), "{told}");
}

#[test]
fn a_check_gives_the_variables_from_outside() {
    let text = "{{ contact.name | default(\"x\") }}{a|{{ code }}}{% for line in order.lines %}{{ line.n }}{{ loop.index }}{% endfor %}";
    assert_eq!(check(text).unwrap(), ["code", "contact.name", "order.lines"]);
    assert_eq!(check("plain {a|b}").unwrap(), [""; 0]);
    assert!(check("{{ name | uper }}").is_err());
    assert!(check("{{ name name }}").is_err());
}
