//! `rookery demo`: the real server on a temporary folder, driven over its own API as a business would drive it.
//!
//! Three accounts send a broadcast under the pacing rules of a person at a phone (with their times divided by
//! [`scene::SCALE`]); meanwhile contacts write, are answered ahead of it with a quote and a reaction, a picture is sent, a
//! typo is mended, one recipient fails, one is rate limited. The sandbox provider counts by itself whether a limit, an
//! order or a message was broken.

mod board;
mod client;
mod scene;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::{Config, Role};
use crate::serve::{self, Server};
use crate::{Failure, telemetry};
use board::Board;
use client::Client;
use scene::Showcase;
use tally::{Received, Tally};

/// Longer than this it never takes; what is not done by then is shown as it is.
const LONGEST: Duration = Duration::from_mins(2);
/// How often somebody writes.
const BETWEEN_CHATS: Duration = Duration::from_secs(2);

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
    let accounts = scene::connect(server, client).await?;
    let listener = tokio::spawn(listen(client.clone(), tally.clone()));
    let started = Instant::now();
    let board = Board::new(options.json, scene::MESSAGES, &accounts);
    let broadcast = tokio::spawn(scene::broadcast(client.clone(), accounts.clone()));
    scene::odd_recipients(client, &accounts[0].id).await?;
    let mut showcase = Showcase::open(client, &accounts[1].id).await?;
    let mut chats = 0;
    let mut answered = BTreeSet::new();
    let mut next_chat = Instant::now() + BETWEEN_CHATS;
    let mut explained = false;
    while started.elapsed() < LONGEST {
        if chats < scene::CHATS && Instant::now() >= next_chat {
            let account = &accounts[chats % accounts.len()];
            scene::contact_writes(server, &account.token, &format!("contact-{chats}"))?;
            (chats, next_chat) = (chats + 1, Instant::now() + BETWEEN_CHATS);
        }
        let (unanswered, newest, ended) = {
            let tally = lock(&tally);
            board.show(&tally);
            let new = |inbound: &&Received| !answered.contains(&inbound.id);
            let unanswered: Vec<_> = tally.received.iter().filter(new).cloned().collect();
            showcase.look(&tally);
            (unanswered, tally.newest_queued(), tally.is_done(scene::MESSAGES))
        };
        showcase.go_on(client).await?;
        for inbound in unanswered {
            answered.insert(inbound.id.clone());
            scene::answer(client, &inbound).await?;
        }
        if !explained
            && started.elapsed() > Duration::from_secs(4)
            && let Some(id) = newest
        {
            let message = client.get(&format!("/v1/messages/{id}")).await?;
            if message["waiting"].is_object() {
                board.say(&explain(&message));
                explained = true;
            }
        }
        if ended && chats == scene::CHATS && scene::actions(server) == (1, scene::CHATS) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    broadcast.await.map_err(|error| Failure::Other(format!("the broadcast broke: {error}")))??;
    let seconds = started.elapsed().as_secs_f64();
    listener.abort();
    board.finish();
    let (edits, reactions) = scene::actions(server);
    board
        .say(&format!("Besides: a picture, {edits} edit, {reactions} reactions, {} quotes.", answered.len()));
    let tally = lock(&tally).clone();
    Ok(summary(server, &tally, seconds))
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
    let part = |before: &str, value: &Value| {
        if value.is_null() { String::new() } else { format!("{before}{}", word(value)) }
    };
    [
        part("why is message ", &message["id"]),
        part(" not out yet? rule ", &waiting["rule"]),
        part(", until ", &waiting["until"]),
        part(": ", &waiting["detail"]),
        part("; expected at ", &message["expected_at"]),
    ]
    .concat()
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
