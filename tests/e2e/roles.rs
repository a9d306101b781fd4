//! The shapes that an installation can have: who leads when the leader is killed, who does which work, and what a process
//! says about how it was started.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::harness::{Installation, until};

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
