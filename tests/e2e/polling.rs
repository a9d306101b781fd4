//! Accounts whose events are asked for: by one process at a time, whatever becomes of it, each event exactly once.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use tests::harness::{Api, Installation, until};

use super::{BINARY, becomes, text};

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
    a_polled_account_is_told_everything_exactly_once,
    a_disconnected_account_rests_until_it_is_connected_again,
    polls_go_on_when_their_owner_is_killed,
    a_planned_stop_moves_polls_at_once,
    an_owner_that_was_frozen_doubles_nothing,
}

/// Accounts that are spread over the workers of a fleet.
const ACCOUNTS: usize = 4;
/// What each of them is told.
const TOLD: usize = 30;

async fn connect(installation: &Installation, name: &str) -> String {
    let account = installation.connect(name, 50.0, json!({"intake": "poll"})).await;
    let shown = installation.api().get(&format!("/v1/accounts/{account}")).await;
    assert_eq!((&shown["intake"], &shown["webhook_url"]), (&json!("poll"), &json!(null)));
    account
}

async fn owner(api: &Api, account: &str) -> Value {
    until(&format!("account {account} has an owner"), async || {
        let status = api.try_get(&format!("/v1/accounts/{account}/status")).await?.body;
        assert_eq!(status["intake"], "poll");
        status["owner"]["worker"].is_string().then(|| status["owner"].clone())
    })
    .await
}

/// The texts that an account's contact wrote, oldest first, once there are so many.
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

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("number {n}")).collect()
}

async fn a_polled_account_is_told_everything_exactly_once(installation: &mut Installation) {
    let account = connect(installation, "shop").await;
    let api = installation.api();
    let sent = api.post("/v1/messages", &text(&account, "alice", "Hello, Alice.", "conversation")).await;
    let read = becomes(api, sent["id"].as_str().unwrap(), &["read"]).await;
    assert!(read["delivered_at"].is_string(), "its receipts came by polling: {read}");
    for n in 0..TOLD {
        installation.contact_writes("shop", "alice", &format!("number {n}")).await;
        if n == TOLD / 2 {
            let before = owner(api, &account).await;
            let restarted = api.call("POST", &format!("/v1/accounts/{account}/restart"), &json!({})).await;
            assert_eq!(restarted.status, 202, "{restarted:?}");
            assert_eq!(owner(api, &account).await["generation"], before["generation"]);
        }
    }
    assert_eq!(heard(api, &account, TOLD).await, numbered(TOLD));
    let conversation =
        api.get(&format!("/v1/conversations/{}", sent["conversation_id"].as_str().unwrap())).await;
    assert_eq!(conversation["unread_count"], TOLD);

    // The same account by webhook, then by polling again: nothing falls between.
    for (n, intake) in ["webhook", "poll"].into_iter().enumerate() {
        let changed =
            api.call("PATCH", &format!("/v1/accounts/{account}"), &json!({ "intake": intake })).await;
        assert_eq!((changed.status, &changed.body["intake"]), (200, &json!(intake)));
        installation.contact_writes("shop", "alice", &format!("number {}", TOLD + n)).await;
        assert_eq!(heard(api, &account, TOLD + n + 1).await, numbered(TOLD + n + 1));
    }
}

async fn a_disconnected_account_rests_until_it_is_connected_again(installation: &mut Installation) {
    let account = connect(installation, "shop").await;
    let api = installation.api();
    owner(api, &account).await;
    let path = format!("/v1/accounts/{account}");
    let apart = api.post(&format!("{path}/disconnect"), &json!({})).await;
    assert_eq!(apart["connection"], "disconnected");
    until("nobody owns it", async || {
        api.get(&format!("{path}/status")).await["owner"].is_null().then_some(())
    })
    .await;
    let refused = api.call("POST", &format!("{path}/restart"), &json!({})).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    installation.contact_writes("shop", "alice", "number 0").await;
    let waiting = api.post("/v1/messages", &text(&account, "alice", "Later.", "conversation")).await;
    let waiting = api.get(&format!("/v1/messages/{}", waiting["id"].as_str().unwrap())).await;
    assert_eq!((&waiting["status"], &waiting["waiting"]["rule"]), (&json!("queued"), &json!("disconnected")));
    let connected = api.post(&format!("{path}/connect"), &json!({})).await;
    assert_eq!(connected["connection"], "connected");
    assert_eq!(heard(api, &account, 1).await, numbered(1));
    becomes(api, waiting["id"].as_str().unwrap(), &["sent", "delivered", "read"]).await;
    let gone = api.call("DELETE", &path, &json!({})).await;
    assert_eq!(gone.status, 204);
}

/// Writes to all accounts at once, and in the middle does something to the installation.
async fn disturbed(
    installation: &mut Installation,
    names: &[String],
    disturb: impl AsyncFnOnce(&mut Installation),
) {
    let mut disturb = Some(disturb);
    for n in 0..TOLD {
        for name in names {
            installation.contact_writes(name, "alice", &format!("number {n}")).await;
        }
        if n == TOLD / 3
            && let Some(disturb) = disturb.take()
        {
            disturb(installation).await;
        }
    }
}

async fn polls_go_on_when_their_owner_is_killed(installation: &mut Installation) {
    let (names, accounts) = spread(installation).await;
    let mut killed_at = Timestamp::ZERO;
    disturbed(installation, &names, async |installation| {
        installation.kill_a_worker();
        killed_at = SystemClock.now();
    })
    .await;
    if !installation.has_other_workers() {
        installation.start_killed_workers().await;
    }
    for account in &accounts {
        assert_eq!(heard(installation.api(), account, TOLD).await, numbered(TOLD));
        let since: Timestamp =
            serde_json::from_value(owner(installation.api(), account).await["since"].clone()).unwrap();
        let bound = killed_at + Duration::from_secs(10);
        assert!(
            !installation.has_other_workers() || since < bound,
            "taken over at {since}, killed at {killed_at}"
        );
    }
    // Whoever comes later gets its share.
    installation.start_killed_workers().await;
    owners(installation, &accounts).await;
}

async fn a_planned_stop_moves_polls_at_once(installation: &mut Installation) {
    let (names, accounts) = spread(installation).await;
    let mut told_at = Timestamp::ZERO;
    disturbed(installation, &names, async |installation| {
        told_at = SystemClock.now();
        assert!(installation.stop_a_worker().await, "it ended well");
    })
    .await;
    if !installation.has_other_workers() {
        installation.start_killed_workers().await;
    }
    for account in &accounts {
        assert_eq!(heard(installation.api(), account, TOLD).await, numbered(TOLD));
        let since: Timestamp =
            serde_json::from_value(owner(installation.api(), account).await["since"].clone()).unwrap();
        // Sooner than any lease ends: it was given back.
        let bound = told_at + Duration::from_secs(5);
        assert!(
            !installation.has_other_workers() || since < bound,
            "moved at {since}, told to stop at {told_at}"
        );
    }
}

async fn an_owner_that_was_frozen_doubles_nothing(installation: &mut Installation) {
    let (names, accounts) = spread(installation).await;
    disturbed(installation, &names, async |installation| installation.signal_a_worker("STOP")).await;
    if installation.has_other_workers() {
        // The fleet goes on without it, long past its lease.
        for account in &accounts {
            assert_eq!(heard(installation.api(), account, TOLD).await, numbered(TOLD));
        }
    }
    installation.signal_a_worker("CONT");
    owners(installation, &accounts).await;
    for (name, account) in names.iter().zip(&accounts) {
        installation.contact_writes(name, "alice", &format!("number {TOLD}")).await;
        assert_eq!(heard(installation.api(), account, TOLD + 1).await, numbered(TOLD + 1));
    }
}

/// Connects accounts and waits until every worker owns some.
async fn spread(installation: &Installation) -> (Vec<String>, Vec<String>) {
    let names: Vec<String> = (0..ACCOUNTS).map(|n| format!("shop-{n}")).collect();
    let mut accounts = Vec::new();
    for name in &names {
        accounts.push(connect(installation, name).await);
    }
    owners(installation, &accounts).await;
    (names, accounts)
}

/// Returns when every worker owns as many accounts as any other.
async fn owners(installation: &Installation, accounts: &[String]) {
    let workers = if installation.has_other_workers() { 2 } else { 1 };
    until("the accounts are spread over all workers", async || {
        let mut owners = Vec::new();
        for account in accounts {
            owners.push(owner(installation.api(), account).await["worker"].to_string());
        }
        let distinct: BTreeSet<&String> = owners.iter().collect();
        let even =
            |worker: &&String| owners.iter().filter(|owner| owner == worker).count() == ACCOUNTS / workers;
        (distinct.len() == workers && distinct.iter().all(even)).then_some(())
    })
    .await;
}
