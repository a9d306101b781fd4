//! Accounts with a session: paired by a person, kept by one worker at a time whatever becomes of it, and moved with their
//! messages. What is shown is what the provider saw.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::harness::{Api, Installation, until};

use super::{BINARY, becomes, drained, text, unbroken};

macro_rules! every_installation {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(&mut tests::harness::Installation::embedded(super::BINARY).await).await; }
        )+ }

        mod fleet { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(mut installation) = tests::harness::Installation::fleet(super::BINARY).await {
                    super::$name(&mut installation).await;
                }
            }
        )+ }
    };
}

every_installation! {
    a_device_is_paired_by_a_picture_sends_and_is_told,
    a_device_is_paired_by_a_code_and_logged_out,
    what_ends_a_session_says_what_is_to_be_done,
    sessions_go_on_when_their_owner_is_killed,
    a_planned_stop_moves_sessions_without_a_gap,
    a_planned_stop_lets_long_calls_end,
    an_owner_that_was_frozen_holds_no_session_beside_the_new_one,
}

/// Accounts that are spread over the workers of a fleet.
const ACCOUNTS: usize = 4;
const CHATS: usize = 3;
/// Messages to each chat.
const MESSAGES: usize = 12;
/// Seconds within which another worker keeps a killed worker's sessions.
const TAKEN_OVER: f64 = 10.0;

/// Makes an account with a session that is not paired yet.
async fn device(installation: &Installation, name: &str) -> String {
    let body = json!({
        "channel": "sandbox", "name": name, "settings": {"mode": "session"}, "pace_scale": 200,
    });
    let account = installation.api().post("/v1/accounts", &body).await;
    assert_eq!((&account["intake"], &account["connection"]), (&json!("session"), &json!("connecting")));
    account["id"].as_str().unwrap().to_owned()
}

/// Asks what is to be done so that an account is connected.
async fn step(api: &Api, account: &str, how: &Value) -> Value {
    let path = format!("/v1/accounts/{account}/connect");
    until("the session says what is to be done", async || {
        let answer = api.call("POST", &path, how).await;
        assert!([202, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 202).then(|| answer.body["step"].clone())
    })
    .await
}

async fn paired(installation: &Installation, name: &str) -> String {
    installation.pair(name, 200.0, json!({})).await
}

async fn status(api: &Api, account: &str) -> Value {
    api.get(&format!("/v1/accounts/{account}/status")).await
}

async fn connection_is(api: &Api, account: &str, connection: &str) -> Value {
    until(&format!("account {account} is {connection}"), async || {
        let status = api.try_get(&format!("/v1/accounts/{account}/status")).await?.body;
        (status["connection"] == connection).then_some(status)
    })
    .await
}

async fn happens(installation: &Installation, name: &str, what: &str, ms: Option<u64>) {
    let body = json!({"token": installation.token(name), "what": what, "ms": ms});
    let answer = installation.sandbox().post("/control/sessions/end", &body).await;
    assert_eq!(answer["was_live"], true, "{what}");
}

async fn sent(api: &Api, account: &str, chat: &str, words: &str) -> Value {
    let message = api.post("/v1/messages", &text(account, chat, words, "conversation")).await;
    becomes(api, message["id"].as_str().unwrap(), &["read"]).await
}

async fn heard(api: &Api, account: &str, count: usize) -> Vec<String> {
    until(&format!("account {account} heard {count} messages"), async || {
        let mut messages = api.all(&format!("/v1/messages?account_id={account}")).await;
        messages.retain(|message| message["direction"] == "inbound");
        messages.sort_by_key(|message| message["provider_at"].as_str().map(str::to_owned));
        let texts = messages.iter().filter_map(|message| message["content"]["text"].as_str());
        (messages.len() >= count).then(|| texts.map(str::to_owned).collect())
    })
    .await
}

/// The provider saw no device with two connections, by its counter and by its record.
async fn one_at_a_time(installation: &Installation) {
    let report = installation.report().await;
    assert_eq!(report["session_overlaps"], 0, "{report:#}");
    let mut live = BTreeSet::new();
    for call in sessions(installation).await {
        let account = call["account"].as_str().unwrap().to_owned();
        if call["outcome"] == "online" {
            assert!(live.insert(account), "a second connection: {call}");
        } else {
            live.remove(&account);
        }
    }
    unbroken(installation).await;
}

/// When sessions began and ended, by the provider's record.
async fn sessions(installation: &Installation) -> Vec<Value> {
    let mut record = installation.record().await;
    record.retain(|call| call["what"] == "session");
    record
}

async fn a_device_is_paired_by_a_picture_sends_and_is_told(installation: &mut Installation) {
    let account = device(installation, "shop").await;
    let api = installation.api();
    let waits = api.post("/v1/messages", &text(&account, "alice", "Early.", "conversation")).await;
    let step = step(api, &account, &json!({"by": "qr"})).await;
    let shown = status(api, &account).await;
    assert_eq!((&shown["connection"], &shown["step"]), (&json!("qr_required"), &step));
    let waiting = api.get(&format!("/v1/messages/{}", waits["id"].as_str().unwrap())).await;
    assert_eq!(waiting["waiting"]["rule"], "disconnected");
    let wrong = json!({"token": installation.token("shop"), "code": "something else"});
    let refused = installation.sandbox().call("POST", "/control/sessions/pair", &wrong).await;
    assert_eq!(refused.status, 404);
    let scan = json!({"token": installation.token("shop"), "code": step["code"]});
    installation.sandbox().post("/control/sessions/pair", &scan).await;
    let shown = connection_is(api, &account, "connected").await;
    assert_eq!((&shown["step"], &shown["owner"]["error"]), (&Value::Null, &Value::Null));
    let known = api.get(&format!("/v1/accounts/{account}")).await;
    assert!(known["external_id"].is_string() && known["first_connected_at"].is_string(), "{known}");

    becomes(api, waits["id"].as_str().unwrap(), &["read"]).await;
    let first = sent(api, &account, "alice", "Hello, Alice.").await;
    installation.contact_writes("shop", "alice", "Hello, shop.").await;
    assert_eq!(heard(api, &account, 1).await, ["Hello, shop."]);
    let path = format!("/v1/messages/{}", first["id"].as_str().unwrap());
    let edited = api.call("PATCH", &path, &json!({"content": {"type": "text", "text": "Bye."}})).await;
    assert_eq!(edited.status, 202, "{edited:?}");
    until("the edit is done", async || {
        let changed = api.get(&path).await;
        (changed["edited_at"].is_string() && changed["content"]["text"] == "Bye.").then_some(())
    })
    .await;

    // Begun anew it is the same device; what comes meanwhile comes once.
    let restarted = api.call("POST", &format!("/v1/accounts/{account}/restart"), &json!({})).await;
    assert_eq!(restarted.status, 202, "{restarted:?}");
    installation.contact_writes("shop", "alice", "Are you there?").await;
    assert_eq!(heard(api, &account, 2).await, ["Hello, shop.", "Are you there?"]);
    sent(api, &account, "alice", "Here.").await;
    let again = api.call("POST", &format!("/v1/accounts/{account}/connect"), &json!({})).await;
    assert_eq!((again.status, &again.body["connection"]), (200, &json!("connected")));

    // The same login as another account.
    let twin = device(installation, "twin").await;
    let step = self::step(api, &twin, &json!({})).await;
    let scan = json!({"token": installation.token("shop"), "code": step["code"]});
    installation.sandbox().post("/control/sessions/pair", &scan).await;
    let refused = connection_is(api, &twin, "error").await;
    assert!(refused["connection_detail"].as_str().unwrap().starts_with("conflict: "), "{refused}");
    let secret = installation.logs();
    assert!(!secret.contains("sandbox-device-"), "a secret is in the log");
}

async fn a_device_is_paired_by_a_code_and_logged_out(installation: &mut Installation) {
    let account = device(installation, "shop").await;
    let api = installation.api();
    let picture = step(api, &account, &json!({})).await;
    assert_eq!(picture["kind"], "qr");
    let path = format!("/v1/accounts/{account}");
    let refused = api.call("POST", &format!("{path}/connect"), &json!({"by": "code"})).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("phone")));
    let typed = step(api, &account, &json!({"by": "code", "phone": "+49 30 1234567"})).await;
    assert_eq!((&typed["kind"], typed["code"].as_str().unwrap().len()), (&json!("code"), 9), "{typed}");
    let mut enter =
        json!({"token": installation.token("shop"), "phone": "49301234567", "code": typed["code"]});
    installation.sandbox().post("/control/sessions/pair", &enter).await;
    connection_is(api, &account, "connected").await;
    sent(api, &account, "alice", "Hello, Alice.").await;

    let apart = api.post(&format!("{path}/disconnect"), &json!({})).await;
    assert_eq!(apart["connection"], "disconnected");
    assert_eq!(status(api, &account).await["owner"], Value::Null, "nobody keeps it any more");
    let refused = api.call("POST", &format!("{path}/logout"), &json!({})).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let connected = api.call("POST", &format!("{path}/connect"), &json!({})).await;
    assert_eq!(connected.status, 200, "it is paired still: {connected:?}");
    sent(api, &account, "alice", "Hello again.").await;

    let apart = api.post(&format!("{path}/logout"), &json!({})).await;
    assert_eq!(apart["connection"], "qr_required");
    let typed = step(api, &account, &json!({})).await;
    assert_eq!(typed["kind"], "code", "as it was asked for before");
    enter["code"] = typed["code"].clone();
    installation.sandbox().post("/control/sessions/pair", &enter).await;
    connection_is(api, &account, "connected").await;
    sent(api, &account, "alice", "And again.").await;
    one_at_a_time(installation).await;
}

async fn what_ends_a_session_says_what_is_to_be_done(installation: &mut Installation) {
    let account = paired(installation, "shop").await;
    let api = installation.api();
    let path = format!("/v1/accounts/{account}");
    sent(api, &account, "alice", "One.").await;

    // A connection that breaks is made again by itself.
    happens(installation, "shop", "cut", None).await;
    sent(api, &account, "alice", "Two.").await;

    // Who was replaced does not fight back.
    happens(installation, "shop", "replace", None).await;
    let replaced = connection_is(api, &account, "disconnected").await;
    assert!(replaced["connection_detail"].as_str().unwrap().starts_with("replaced: "), "{replaced}");
    until("nobody owns it", async || status(api, &account).await["owner"].is_null().then_some(())).await;
    let before = sessions(installation).await.len();
    let waits = api.post("/v1/messages", &text(&account, "alice", "Three.", "conversation")).await;
    let connected = api.call("POST", &format!("{path}/connect"), &json!({})).await;
    assert_eq!(connected.status, 200, "{connected:?}");
    becomes(api, waits["id"].as_str().unwrap(), &["read"]).await;
    assert_eq!(sessions(installation).await.len(), before + 1, "it came back once, when it was told to");

    // A ban holds until its end, and no longer.
    happens(installation, "shop", "ban", Some(3_000)).await;
    let banned = until("sending stops", async || {
        let status = status(api, &account).await;
        (status["sending"] == "stopped").then_some(status)
    })
    .await;
    assert_eq!(banned["sending_reason"], "banned", "{banned}");
    sent(api, &account, "alice", "Four.").await;

    happens(installation, "shop", "log_out", None).await;
    let out = connection_is(api, &account, "qr_required").await;
    assert!(out["connection_detail"].as_str().unwrap().starts_with("logged_out: "), "{out}");
    let step = step(api, &account, &json!({})).await;
    let scan = json!({"token": installation.token("shop"), "code": step["code"]});
    installation.sandbox().post("/control/sessions/pair", &scan).await;
    connection_is(api, &account, "connected").await;
    sent(api, &account, "alice", "Five.").await;

    happens(installation, "shop", "ban", None).await;
    let banned = connection_is(api, &account, "error").await;
    assert_eq!((&banned["sending"], &banned["sending_reason"]), (&json!("stopped"), &json!("banned")));
    one_at_a_time(installation).await;
}

/// Pairs accounts and waits until every worker keeps some.
async fn spread(installation: &Installation) -> BTreeMap<String, String> {
    let mut accounts = BTreeMap::new();
    for n in 0..ACCOUNTS {
        let name = format!("shop-{n}");
        accounts.insert(name.clone(), paired(installation, &name).await);
    }
    let workers = if installation.has_other_workers() { 2 } else { 1 };
    until("the accounts are spread over all workers", async || {
        let mut owners = BTreeSet::new();
        for account in accounts.values() {
            let status = status(installation.api(), account).await;
            let worker = status["owner"]["worker"].as_str()?.to_owned();
            (status["connection"] == "connected").then(|| owners.insert(worker))?;
        }
        (owners.len() == workers).then_some(())
    })
    .await;
    accounts
}

/// Sends from all accounts at once, and in the middle does something to the installation. Gives the last call that the
/// provider saw before.
async fn disturbed(
    installation: &mut Installation,
    accounts: &BTreeMap<String, String>,
    disturb: impl AsyncFnOnce(&mut Installation),
) -> u64 {
    let (mut disturb, mut before) = (Some(disturb), 0);
    for n in 0..MESSAGES {
        for (name, account) in accounts {
            for chat in 0..CHATS {
                let words = format!("Number {n}. #chat:{n}");
                let body = text(account, &format!("chat-{chat}"), &words, "transactional");
                installation.api().post("/v1/messages", &body).await;
            }
            installation.contact_writes(name, "alice", &format!("number {n}")).await;
        }
        if n == MESSAGES / 3
            && let Some(disturb) = disturb.take()
        {
            before = installation.record().await.last().and_then(|call| call["n"].as_u64()).unwrap_or(0);
            disturb(installation).await;
        }
    }
    before
}

/// When a call was made, by the provider's clock.
fn seconds(call: &Value) -> f64 {
    call["arrived_at_us"].as_f64().unwrap() / 1_000_000.0
}

/// Everything went out, in order, and came in, once.
async fn nothing_is_missing(installation: &Installation, accounts: &BTreeMap<String, String>) {
    for account in accounts.values() {
        let messages = drained(installation.api(), account).await;
        assert_eq!(messages.len(), MESSAGES * CHATS);
        for message in messages {
            let status = message["status"].as_str().unwrap();
            assert!(["sent", "delivered", "read"].contains(&status), "{message}");
        }
        let numbers: Vec<String> = (0..MESSAGES).map(|n| format!("number {n}")).collect();
        assert_eq!(heard(installation.api(), account, MESSAGES).await, numbers);
    }
    one_at_a_time(installation).await;
}

async fn sessions_go_on_when_their_owner_is_killed(installation: &mut Installation) {
    let accounts = spread(installation).await;
    let before = disturbed(installation, &accounts, async |installation| {
        installation.kill_a_worker();
        if !installation.has_other_workers() {
            installation.start_killed_workers().await;
        }
    })
    .await;
    nothing_is_missing(installation, &accounts).await;
    let record = installation.record().await;
    let ended: Vec<&Value> = record
        .iter()
        .filter(|call| {
            call["what"] == "session" && call["outcome"] != "online" && call["n"].as_u64() > Some(before)
        })
        .collect();
    assert!(!ended.is_empty(), "whoever was killed kept sessions");
    for end in ended {
        let after =
            |call: &&Value| call["account"] == end["account"] && call["n"].as_u64() > end["n"].as_u64();
        let online =
            record.iter().filter(after).find(|call| call["outcome"] == "online").expect("it goes on");
        let gap = seconds(online) - seconds(end);
        assert!(!installation.has_other_workers() || gap < TAKEN_OVER, "a session was gone for {gap} s");
        let sends = record.iter().filter(after).find(|call| call["what"] == "send").expect("messages go on");
        let gap = seconds(sends) - seconds(online);
        println!("online after {:.1} s, sending {gap:.1} s later", seconds(online) - seconds(end));
    }
}

async fn a_planned_stop_moves_sessions_without_a_gap(installation: &mut Installation) {
    let accounts = spread(installation).await;
    let before = sessions(installation).await.len();
    disturbed(installation, &accounts, async |installation| {
        assert!(installation.stop_a_worker().await, "it ended well");
        if !installation.has_other_workers() {
            installation.start_killed_workers().await;
        }
    })
    .await;
    nothing_is_missing(installation, &accounts).await;
    assert_eq!(installation.report().await["duplicates"], 0, "calls under way were let end");
    let record = sessions(installation).await;
    for (place, end) in record.iter().enumerate().skip(before).filter(|(_, call)| call["outcome"] != "online")
    {
        assert_eq!(end["outcome"], "closed", "{end}");
        let is_next = |call: &&Value| call["account"] == end["account"];
        let online = record[place + 1..].iter().find(is_next).expect("it goes on elsewhere");
        let gap = seconds(online) - seconds(end);
        // Sooner than any lease ends: it was given back.
        assert!(!installation.has_other_workers() || gap < 4.0, "a session was gone for {gap} s");
    }
}

/// How long a slow call takes: more than the pauses that a stop could hide it in.
const SLOW: &str = "slow-5000";

async fn a_planned_stop_lets_long_calls_end(installation: &mut Installation) {
    let accounts = spread(installation).await;
    let mut slow = Vec::new();
    for account in accounts.values() {
        let body = text(account, SLOW, "Hello.", "transactional");
        let message = installation.api().post("/v1/messages", &body).await;
        slow.push(message["id"].as_str().unwrap().to_owned());
    }
    for id in &slow {
        becomes(installation.api(), id, &["sending"]).await;
    }
    assert!(installation.stop_a_worker().await, "it ended well");
    if !installation.has_other_workers() {
        installation.start_killed_workers().await;
    }
    for id in &slow {
        becomes(installation.api(), id, &["sent", "delivered", "read"]).await;
        let timeline = installation.api().get(&format!("/v1/messages/{id}/timeline")).await;
        let entries = timeline["data"].as_array().unwrap();
        let attempts: Vec<_> = entries.iter().filter(|entry| entry["what"] == "attempt").collect();
        assert_eq!(attempts.len(), 1, "its call was let end: {timeline}");
    }
    assert_eq!(installation.report().await["duplicates"], 0);
    for account in accounts.values() {
        sent(installation.api(), account, "chat-0", "Next.").await;
    }
    one_at_a_time(installation).await;
}

async fn an_owner_that_was_frozen_holds_no_session_beside_the_new_one(installation: &mut Installation) {
    let accounts = spread(installation).await;
    disturbed(installation, &accounts, async |installation| {
        installation.signal_a_worker("STOP");
        if !installation.has_other_workers() {
            until("the provider misses it", async || {
                sessions(installation).await.iter().any(|call| call["outcome"] == "unheard").then_some(())
            })
            .await;
            installation.signal_a_worker("CONT");
        }
    })
    .await;
    if installation.has_other_workers() {
        // The fleet goes on without it, long past its lease.
        nothing_is_missing(installation, &accounts).await;
    }
    installation.signal_a_worker("CONT");
    nothing_is_missing(installation, &accounts).await;
    for (name, account) in &accounts {
        installation.contact_writes(name, "alice", "last").await;
        heard(installation.api(), account, MESSAGES + 1).await;
        sent(installation.api(), account, "chat-0", "Last.").await;
    }
    one_at_a_time(installation).await;
}
