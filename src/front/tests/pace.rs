//! An account's rules: shown, changed, loosened only by somebody who answers for it, and played forward.

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::support::App;

async fn change(app: &App, account: &str, body: Value) -> crate::support::Answer {
    app.patch(&format!("/v1/accounts/{account}"), body).await
}

async fn rule(app: &App, account: &str, name: &str) -> Value {
    let pace = app.get(&format!("/v1/accounts/{account}/pace")).await.ok(200);
    let rules = pace["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["rule"] == name).cloned().unwrap_or_else(|| panic!("no {name} in {pace}"))
}

#[tokio::test]
async fn every_rule_of_the_table_is_shown() {
    let app = App::new().await;
    let account = app.account("one").await;
    for name in [
        "gap_reply",
        "gap_bulk",
        "same_recipient",
        "per_minute",
        "batch",
        "new_contacts",
        "typing",
        "warm_up",
        "stale_contact",
        "identical_text",
        "response_rate",
        "opt_out",
        "quiet_hours",
        "failures",
    ] {
        let rule = rule(&app, &account, name).await;
        assert!(rule["limit"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        assert!(rule["source"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
    }
    assert_eq!(rule(&app, &account, "per_minute").await["kind"], json!({"count": 15, "window_s": 60}));
    let calendar = app.get(&format!("/v1/accounts/{account}/pace")).await.ok(200)["calendar"].clone();
    assert_eq!(calendar[0]["new_contacts"], 30, "it was connected today: {calendar}");
}

#[tokio::test]
async fn stricter_is_free_and_looser_needs_somebody_who_answers_for_it() {
    let app = App::new().await;
    let account = app.account("one").await;
    change(&app, &account, json!({"pacing": {"per_minute": {"count": 10}}})).await.ok(200);
    assert_eq!(rule(&app, &account, "per_minute").await["of"], 10);

    let looser = json!({"pacing": {"per_minute": {"count": 40}}});
    assert_eq!(change(&app, &account, looser.clone()).await.field(), "i_accept_the_risk");
    assert_eq!(rule(&app, &account, "per_minute").await["of"], 10, "nothing was changed");
    let mut accepted = looser;
    accepted["i_accept_the_risk"] = json!(true);
    change(&app, &account, accepted).await.ok(200);
    assert_eq!(rule(&app, &account, "per_minute").await["of"], 40);
    // Who accepted it once may change other rules without saying so again.
    change(&app, &account, json!({"pacing": {"same_recipient": {"every_s": 10}}})).await.ok(200);
    change(&app, &account, json!({"pacing": {"per_minute": null}})).await.ok(200);
    assert_eq!(rule(&app, &account, "per_minute").await["of"], 15);
    assert_eq!(
        change(&app, &account, json!({"pacing": {"batch": "off"}})).await.field(),
        "i_accept_the_risk"
    );

    let shown = app.get(&format!("/v1/accounts/{account}")).await.ok(200);
    assert_eq!(shown["pacing"], json!({"same_recipient": {"every_s": 10}}));
}

#[tokio::test]
async fn what_several_change_at_once_all_holds() {
    let app = App::new().await;
    let account = app.account("one").await;
    let path = format!("/v1/accounts/{account}");
    let changes = [
        json!({"per_minute": {"count": 3}}),
        json!({"per_minute": {"window_s": 90}}),
        json!({"batch": {"size": 9}}),
        json!({"same_recipient": {"every_s": 7}}),
        json!({"new_contacts": {"steps": [{"from_days": 0, "count": 5}]}}),
    ];
    let ask = |place: usize| app.patch(&path, json!({"pacing": changes[place].clone()}));
    let answers = tokio::join!(ask(0), ask(1), ask(2), ask(3), ask(4));
    for answer in [answers.0, answers.1, answers.2, answers.3, answers.4] {
        answer.ok(200);
    }
    let pacing = app.get(&path).await.ok(200)["pacing"].clone();
    assert_eq!(
        pacing,
        json!({
            "per_minute": {"count": 3, "window_s": 90}, "batch": {"size": 9}, "same_recipient": {"every_s": 7},
            "new_contacts": {"steps": [{"from_days": 0, "count": 5}]},
        })
    );
    // A field of a rule goes back by itself.
    app.patch(&path, json!({"pacing": {"per_minute": {"window_s": null}}})).await.ok(200);
    let pacing = app.get(&path).await.ok(200)["pacing"].clone();
    assert_eq!(pacing["per_minute"], json!({"count": 3}));
}

#[tokio::test]
async fn a_wrong_number_names_its_field_and_changes_nothing() {
    let app = App::new().await;
    let account = app.account("one").await;
    for (pacing, field) in [
        (json!({"per_minute": {"count": -1}}), "pacing.per_minute.count"),
        (json!({"per_minute": {"count": "many"}}), "pacing.per_minute.count"),
        (json!({"per_minute": {"window_s": 0}}), "pacing.per_minute.window_s"),
        (json!({"per_minute": {"windows": 3}}), "pacing.per_minute.windows"),
        (json!({"gap_bulk": {"min_s": 9, "max_s": 3}}), "pacing.gap_bulk.min_s"),
        (json!({"no_such_rule": {}}), "pacing.no_such_rule"),
        (json!({"no_such_rule": null}), "pacing.no_such_rule"),
        (
            json!({"quiet_hours": {"campaigns_from": "22:00", "campaigns_until": "22:00"}}),
            "pacing.quiet_hours.campaigns_until",
        ),
        (
            json!({"quiet_hours": {"campaigns_from": "25:00", "campaigns_until": "20:00"}}),
            "pacing.quiet_hours.campaigns_from",
        ),
        (json!({"per_minute": 7}), "pacing.per_minute"),
    ] {
        let body = json!({"pacing": pacing, "i_accept_the_risk": true});
        assert_eq!(change(&app, &account, body.clone()).await.field(), field, "{body}");
    }
    assert_eq!(change(&app, &account, json!({"timezone": "Mars/Olympus"})).await.field(), "timezone");
    assert_eq!(
        change(&app, &account, json!({"registered_at": "2199-01-01T00:00:00Z"})).await.field(),
        "registered_at"
    );
    assert_eq!(app.get(&format!("/v1/accounts/{account}")).await.ok(200)["pacing"], json!({}));
}

#[tokio::test]
async fn a_number_that_was_registered_today_is_warmed_up() {
    let app = App::new().await;
    let account = app.account("one").await;
    let now = SystemClock.now();
    change(&app, &account, json!({"registered_at": now})).await.ok(200);
    let pace = app.get(&format!("/v1/accounts/{account}/pace")).await.ok(200);
    assert_eq!(pace["calendar"][0]["may_send"], "none", "{pace}");
    let message = app.text(&account, "anna", "hi").await;
    let shown = app.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(shown["waiting"]["rule"], "warm_up", "{shown}");
    assert_eq!(change(&app, &account, json!({"registered_at": null})).await.field(), "i_accept_the_risk");
    change(&app, &account, json!({"registered_at": null, "i_accept_the_risk": true})).await.ok(200);
}

#[tokio::test]
async fn a_preview_tells_the_end_and_what_binds() {
    let app = App::new().await;
    let account = app.account("one").await;
    let preview = async |body: Value| {
        let mut body = body;
        body["account_id"] = json!(account);
        app.post("/v1/pace/preview", body).await
    };
    let begin = SystemClock.now();
    let shown = preview(json!({"messages": 45, "purpose": "transactional"})).await.ok(200);
    let finish: Timestamp = serde_json::from_value(shown["finish"].clone()).unwrap();
    // Fifteen in any minute: the last of 45 leaves in the third.
    assert!((120..200).contains(&finish.since(begin).as_secs()), "{shown}");
    assert_eq!((&shown["sent"], &shown["estimate"]), (&json!(45), &json!(false)));
    let rules: Vec<_> = shown["timeline"].as_array().unwrap().iter().map(|part| &part["rule"]).collect();
    assert!(rules.contains(&&json!("per_minute")) || rules.contains(&&json!("gap")), "{shown}");

    // Thirty new contacts on the first day.
    let shown = preview(json!({"messages": 40, "new_contacts": 40})).await.ok(200);
    let rules: Vec<_> = shown["timeline"].as_array().unwrap().iter().map(|part| &part["rule"]).collect();
    assert!(rules.contains(&&json!("new_contacts")), "{shown}");

    // The same text may go ten times in a row, then it rests for a day.
    let same = json!({"messages": 12, "new_contacts": 0, "same_text": true});
    let shown = preview(same).await.ok(200);
    let finish: Timestamp = serde_json::from_value(shown["finish"].clone()).unwrap();
    assert!(finish.since(begin).as_secs() >= 24 * 3_600, "{shown}");

    assert_eq!(preview(json!({"messages": 0})).await.field(), "messages");
    assert_eq!(preview(json!({"messages": 1, "new_contacts": 2})).await.field(), "new_contacts");
    app.post(&format!("/v1/accounts/{account}/pause"), json!({})).await.ok(200);
    let shown = preview(json!({"messages": 3})).await.ok(200);
    assert_eq!((&shown["finish"], &shown["waiting"]["rule"]), (&json!(null), &json!("paused")));
}

#[tokio::test]
async fn a_preview_says_what_it_took_for_granted() {
    let app = App::new().await;
    let account = app.account("one").await;
    let preview = async |body: Value| {
        let mut body = body;
        body["account_id"] = json!(account);
        app.post("/v1/pace/preview", body).await
    };
    // A campaign's contacts are new unless somebody says otherwise: thirty on the first day.
    let shown = preview(json!({"messages": 40})).await.ok(200);
    let rules: Vec<_> = shown["timeline"].as_array().unwrap().iter().map(|part| &part["rule"]).collect();
    assert!(rules.contains(&&json!("new_contacts")), "{shown}");
    assert_eq!(
        shown["assumed"],
        json!({"purpose": "campaign", "new_contacts": 40, "chars": 120, "origin": "api"})
    );
    for part in shown["timeline"].as_array().unwrap() {
        assert_eq!((&part["merged"], &part["rules"][0]["rule"]), (&json!(1), &part["rule"]), "{part}");
    }
    let told = json!({
        "messages": 40, "purpose": "conversation", "chars": 7, "origin": "agent", "new_contacts": 1,
    });
    let shown = preview(told).await.ok(200);
    let nothing = json!({"purpose": null, "new_contacts": null, "chars": null, "origin": null});
    assert_eq!(shown["assumed"], nothing);
    let shown = preview(json!({"messages": 40, "purpose": "transactional"})).await.ok(200);
    assert_eq!(shown["assumed"]["new_contacts"], 0);
}

#[tokio::test]
async fn mistakes_are_told_in_words_that_no_programmer_needs() {
    let app = App::new().await;
    let account = app.account("one").await;
    let told = |answer: crate::support::Answer| {
        let problem = answer.json();
        let error = &problem["errors"][0];
        (error["field"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    };
    for (wrong, field, message) in [
        (json!({"messages": "many"}), "messages", "is \"many\"; it must be a whole number of 0 or more"),
        (json!({"messages": -1}), "messages", "is -1; it must be a whole number of 0 or more"),
        (json!({"answers": "some"}), "answers", "is \"some\"; it must be a number"),
        (json!({"same_text": 1}), "same_text", "is 1; it must be true or false"),
        (json!({"start": "9999-12-31T00:00:00Z"}), "start", "at most 366 days ahead"),
        (
            json!({"start": "tomorrow"}),
            "start",
            "must be a time as RFC 3339 has it, for example 2026-03-02T08:00:00Z",
        ),
    ] {
        let mut body = json!({"account_id": account, "messages": 3});
        body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let answer = app.post("/v1/pace/preview", body).await;
        assert_eq!(told(answer), (field.to_owned(), message.to_owned()), "{wrong}");
    }
    for (wrong, field, message) in [
        (
            json!({"per_minute": {"window_s": 0}}),
            "pacing.per_minute.window_s",
            "is 0 s; it must be more than 0",
        ),
        (
            json!({"per_minute": {"count": "many"}}),
            "pacing.per_minute.count",
            "is \"many\"; it must be a whole number of 0 or more",
        ),
        (json!({"gap_bulk": {"min_s": "soon"}}), "pacing.gap_bulk.min_s", "is \"soon\"; it must be a number"),
        (
            json!({"same_recipient": {"every_s": 1e9}}),
            "pacing.same_recipient.every_s",
            "is 1000000000; that is longer than 400 days",
        ),
    ] {
        let answer = change(&app, &account, json!({"pacing": wrong, "i_accept_the_risk": true})).await;
        assert_eq!(told(answer), (field.to_owned(), message.to_owned()));
    }
}

#[tokio::test]
async fn a_contact_has_a_zone_and_a_will() {
    let app = App::new().await;
    let account = app.account("one").await;
    app.text(&account, "anna", "hi").await;
    let contacts = app.get("/v1/contacts").await.ok(200);
    let path = format!("/v1/contacts/{}", contacts["data"][0]["id"].as_str().unwrap());
    let shown = app.patch(&path, json!({"timezone": "America/Lima", "opted_out": true})).await.ok(200);
    assert_eq!(shown["timezone"], "America/Lima");
    assert!(shown["opted_out_at"].is_string(), "{shown}");
    assert_eq!(app.patch(&path, json!({"timezone": "nowhere"})).await.field(), "timezone");
    let shown = app.patch(&path, json!({"timezone": null, "opted_out": false})).await.ok(200);
    assert_eq!((&shown["timezone"], &shown["opted_out_at"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn only_a_person_or_the_api_makes_messages_here() {
    let app = App::new().await;
    let account = app.account("one").await;
    let body = |origin: &str| {
        json!({
            "account_id": account, "to": {"address": "anna"}, "origin": origin,
            "content": {"type": "text", "text": "hi"},
        })
    };
    assert_eq!(app.post("/v1/messages", body("agent")).await.ok(202)["origin"], "agent");
    assert_eq!(app.post("/v1/messages", body("broadcast")).await.field(), "origin");
}
