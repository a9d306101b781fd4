//! What a provider's word does: it holds what it is about and nothing else, for as long as it says, whatever happens to the
//! queue meanwhile; failures open a breaker, and who asked for no campaigns gets none.

use std::time::Duration;

use model::Timestamp;
use serde_json::{Value, json};
use tests::harness::{Api, Installation, until};
use tests::servers::{self, Redis};

use super::suite::every_installation;
use super::{BINARY, becomes, text, unbroken};

every_installation! {
    a_limit_of_the_account_holds_all_of_it_and_nobody_else,
    a_tier_limit_lets_replies_pass,
    a_recipient_who_had_enough_marketing_costs_only_its_message,
    a_timelock_ends_with_one_probe,
    a_provider_that_is_down_fails_nothing,
    who_says_stop_gets_no_campaign_until_it_says_start,
    the_same_words_go_to_ten_in_a_row_until_others_are_said,
    a_loosened_rule_lets_go_what_it_held_and_who_writes_is_answered,
    campaigns_that_nobody_answers_rest_until_a_person_resumes,
}

const SENT: &[&str] = &["sent", "delivered", "read"];

fn id(message: &Value) -> &str {
    message["id"].as_str().unwrap()
}

/// Waits until a message says that it waits for a rule, and gives it.
async fn waits_for(api: &Api, message: &Value, rule: &str) -> Value {
    let path = format!("/v1/messages/{}", id(message));
    until(&format!("{path} waits for {rule}"), async || {
        let message = api.get(&path).await;
        (message["waiting"]["rule"] == rule).then_some(message)
    })
    .await
}

async fn post(api: &Api, account: &str, to: &str, words: &str, purpose: &str) -> Value {
    api.post("/v1/messages", &text(account, to, words, purpose)).await
}

/// Waits until an event of this kind is told, with this in its data, and gives the data.
async fn told(api: &Api, kind: &str, field: &str, value: Value) -> Value {
    api.event(|event| event["kind"] == kind && event["data"][field] == value).await["data"].clone()
}

fn time(value: &Value) -> Timestamp {
    serde_json::from_value(value.clone()).unwrap()
}

/// The sends that the sandbox saw, in order of arrival.
async fn sends(installation: &Installation) -> Vec<Value> {
    let mut record = installation.record().await;
    record.retain(|call| call["what"] == "send");
    record
}

/// Lets a contact write to the shop, and waits until so many messages of theirs are there.
async fn writes(installation: &Installation, contact: &str, words: &str, so_many: u64) {
    installation.contact_writes("shop", contact, words).await;
    until(&format!("{contact} was heard"), async || {
        let page = installation.api().get("/v1/conversations?limit=200").await;
        let is_theirs =
            |row: &&Value| row["address"] == contact && row["unread_count"].as_u64() >= Some(so_many);
        page["data"].as_array()?.iter().find(is_theirs).map(|_| ())
    })
    .await;
}

async fn a_limit_of_the_account_holds_all_of_it_and_nobody_else(installation: &Installation) {
    let api = installation.api();
    let shop = installation.connect("shop", 100.0, json!({})).await;
    let other = installation.connect("other", 100.0, json!({})).await;
    let first = post(api, &shop, "account-limited-3000", "1", "transactional").await;
    waits_for(api, &first, "provider").await;
    let behind = post(api, &shop, "dave", "2", "conversation").await;
    let waiting = waits_for(api, &behind, "provider").await;
    assert_eq!(waiting["waiting"]["scope"], "lane", "{waiting}");
    assert!(waiting["waiting"]["detail"].is_string(), "{waiting}");
    let until = time(&waiting["waiting"]["until"]);
    let elsewhere = post(api, &other, "dave", "3", "transactional").await;
    becomes(api, id(&elsewhere), SENT).await;
    for message in [&first, &behind] {
        let sent = becomes(api, id(message), SENT).await;
        assert!(time(&sent["sent_at"]) >= until, "{sent}");
    }
    let held =
        |event: &Value| event["kind"] == "account.held" && event["data"]["holds"][0]["reach"] == "account";
    let event = api.event(held).await;
    assert_eq!(event["account_id"], shop, "{event}");
    unbroken(installation).await;
}

async fn a_tier_limit_lets_replies_pass(installation: &Installation) {
    let api = installation.api();
    let shop = installation.connect("shop", 100.0, json!({})).await;
    writes(installation, "alice", "Are you there?", 1).await;
    let first = post(api, &shop, "tier-limited-4000", "1", "transactional").await;
    let waiting = waits_for(api, &first, "provider").await;
    assert_eq!(waiting["waiting"]["scope"], "class", "{waiting}");
    let until = time(&waiting["waiting"]["until"]);
    let campaign = post(api, &shop, "bob", "2", "campaign").await;
    let notice = post(api, &shop, "carol", "3", "transactional").await;
    let greeting = post(api, &shop, "dave", "4", "conversation").await;
    let reply = post(api, &shop, "alice", "Here I am.", "conversation").await;
    let replied = becomes(api, id(&reply), SENT).await;
    assert!(time(&replied["sent_at"]) < until, "{replied}");
    told(api, "account.alert", "reason", json!("bulk_held")).await;
    for message in [&first, &campaign, &notice, &greeting] {
        let sent = becomes(api, id(message), SENT).await;
        assert!(time(&sent["sent_at"]) >= until, "{sent}");
    }
    unbroken(installation).await;
}

async fn a_recipient_who_had_enough_marketing_costs_only_its_message(installation: &Installation) {
    let api = installation.api();
    let shop = installation.connect("shop", 100.0, json!({})).await;
    let capped = post(api, &shop, "campaign-capped", "1", "campaign").await;
    let next = post(api, &shop, "bob", "2", "campaign").await;
    becomes(api, id(&capped), &["failed"]).await;
    becomes(api, id(&next), SENT).await;
    let account = api.get(&format!("/v1/accounts/{shop}")).await;
    assert_eq!(account["sending"], "active", "{account}");
}

async fn a_timelock_ends_with_one_probe(installation: &Installation) {
    let api = installation.api();
    let shop = installation.connect("shop", 100.0, json!({})).await;
    let first = post(api, &shop, "timelocked-3000", "1", "transactional").await;
    let stopped = until("the account is stopped", async || {
        let account = api.get(&format!("/v1/accounts/{shop}")).await;
        (account["sending"] == "stopped").then_some(account)
    })
    .await;
    assert_eq!(stopped["sending_reason"], "timelocked", "{stopped}");
    let end = time(&stopped["sending_until"]);
    let mut messages = vec![first];
    for n in 0..5 {
        messages.push(post(api, &shop, &format!("customer-{n}"), "2", "transactional").await);
    }
    waits_for(api, &messages[0], "stopped").await;
    for message in &messages {
        let sent = becomes(api, id(message), SENT).await;
        assert!(time(&sent["sent_at"]) >= end, "{sent}");
    }
    let account = api.get(&format!("/v1/accounts/{shop}")).await;
    assert_eq!(
        (&account["sending"], &account["sending_until"]),
        (&json!("active"), &json!(null)),
        "{account}"
    );
    // It is told when it stopped, and only after a call went well that it goes again.
    let status = told(api, "account.status", "sending", json!("stopped")).await;
    assert_eq!(status["reason"], "timelocked", "{status}");
    api.event(|event| {
        event["kind"] == "account.status"
            && event["data"]["sending"] == "active"
            && event["actor"] == "system"
    })
    .await;
    unbroken(installation).await;
}

async fn a_provider_that_is_down_fails_nothing(installation: &Installation) {
    let api = installation.api();
    let shop = installation.connect("shop", 200.0, json!({})).await;
    // More errors than a message may have of its own.
    let first = post(api, &shop, "server-error-12", "1", "transactional").await;
    let alert = told(api, "account.alert", "reason", json!("breaker")).await;
    assert_eq!(alert["failures"], 5, "{alert}");
    let sent = becomes(api, id(&first), SENT).await;
    let timeline = api.get(&format!("/v1/messages/{}/timeline", id(&first))).await.to_string();
    assert!(timeline.matches("server_error").count() >= 12, "{timeline}");
    let account = api.get(&format!("/v1/accounts/{shop}")).await;
    assert_eq!(account["failures_in_a_row"], 0, "{account}");
    let next = post(api, &shop, "bob", "2", "transactional").await;
    becomes(api, id(&next), SENT).await;
    assert!(sent["sent_at"].is_string(), "{sent}");
    unbroken(installation).await;
}

async fn who_says_stop_gets_no_campaign_until_it_says_start(installation: &Installation) {
    let api = installation.api();
    let shop = installation.connect("shop", 100.0, json!({})).await;
    writes(installation, "erin", "Please do not stop.", 1).await;
    let before = post(api, &shop, "erin", "1", "campaign").await;
    becomes(api, id(&before), SENT).await;
    writes(installation, "erin", " STOP! ", 2).await;
    told(api, "contact.opted_out", "opted_out", json!(true)).await;
    let offer = post(api, &shop, "erin", "2", "campaign").await;
    let code = post(api, &shop, "erin", "3", "transactional").await;
    let skipped = becomes(api, id(&offer), &["skipped"]).await;
    assert!(skipped["reason"].as_str().unwrap().starts_with("opted_out"), "{skipped}");
    becomes(api, id(&code), SENT).await;
    writes(installation, "erin", "Start", 3).await;
    told(api, "contact.opted_out", "opted_out", json!(false)).await;
    let offer = post(api, &shop, "erin", "4", "campaign").await;
    becomes(api, id(&offer), SENT).await;
    let told = installation.sandbox().get("/control/record?after=0&limit=1000").await.to_string();
    assert!(!told.contains(r#""text":"2""#), "{told}");
}

async fn the_same_words_go_to_ten_in_a_row_until_others_are_said(installation: &Installation) {
    let api = installation.api();
    // A day is 14 minutes: longer than anybody waits for here.
    let shop = installation.connect("shop", 100.0, json!({})).await;
    let mut same = Vec::new();
    for n in 0..12 {
        same.push(post(api, &shop, &format!("customer-{n}"), "The same.", "campaign").await);
    }
    let waiting = waits_for(api, &same[10], "identical_text").await;
    assert_eq!(waiting["waiting"]["scope"], "job", "{waiting}");
    let notice = post(api, &shop, "somebody", "The same.", "transactional").await;
    becomes(api, id(&notice), SENT).await;
    let other = post(api, &shop, "another", "Something else.", "campaign").await;
    for message in same.iter().chain([&other]) {
        becomes(api, id(message), SENT).await;
    }
    let campaign: Vec<_> =
        sends(installation).await.iter().filter(|call| call["chat"] != "somebody").cloned().collect();
    let place = campaign.iter().position(|call| call["chat"] == "another");
    assert_eq!(place, Some(10), "{campaign:#?}");
}

async fn a_loosened_rule_lets_go_what_it_held_and_who_writes_is_answered(installation: &Installation) {
    let api = installation.api();
    let shop = installation.connect("shop", 20.0, json!({})).await;
    let change = async |pacing: Value| {
        let answer = api.call("PATCH", &format!("/v1/accounts/{shop}"), &json!({"pacing": pacing})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    change(json!({"new_contacts": {"steps": [{"from_days": 0, "count": 1}]}})).await;
    becomes(api, id(&post(api, &shop, "first", "Welcome.", "transactional").await), SENT).await;
    let offer = post(api, &shop, "second", "An offer.", "campaign").await;
    let notice = post(api, &shop, "third", "A notice.", "transactional").await;
    waits_for(api, &notice, "new_contacts").await;
    // Who writes is new no more: neither the answer nor what waited before waits for midnight.
    writes(installation, "second", "Hello?", 1).await;
    let answer = post(api, &shop, "second", "Hello!", "conversation").await;
    for message in [&answer, &offer] {
        becomes(api, id(message), SENT).await;
    }
    waits_for(api, &notice, "new_contacts").await;
    change(json!({"new_contacts": null})).await;
    becomes(api, id(&notice), SENT).await;
}

async fn campaigns_that_nobody_answers_rest_until_a_person_resumes(installation: &Installation) {
    let api = installation.api();
    // A day is 17 s, a week 2 min.
    let shop = installation.connect("shop", 5_000.0, json!({})).await;
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(post(api, &shop, &format!("customer-{n}"), &format!("Offer {n}."), "campaign").await);
    }
    let mut last = Timestamp::ZERO;
    for message in &sent {
        last = last.max(time(&becomes(api, id(message), SENT).await["sent_at"]));
    }
    // Each of them had a day to answer.
    let day = Duration::from_hours(24).div_f64(5_000.0);
    until("a day has passed", async || {
        (model::Clock::now(&model::SystemClock) > last + day + Duration::from_millis(200)).then_some(())
    })
    .await;
    let offer = post(api, &shop, "customer-20", "Another offer.", "campaign").await;
    let waiting = waits_for(api, &offer, "response_rate").await;
    assert_eq!(waiting["waiting"]["scope"], "class", "{waiting}");
    told(api, "account.alert", "reason", json!("response_rate")).await;
    let notice = post(api, &shop, "customer-21", "A code.", "transactional").await;
    becomes(api, id(&notice), SENT).await;
    api.post(&format!("/v1/accounts/{shop}/resume"), &json!({})).await;
    becomes(api, id(&offer), SENT).await;
    let account = api.get(&format!("/v1/accounts/{shop}")).await;
    assert!(account["campaigns_resumed_at"].is_string(), "{account}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_a_flush_of_the_queue() {
    if !servers::present("a queue that is lost") {
        return;
    }
    let redis = Redis::start();
    let Some(installation) = Installation::fleet_with(BINARY, &[("REDIS_URL", redis.url())]).await else {
        return;
    };
    holds_through(&installation, async || {
        redis.command(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_a_restart() {
    let mut installation = Installation::embedded(BINARY).await;
    let (shop, messages) = held(&installation).await;
    installation.kill("serve");
    installation.restart("serve").await;
    kept(&installation, &shop, &messages).await;
}

/// An account that its provider holds for some seconds, with messages that wait, bulk for longer than the rest.
async fn held(installation: &Installation) -> (String, Vec<Value>) {
    let api = installation.api();
    let shop = installation.connect("shop", 100.0, json!({})).await;
    let tier = post(api, &shop, "tier-limited-12000", "1", "transactional").await;
    waits_for(api, &tier, "provider").await;
    writes(installation, "alice", "Are you there?", 1).await;
    let reply = post(api, &shop, "alice", "2", "conversation").await;
    becomes(api, id(&reply), SENT).await;
    writes(installation, "account-limited-8000", "Hello?", 1).await;
    let first = post(api, &shop, "account-limited-8000", "3", "conversation").await;
    waits_for(api, &first, "provider").await;
    let next = post(api, &shop, "alice", "4", "conversation").await;
    (shop, vec![tier, first, next])
}

/// What was held still is, and goes when its time comes, no earlier.
async fn kept(installation: &Installation, shop: &str, messages: &[Value]) {
    let api = installation.api();
    let account = api.get(&format!("/v1/accounts/{shop}")).await;
    assert!(account["holds"].as_array().is_some_and(|holds| holds.len() == 2), "{account}");
    for message in messages {
        becomes(api, id(message), SENT).await;
    }
    unbroken(installation).await;
}

async fn holds_through(installation: &Installation, loss: impl AsyncFnOnce()) {
    let (shop, messages) = held(installation).await;
    loss().await;
    kept(installation, &shop, &messages).await;
}
