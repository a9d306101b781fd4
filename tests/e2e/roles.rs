//! The shapes that an installation can have: who leads when the leader is killed, who does which work, and what a process
//! says about how it was started.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::harness::{Api, Installation, until};

use super::{BINARY, at_once, becomes, drained, text, unbroken};

const SENT: &[&str] = &["sent", "delivered", "read"];

#[tokio::test(flavor = "multi_thread")]
async fn another_scheduler_leads_soon_after_the_leader_was_killed() {
    let Some(mut installation) = Installation::fleet(BINARY).await else { return };
    let first = until("somebody leads", async || installation.leader().await).await;
    let _second = installation.start_beside(&["scheduler"], &[]);
    // Two beats: it has asked for the lease and did not get it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(installation.leader().await, Some(first.clone()));
    installation.kill("scheduler");
    let killed = Instant::now();
    let next =
        until("another one leads", async || installation.leader().await.filter(|next| *next != first)).await;
    println!("{next} leads {:?} after {first} was killed", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_and_workers_of_single_queues_make_a_whole() {
    let Some(mut installation) = Installation::fleet(BINARY).await else { return };
    let port = installation.ports()[0].to_string();
    for role in ["worker", "scheduler", "web"] {
        assert!(installation.stop(role).await, "{role} ends well");
    }
    let role = |name: &str| ("DEPLOYMENT_ROLE", name.to_owned());
    let _controller = installation.start_beside(&["serve"], &[role("controller"), ("PORT", port)]);
    let _sender = installation.start_beside(&["worker", "--queues", "send", "--concurrency", "20"], &[]);
    let others = ("ROOKERY_QUEUES", "ingest,automate,notify,media,upkeep".to_owned());
    let _rest = installation.start_beside(&["serve"], &[role("worker"), others]);
    let api = installation.api();
    until("the controller answers", async || (api.try_get("/readyz").await?.status == 200).then_some(()))
        .await;
    let account = installation.connect("shop", 200.0, json!({})).await;
    let calls = (0..20).map(|n| {
        let (api, body) = (api.clone(), text(&account, &format!("customer-{n}"), "Hello.", "transactional"));
        async move { api.post("/v1/messages", &body).await }
    });
    at_once(10, calls).await;
    for message in drained(api, &account).await {
        becomes(api, message["id"].as_str().unwrap(), SENT).await;
    }
    // What comes in and what is told is the other worker's.
    installation.contact_writes("shop", "alice", "Hello?").await;
    api.event(|event| event["kind"] == "message.received" || event["data"]["direction"] == "inbound").await;
    // Who sends keeps the sessions, and does with them whatever takes one, of other queues, too.
    let phone = installation.pair("phone", 200.0, json!({})).await;
    let sent = api.post("/v1/messages", &text(&phone, "alice", "Hello.", "transactional")).await;
    becomes(api, sent["id"].as_str().unwrap(), SENT).await;
    let provider = Api::new(installation.sandbox().base(), installation.token("phone"));
    let picture =
        provider.post_bytes("/v1/files", "image/png", b"\x89PNG\r\n\x1a\n and so on".to_vec()).await;
    let content = json!({"type": "image", "file": picture.body["id"], "mime": "image/png", "name": "a.png"});
    let event = json!({"token": installation.token("phone"), "chat": "alice", "content": content});
    installation.sandbox().post("/control/inbound", &event).await;
    until("the picture is there", async || {
        let messages = api.all(&format!("/v1/messages?account_id={phone}")).await;
        let media = messages.iter().find_map(|message| message["content"]["media"]["media_id"].as_str())?;
        (api.get(&format!("/v1/media/{media}")).await["state"] == "stored").then_some(())
    })
    .await;
    unbroken(&installation).await;
}

/// Runs a command to its end, with nothing set but these, and gives whether it went well and all that it said.
fn run(args: &[&str], vars: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(BINARY);
    let output = command.args(args).env_clear().envs(vars.iter().copied()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn doctor_changes_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().join("data");
    let vars =
        [("ROOKERY_DATA", data.to_str().unwrap()), ("ENABLE_TELEGRAM", "false"), ("ROOKERY_CONCURENCY", "9")];
    let (well, said) = run(&["doctor"], &vars);
    assert!(well, "{said}");
    assert!(!data.exists(), "doctor made the data folder: {said}");
    assert!(said.contains("is ROOKERY_CONCURRENCY meant?"), "{said}");
}

#[test]
fn a_key_file_that_is_gone_or_spoiled_is_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let vars = [("ROOKERY_DATA", folder.path().to_str().unwrap())];
    let (well, said) = run(&["migrate"], &vars);
    assert!(well && !said.contains('\u{1b}'), "colours are for eyes: {said:?}");
    let key = folder.path().join("encryption-key");
    let kept = std::fs::read(&key).unwrap();
    for spoiled in [&b"not a key"[..], b"\xff\xfe\x00", b""] {
        std::fs::write(&key, spoiled).unwrap();
        for command in ["migrate", "doctor"] {
            let (well, said) = run(&[command], &vars);
            assert!(!well && said.contains("encryption-key holds no usable key"), "{command}: {said}");
        }
    }
    std::fs::remove_file(&key).unwrap();
    let (well, said) = run(&["migrate"], &vars);
    assert!(!well && said.contains("put the file back"), "{said}");
    assert!(!key.exists(), "no new key is made for what an old one sealed");
    std::fs::write(&key, kept).unwrap();
    let (well, said) = run(&["migrate"], &vars);
    assert!(well, "{said}");
}

/// The attempts of an account's messages, each by its worker.
async fn made_by(api: &Api, account: &str) -> BTreeSet<String> {
    let mut workers = BTreeSet::new();
    for message in drained(api, account).await {
        let id = message["id"].as_str().unwrap();
        let timeline = api.get(&format!("/v1/messages/{id}/timeline")).await;
        let attempts = timeline["data"].as_array().unwrap().iter();
        workers.extend(attempts.filter_map(|entry| entry["attempt"]["worker"].as_str()).map(str::to_owned));
    }
    workers
}

async fn status(api: &Api, account: &str) -> Value {
    api.get(&format!("/v1/accounts/{account}/status")).await
}

/// Waits until an account is pinned to a worker that lives, and is asked for its events by that one.
async fn serves(api: &Api, account: &str, worker: &str) {
    until(&format!("{worker} serves {account}"), async || {
        let status = status(api, account).await;
        let pin = json!({"worker": worker, "lives": true});
        (status["pin"] == pin && status["owner"]["worker"] == worker && status["waiting"].is_null())
            .then_some(())
    })
    .await;
}

/// Sends from an account to some chats.
async fn sends(api: &Api, account: &str, name: &str) {
    let calls = (0..8).map(|n| {
        let (api, body) = (api.clone(), text(account, &format!("{name}-{n}"), "Hello.", "transactional"));
        async move { api.post("/v1/messages", &body).await }
    });
    at_once(4, calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_its_own_does_all_of_an_accounts_work_and_nobody_else_any() {
    let Some(installation) = Installation::fleet(BINARY).await else { return };
    let api = installation.api();
    let mine = installation.connect("mine", 200.0, json!({"intake": "poll"})).await;
    let other = installation.connect("other", 200.0, json!({"intake": "poll"})).await;
    // Somebody has it already, and work of it is under way.
    until("it has an owner", async || status(api, &mine).await["owner"]["worker"].is_string().then_some(()))
        .await;
    sends(api, &mine, "before").await;
    let mut first = installation.start_beside(&["worker", "--accounts", &mine], &[]);
    serves(api, &mine, &first.worker()).await;
    drained(api, &mine).await;
    let before = made_by(api, &mine).await;
    let sent_before = installation.record().await.len();

    sends(api, &mine, "mine").await;
    sends(api, &other, "other").await;
    for name in ["mine", "other"] {
        installation.contact_writes(name, "alice", "Hello?").await;
    }
    drained(api, &other).await;
    let after = made_by(api, &mine).await;
    let by_others: Vec<_> = after.difference(&before).filter(|worker| **worker != first.worker()).collect();
    assert!(by_others.is_empty(), "{by_others:?}");
    assert!(after.contains(&first.worker()), "{after:?}");
    assert!(!made_by(api, &other).await.contains(&first.worker()), "it works for no other account");
    assert!(installation.record().await.len() > sent_before);
    for account in [&mine, &other] {
        until("what was written arrived", async || {
            let messages = api.all(&format!("/v1/messages?account_id={account}")).await;
            messages.iter().any(|message| message["direction"] == "inbound").then_some(())
        })
        .await;
    }

    // Of two that were given the same account the second waits, and follows at once when the first stops.
    let second = [("DEPLOYMENT_ROLE", "worker".to_owned()), ("ROOKERY_ACCOUNTS", mine.clone())];
    let mut second = installation.start_beside(&["serve"], &second);
    until("the second one says that it waits", async || {
        let said = std::fs::read_to_string(installation.folder().join("beside.log")).unwrap();
        said.contains("this one waits until that one is gone").then_some(())
    })
    .await;
    serves(api, &mine, &first.worker()).await;
    assert!(first.stop().await, "it ends well");
    serves(api, &mine, &second.worker()).await;

    // One that is killed leaves its account to nobody, and its own successor takes it within seconds.
    second.kill();
    let id = api.post("/v1/messages", &text(&mine, "late", "Hello.", "transactional")).await["id"].clone();
    until("it is told that nobody serves it", async || {
        let status = status(api, &mine).await;
        let words = status["waiting"]["detail"].as_str()?;
        (status["waiting"]["rule"] == "no_worker" && words.starts_with("no worker serves this account"))
            .then_some(())
    })
    .await;
    let refused = api.call("POST", &format!("/v1/accounts/{mine}/restart"), &json!({})).await;
    assert_eq!(refused.status, 503);
    assert!(refused.body["detail"].as_str().unwrap().starts_with("no worker serves"), "{}", refused.body);
    let waits = api.get(&format!("/v1/messages/{}", id.as_str().unwrap())).await;
    assert_eq!((&waits["status"], &waits["waiting"]["rule"]), (&json!("queued"), &json!("no_worker")));
    let third = installation.start_beside(&["worker", "--accounts", &mine], &[]);
    becomes(api, id.as_str().unwrap(), SENT).await;
    assert!(made_by(api, &mine).await.contains(&third.worker()));
    unbroken(&installation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_refuses_accounts_that_are_not_there() {
    let Some(installation) = Installation::fleet(BINARY).await else { return };
    let stranger = "0192d4e0-7a1b-7c3d-8e4f-5a6b7c8d9e0f";
    let vars = ["DATABASE_URL", "REDIS_URL", "ROOKERY_ENCRYPTION_KEY", "ROOKERY_MEDIA_URL"]
        .map(|name| (name, installation.variable(name)));
    for (accounts, word) in [(stranger, "there is no account"), ("shop", "shop")] {
        let (well, said) = run(&["worker", "--accounts", accounts], &vars);
        assert!(!well && said.contains(word), "{said}");
    }
    let (well, said) = run(&["unpin", stranger], &vars);
    assert!(!well && said.contains("there is no account"), "{said}");
    let (well, said) = run(&["serve", "--accounts", stranger], &[]);
    assert!(!well && said.contains("is for a fleet"), "{said}");
}
