//! `rookery demo`: the real server on a temporary folder, driven over its own API as a business would drive it.
//!
//! Three accounts send a broadcast under the pacing rules of a person at a phone (with their times divided by
//! [`SCALE`]); meanwhile contacts write and are answered ahead of it, one recipient fails, one is rate limited. The
//! sandbox provider counts by itself whether a limit, an order or a message was broken.

mod board;
mod client;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::sandbox::{AccountSettings, InboundEvent, Limit, Scope};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::{Config, Role};
use crate::serve::{self, Server};
use crate::{Failure, telemetry};
use board::Board;
use client::Client;
use tally::Tally;

/// What every time of the pacing rules is divided by, so that minutes pass in seconds.
const SCALE: f64 = 20.0;
const ACCOUNTS: usize = 3;
/// Recipients of the broadcast, an account.
const RECIPIENTS: usize = 40;
/// Messages of the broadcast to each recipient.
const ROUNDS: usize = 3;
/// Contacts that write while the broadcast runs.
const CHATS: usize = 9;
/// Longer than this it never takes; what is not done by then is shown as it is.
const LONGEST: Duration = Duration::from_secs(120);

/// What the demo can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Print nothing but, as the last line, one JSON object with the outcome.
    #[arg(long)]
    json: bool,
    /// Leave the server up, and say how to reach it.
    #[arg(long)]
    keep: bool,
}

type Shared = Arc<Mutex<Tally>>;

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let folder = temporary_folder()?;
    let outcome = play(&options, &folder).await;
    // Whatever happened, nothing is left behind.
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        tracing::debug!(%error, "the temporary folder could not be removed");
    }
    outcome
}

async fn play(options: &Options, folder: &std::path::Path) -> Result<(), Failure> {
    let vars = [
        ("ROOKERY_DATA", folder.display().to_string()),
        ("PORT", "0".to_owned()),
        ("ROOKERY_LOG", std::env::var("ROOKERY_LOG").unwrap_or_else(|_| "error".to_owned())),
    ];
    let config = Config::from_vars(vars.map(|(name, value)| (name.to_owned(), value)))?;
    telemetry::start(&config.log);
    let server = Server::start(&config, Role::Monolith).await?;
    let (Some(addr), Some(key_file)) = (server.addr, server.api_key_file()) else {
        return Err(Failure::Other("the server did not start as a whole".to_owned()));
    };
    let key = std::fs::read_to_string(&key_file)
        .map_err(|error| Failure::Other(format!("{}: {error}", key_file.display())))?;
    let client = Client::new(format!("http://{addr}"), key.trim())?;
    let outcome = act(options, &server, &client).await?;
    if options.json {
        println!("{outcome}");
    } else {
        println!("{}", in_words(&outcome));
    }
    if options.keep {
        println!("the server stays up at http://{addr} (page: http://{addr}/docs); stop it with Ctrl-C");
        println!("API key: {}", key_file.display());
        if let Some(account) = server.welcome.as_ref().and_then(|welcome| welcome.account) {
            println!("{}", serve::curl(addr, &key_file.display().to_string(), account));
        }
        serve::stop_signal().await;
    }
    server.stop().await;
    let clean = ["limit_violations", "order_inversions", "duplicates", "unknown"]
        .iter()
        .all(|name| outcome[*name] == 0);
    if clean {
        Ok(())
    } else {
        Err(Failure::Other("the sandbox counted something that must not be".to_owned()))
    }
}

async fn act(options: &Options, server: &Server, client: &Client) -> Result<Value, Failure> {
    let tally: Shared = Arc::default();
    let accounts = connect(server, client).await?;
    let listener = tokio::spawn(listen(client.clone(), tally.clone()));
    let started = Instant::now();
    let expected = ACCOUNTS * RECIPIENTS * ROUNDS + CHATS + 2;
    let board = Board::new(options.json, expected, &accounts);

    let broadcast = tokio::spawn(broadcast(client.clone(), accounts.clone()));
    odd_recipients(client, &accounts[0].id).await?;
    let mut chats = 0;
    let mut answered = std::collections::BTreeSet::new();
    let mut next_chat = Instant::now() + Duration::from_secs(2);
    let mut held = None;
    while started.elapsed() < LONGEST {
        if chats < CHATS && Instant::now() >= next_chat {
            let account = &accounts[chats % ACCOUNTS];
            contact_writes(server, &account.token, &format!("contact-{chats}"), "is my order on its way?")?;
            (chats, next_chat) = (chats + 1, Instant::now() + Duration::from_secs(2));
        }
        let (unanswered, newest, done) = {
            let tally = lock(&tally);
            let unanswered: Vec<_> =
                tally.received.iter().filter(|inbound| !answered.contains(&inbound.id)).cloned().collect();
            board.show(&tally);
            (unanswered, tally.newest_queued(), tally.is_done(expected))
        };
        for inbound in unanswered {
            answered.insert(inbound.id.clone());
            client
                .post(
                    "/v1/messages",
                    &json!({
                        "account_id": inbound.account_id,
                        "to": {"conversation_id": inbound.conversation_id},
                        "content": {"type": "text", "text": "It is: you have it tomorrow."},
                        "purpose": "conversation",
                        "reply_to": inbound.id,
                    }),
                )
                .await?;
        }
        if held.is_none()
            && started.elapsed() > Duration::from_secs(4)
            && let Some(id) = newest
        {
            let message = client.get(&format!("/v1/messages/{id}")).await?;
            if message["waiting"].is_object() {
                board.say(&explain(&message));
                held = Some(message);
            }
        }
        if done && chats == CHATS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    broadcast.await.map_err(|error| Failure::Other(format!("the broadcast broke: {error}")))??;
    let seconds = started.elapsed().as_secs_f64();
    listener.abort();
    board.finish();
    let tally = lock(&tally).clone();
    Ok(summary(server, &tally, seconds))
}

#[derive(Debug, Clone)]
pub(super) struct DemoAccount {
    id: String,
    name: String,
    token: String,
}

/// Connects the accounts, and tells the sandbox what to count: the rules of the table, with their times divided.
async fn connect(server: &Server, client: &Client) -> Result<Vec<DemoAccount>, Failure> {
    let Some(sandbox) = server.sandbox() else {
        return Err(Failure::Other("the demo needs its own sandbox: unset ROOKERY_SANDBOX_URL".to_owned()));
    };
    let mut accounts = Vec::new();
    for (n, name) in ["Bakery", "Garage", "Clinic"].iter().enumerate().take(ACCOUNTS) {
        let token = format!("sandbox-auto-demo-{n}");
        let limit = |name: &str, scope, count: Option<usize>, window: Option<f64>, gap: Option<f64>| Limit {
            name: Some(name.to_owned()),
            scope,
            count,
            window_ms: window.map(scaled_ms),
            min_gap_ms: gap.map(scaled_ms),
            tolerance_us: 0,
        };
        let limits = vec![
            limit("per minute", Scope::Account, Some(15), Some(60_000.0), None),
            limit("same recipient", Scope::Chat, None, None, Some(6_000.0)),
            limit("gap", Scope::Account, None, None, Some(300.0)),
        ];
        let settings =
            AccountSettings { limits: Some(limits), reply: Some(false), ..AccountSettings::default() };
        sandbox.set_account(&token, settings).map_err(Failure::Other)?;
        let made = client
            .post(
                "/v1/accounts",
                &json!({
                    "channel": "sandbox", "name": name, "credentials": {"token": token}, "pace_scale": SCALE,
                }),
            )
            .await?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        accounts.push(DemoAccount { id, name: (*name).to_owned(), token });
    }
    Ok(accounts)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand positive milliseconds"
)]
fn scaled_ms(ms: f64) -> u64 {
    (ms / SCALE) as u64
}

/// Hands over the whole broadcast at once, as callers do; each message with a key, so that a repeated call is harmless.
async fn broadcast(client: Client, accounts: Vec<DemoAccount>) -> Result<(), Failure> {
    for round in 0..ROUNDS {
        for recipient in 0..RECIPIENTS {
            for account in &accounts {
                let body = json!({
                    "account_id": account.id,
                    "to": {"address": format!("customer-{recipient}")},
                    "content": {"type": "text", "text": format!("Offer {} of the week. #offers:{round}", round + 1)},
                    "purpose": "campaign",
                });
                let key = format!("offer-{round}-{recipient}-{}", account.id);
                client.post_once("/v1/messages", &body, &key).await?;
            }
        }
    }
    Ok(())
}

/// One recipient that cannot be reached and one that the provider holds back for a moment.
async fn odd_recipients(client: &Client, account: &str) -> Result<(), Failure> {
    for address in ["fail-permanent", "rate-limited-1500"] {
        let body = json!({
            "account_id": account,
            "to": {"address": address},
            "content": {"type": "text", "text": "Your parcel has arrived."},
            "purpose": "transactional",
        });
        client.post("/v1/messages", &body).await?;
    }
    Ok(())
}

fn contact_writes(server: &Server, token: &str, contact: &str, text: &str) -> Result<(), Failure> {
    let fields = json!({"content": {"type": "text", "text": text}});
    let event = InboundEvent {
        token: token.to_owned(),
        chat: contact.to_owned(),
        from: Some(json!({"id": contact, "name": contact})),
        kind: Some("message".to_owned()),
        fields: fields.as_object().cloned().unwrap_or_default(),
    };
    let sandbox = server.sandbox().ok_or_else(|| Failure::Other("the sandbox is gone".to_owned()))?;
    sandbox.inbound(event).map(drop).map_err(Failure::Other)
}

/// Follows the workspace's events, resuming where it was whenever the stream breaks.
async fn listen(client: Client, tally: Shared) {
    loop {
        let after = lock(&tally).seq;
        let followed = client.follow(after, |event| lock(&tally).take(event)).await;
        if let Err(error) = followed {
            tracing::debug!(%error, "the stream of events broke");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn summary(server: &Server, tally: &Tally, seconds: f64) -> Value {
    let report = server.sandbox().map(::sandbox::Sandbox::report).unwrap_or_default().total;
    let count = |status: &[&str]| {
        tally.messages.values().filter(|message| status.contains(&message.status.as_str())).count()
    };
    json!({
        "accepted": tally.messages.len(),
        "sent": count(&["sent", "delivered", "read"]),
        "delivered": count(&["delivered", "read"]),
        "read": count(&["read"]),
        "received": tally.received.len(),
        "failed": count(&["failed"]),
        "unknown": count(&["unknown"]),
        "limit_violations": report.limit_violations,
        "order_inversions": report.order_inversions,
        "duplicates": report.duplicates,
        "seconds": (seconds * 10.0).round() / 10.0,
    })
}

fn explain(message: &Value) -> String {
    let waiting = &message["waiting"];
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut text =
        format!("why is message {} not out yet? rule {}", word(&message["id"]), word(&waiting["rule"]));
    if !waiting["until"].is_null() {
        text += &format!(", until {}", word(&waiting["until"]));
    }
    if !waiting["detail"].is_null() {
        text += &format!(": {}", word(&waiting["detail"]));
    }
    if !message["expected_at"].is_null() {
        text += &format!(" Expected at {}.", word(&message["expected_at"]));
    }
    text
}

fn in_words(outcome: &Value) -> String {
    format!(
        "{} accepted, {} sent ({} delivered, {} read), {} failed as they should, {} unknown; {} received and answered.\n\
         The provider's own count: {} breaks of a limit, {} out of order, {} sent twice. {} seconds.",
        outcome["accepted"],
        outcome["sent"],
        outcome["delivered"],
        outcome["read"],
        outcome["failed"],
        outcome["unknown"],
        outcome["received"],
        outcome["limit_violations"],
        outcome["order_inversions"],
        outcome["duplicates"],
        outcome["seconds"],
    )
}

fn lock(tally: &Shared) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn temporary_folder() -> Result<std::path::PathBuf, Failure> {
    let ids = model::Ids::from_os();
    let path = std::env::temp_dir().join(format!("rookery-demo-{:016x}", ids.number()));
    std::fs::create_dir_all(&path).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    Ok(path)
}

/// Counts of something by name.
pub(super) type Counts = BTreeMap<String, usize>;
