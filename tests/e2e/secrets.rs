//! Secrets are planted and then looked for: in everything that is answered, logged or stored, down to the finest log.

use serde_json::{Value, json};
use tests::harness::{Api, Installation};

use super::{BINARY, becomes, text};

/// Not a word that could be there by chance.
const PLANTED: &str = "sandbox-auto-planted-9f2c7d41";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_in_one_process() {
    let trace = [("ROOKERY_LOG", "trace".to_owned())];
    let installation = Installation::embedded_with(BINARY, &trace).await;
    let key = std::fs::read_to_string(installation.folder().join("data/api-key")).unwrap();
    nothing_shows(&installation, key.trim()).await;
    for name in ["rookery.db", "rookery.db-wal"] {
        let bytes = std::fs::read(installation.folder().join("data").join(name)).unwrap_or_default();
        assert!(!contains(&bytes, PLANTED), "{name} holds the account's token in the clear");
        assert!(!contains(&bytes, key.trim()), "{name} holds the API key in the clear");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_in_a_fleet() {
    let trace = [("ROOKERY_LOG", "trace".to_owned())];
    let Some(installation) = Installation::fleet_with(BINARY, &trace).await else { return };
    let key = installation.variable("ROOKERY_ENCRYPTION_KEY").to_owned();
    nothing_shows(&installation, &key).await;
}

async fn nothing_shows(installation: &Installation, other: &str) {
    let api = installation.api();
    let connect = json!({
        "channel": "sandbox", "name": "shop", "credentials": {"token": PLANTED}, "pace_scale": 50.0,
    });
    let mut answers = vec![api.post("/v1/accounts", &connect).await];
    let account = answers[0]["id"].as_str().unwrap().to_owned();
    // The same login again, a token that is refused, secrets where none belong.
    answers.push(whatever(api, "/v1/accounts", &connect).await);
    let refused = json!({"channel": "sandbox", "name": "x", "credentials": {"token": format!("x{PLANTED}")}});
    answers.push(whatever(api, "/v1/accounts", &refused).await);
    let odd = json!({"channel": "sandbox", "name": "x", "credentials": {"token": [PLANTED]}});
    answers.push(whatever(api, "/v1/accounts", &odd).await);
    let telegram = json!({"channel": "telegram", "name": "x", "credentials": {"bot_token": PLANTED}});
    answers.push(whatever(api, "/v1/accounts", &telegram).await);
    for (to, end) in [("alice", "read"), ("fail-permanent", "failed"), ("blocked", "failed")] {
        let sent = api.post("/v1/messages", &text(&account, to, "x", "transactional")).await;
        answers.push(becomes(api, sent["id"].as_str().unwrap(), &[end]).await);
    }
    for path in [
        "/v1/accounts",
        "/v1/channels",
        "/v1/messages",
        "/v1/conversations",
        "/v1/contacts",
        "/v1/queues",
        "/v1/dead_jobs",
        "/v1/api_keys",
        "/healthz",
        "/readyz",
        "/openapi.json",
    ] {
        answers.push(api.try_get(path).await.map_or(Value::Null, |answer| answer.body));
    }
    for path in ["", "/status", "/pace", "/health"] {
        let path = format!("/v1/accounts/{account}{path}");
        answers.push(api.try_get(&path).await.map_or(Value::Null, |answer| answer.body));
    }
    let signing = sandbox::signature(PLANTED, b"webhook secret").replace("sha256=", "whs_");
    for secret in [PLANTED, signing.as_str(), other] {
        for answer in &answers {
            assert!(!answer.to_string().contains(secret), "an answer shows a secret: {answer}");
        }
        let logs = installation.logs();
        assert!(logs.len() > 1_000, "there is a log to look through");
        let line = logs.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "a log line shows a secret: {line:?}");
    }
}

async fn whatever(api: &Api, path: &str, body: &Value) -> Value {
    api.try_post(path, body, &[]).await.map_or(Value::Null, |answer| answer.body)
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
