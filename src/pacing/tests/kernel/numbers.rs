//! An account's own numbers: what is taken, what is refused by its field, and what is looser than the profile.

use pacing::{Facts, Kind, Limit, Profile, Reach, State, explain};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{T, ms, one};

fn fields(overrides: &Value) -> Vec<String> {
    let problems = Profile::person().with(overrides).expect_err("wrong numbers");
    assert!(problems.iter().all(|problem| !problem.problem.is_empty()));
    problems.into_iter().map(|problem| problem.field).collect()
}

#[test]
fn every_wrong_value_is_refused_by_its_field() {
    for (overrides, field) in [
        (json!(7), "pacing"),
        (json!({"per_hour": {"count": 1}}), "pacing.per_hour"),
        (json!({"per_minute": 15}), "pacing.per_minute"),
        (json!({"per_minute": "on"}), "pacing.per_minute"),
        (json!({"per_minute": {"most": 1}}), "pacing.per_minute.most"),
        (json!({"per_minute": {"count": -1}}), "pacing.per_minute.count"),
        (json!({"per_minute": {"count": 1.5}}), "pacing.per_minute.count"),
        (json!({"per_minute": {"count": 0}}), "pacing.per_minute.count"),
        (json!({"per_minute": {"window_s": 0}}), "pacing.per_minute.window_s"),
        (json!({"per_minute": {"window_s": 1e-9}}), "pacing.per_minute.window_s"),
        (json!({"per_minute": {"window_s": 1e300}}), "pacing.per_minute.window_s"),
        (json!({"per_minute": {"window_s": null}}), "pacing.per_minute.window_s"),
        (json!({"gap_bulk": {"min_s": -0.5}}), "pacing.gap_bulk.min_s"),
        (json!({"gap_bulk": {"min_s": 6}}), "pacing.gap_bulk.min_s"),
        (json!({"same_recipient": {"every_s": "6"}}), "pacing.same_recipient.every_s"),
        (json!({"batch": {"size": 0}}), "pacing.batch.size"),
        (json!({"batch": {"pause_s": 0}}), "pacing.batch.pause_s"),
        (json!({"new_contacts": {"steps": []}}), "pacing.new_contacts.steps"),
        (json!({"new_contacts": {"steps": [{"from_days": 1, "count": 3}]}}), "pacing.new_contacts.steps"),
        (
            json!({"new_contacts": {"steps": [{"from_days": 0, "count": -3}]}}),
            "pacing.new_contacts.steps[0].count",
        ),
        (json!({"typing": {"per_char_ms": [80, 40]}}), "pacing.typing.per_char_ms"),
        (json!({"warm_up": {"stages": [{"until_h": 0, "may_send": "none"}]}}), "pacing.warm_up.stages"),
        (
            json!({"warm_up": {"stages": [{"until_h": 4, "may_send": "bots"}]}}),
            "pacing.warm_up.stages[0].may_send",
        ),
        (json!({"stale_contact": {"after_days": 0}}), "pacing.stale_contact.after_days"),
        (json!({"identical_text": {"in_a_row": 0}}), "pacing.identical_text.in_a_row"),
        (json!({"response_rate": {"slow_below": 1.1}}), "pacing.response_rate.slow_below"),
        (json!({"response_rate": {"after_h": 200}}), "pacing.response_rate.after_h"),
        (
            json!({"quiet_hours": {"campaigns_from": "9:00", "campaigns_until": "20:00"}}),
            "pacing.quiet_hours.campaigns_from",
        ),
        (
            json!({"quiet_hours": {"campaigns_from": "24:00", "campaigns_until": "20:00"}}),
            "pacing.quiet_hours.campaigns_from",
        ),
        (json!({"quiet_hours": {"campaigns_from": "09:00"}}), "pacing.quiet_hours.campaigns_until"),
        (json!({"failures": {"longest_s": 1}}), "pacing.failures.longest_s"),
        (json!({"opt_out": {"words": [" "]}}), "pacing.opt_out.words"),
    ] {
        assert_eq!(fields(&overrides), [field], "{overrides}");
    }
    // All of them at once.
    let several = json!({"batch": {"size": -1, "pause_s": "x"}, "per_hour": {}, "typing": {"min_s": -1}});
    assert_eq!(
        fields(&several),
        ["pacing.batch.pause_s", "pacing.batch.size", "pacing.per_hour", "pacing.typing.min_s"]
    );
    // A profile knows only its own rules.
    let provider = one("calls", Reach::Account, 3, ms(1_000));
    assert!(provider.with(&json!({"calls": {"count": 2}})).is_ok());
    assert_eq!(provider.with(&json!({"batch": {"size": 2}})).unwrap_err()[0].field, "pacing.batch");
}

#[test]
fn an_unknown_timezone_is_refused_by_name() {
    let error = "Mars/Olympus".parse::<model::Zone>().unwrap_err();
    assert!(error.to_string().contains("Mars/Olympus"));
}

#[test]
fn own_numbers_change_what_they_name_and_nothing_else() {
    let base = Profile::person();
    assert_eq!(base.with(&Value::Null).unwrap(), base);
    assert_eq!(base.with(&json!({"batch": null, "typing": {}})).unwrap(), base);
    let own = base.with(&json!({"batch": {"size": 10}, "identical_text": "off"})).unwrap();
    assert_ne!(own, base);
    for (ours, theirs) in own.rules().iter().zip(base.rules()) {
        match ours.key.as_ref() {
            "batch" => assert_eq!(ours.kind.numbers(), json!({"size": 10, "pause_s": 300})),
            "identical_text" => assert_eq!(ours.kind, Kind::Off),
            _ => assert_eq!(ours, theirs),
        }
    }
    // A state belongs to the numbers it was made under.
    assert!(State::from_bytes(&own, &State::new(&base).to_bytes()).is_err());
}

#[test]
fn what_the_rules_show_can_be_given_back() {
    let profile = Profile::person();
    let views = explain(&profile, &State::new(&profile), T);
    let shown: serde_json::Map<_, _> = views.into_iter().map(|view| (view.rule, view.kind)).collect();
    assert_eq!(shown["gap_reply"], json!({"min_s": 0.3, "max_s": 1.5}));
    assert_eq!(shown["typing"], json!({"per_char_ms": [40, 80], "extra_ms": 500, "min_s": 0.5, "max_s": 2}));
    assert_eq!(
        shown["warm_up"]["stages"][3],
        json!({"until_h": 360, "may_send": "all", "new_contacts": [50, 200]})
    );
    assert_eq!(profile.with(&Value::Object(shown)).unwrap(), profile);
}

#[test]
fn looser_rules_are_named() {
    let base = Profile::person();
    let words: Vec<_> = base.stop_words().chain(["basta"]).collect();
    let looser = |overrides: Value| base.with(&overrides).unwrap().looser_than(&base);
    for (key, loose, strict) in [
        ("gap_reply", json!({"min_s": 0.1}), json!({"min_s": 0.5})),
        ("gap_bulk", json!({"max_s": 4}), json!({"max_s": 9})),
        ("same_recipient", json!({"every_s": 5}), json!({"every_s": 7})),
        ("per_minute", json!({"count": 16}), json!({"count": 14})),
        ("batch", json!({"size": 51}), json!({"pause_s": 600})),
        (
            "new_contacts",
            json!({"steps": [{"from_days": 0, "count": 31}]}),
            json!({"steps": [{"from_days": 0, "count": 30}]}),
        ),
        ("typing", json!({"max_s": 1}), json!({"max_s": 3})),
        (
            "warm_up",
            json!({"stages": [{"until_h": 360, "may_send": "persons", "new_contacts": 20}]}),
            json!({"stages": [{"until_h": 360, "may_send": "none"}]}),
        ),
        ("stale_contact", json!({"after_days": 31}), json!({"after_days": 29})),
        ("identical_text", json!({"rest_h": 23}), json!({"in_a_row": 9})),
        ("response_rate", json!({"pause_below": 0.1}), json!({"slow_below": 0.6})),
        ("failures", json!({"in_a_row": 6}), json!({"in_a_row": 4})),
        ("opt_out", json!({"words": ["stop"]}), json!({ "words": words })),
    ] {
        assert_eq!(looser(json!({ key: loose })), [key]);
        assert_eq!(looser(json!({ key: strict })), [""; 0], "{key}");
        assert_eq!(looser(json!({ key: "off" })), [key]);
    }
    let window = |from: &str, until: &str| {
        base.with(&json!({"quiet_hours": {"campaigns_from": from, "campaigns_until": until}})).unwrap()
    };
    assert_eq!(window("09:00", "20:00").looser_than(&base), [""; 0]);
    assert_eq!(window("22:00", "06:00").looser_than(&window("21:00", "07:00")), [""; 0]);
    assert_eq!(window("08:59", "20:00").looser_than(&window("09:00", "20:00")), ["quiet_hours"]);
}

#[test]
fn a_limit_with_a_burst_is_a_bucket() {
    let limit = |burst| Limit {
        name: "pair".to_owned(),
        scope: Reach::Chat,
        count: 1,
        window: ms(6_000),
        burst,
        source: "the manual, read on 2026-11-01".to_owned(),
    };
    let profile = Profile::provider(&[limit(Some(45))]).unwrap();
    assert_eq!(profile.rules()[0].kind.numbers(), json!({"every_s": 6, "burst": 45}));
    assert_eq!(profile.rules()[0].source, "the manual, read on 2026-11-01");
    assert_eq!(Profile::provider(&[limit(Some(0))]).unwrap_err().field, "pair.burst");
    assert_eq!(profile.for_account(Facts::UNKNOWN, f64::NAN).unwrap_err().field, "pace_scale");
}

proptest! {
    #[test]
    fn no_json_breaks_it(key in 0_usize..14, field in "[a-z_]{1,12}", number in any::<f64>(), text in ".{0,8}") {
        let profile = Profile::person();
        let rule = &profile.rules()[key];
        let known = rule.kind.numbers();
        let names: Vec<_> = known.as_object().unwrap().keys().cloned().collect();
        for name in names.iter().chain([&field]) {
            for value in [json!(number), json!(text), json!([number, number]), json!({"x": text}), Value::Null] {
                let key: &str = &rule.key;
                let _ = profile.with(&json!({ key: { name: value } }));
            }
        }
    }
}
