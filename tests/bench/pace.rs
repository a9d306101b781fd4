//! Does a campaign stand in anybody's way? `cargo bench -p tests --bench pace [-- --json] [-- --campaign N]`.
//!
//! 100,000 messages to as many strangers wait on one account. Measured are how soon the first message of each of 200 other
//! accounts starts (from the request to the call that shows it being typed), and how many messages of the campaign leave
//! between the acceptance of a reply on its own account and that reply: once while the campaign is sending, once when its
//! new contacts of the day are used up and all the rest waits for tomorrow.
//!
//! Real processes: one on `SQLite` and memory, and a fleet on Postgres and Redis where there are such servers
//! (`tests/run -- cargo bench …`). Measured is what `ROOKERY_BINARY` names, else the release build if there is one (`cargo
//! build --release -p rookery`), else the debug build; it says which, and how old it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Clock, SystemClock};
use serde_json::{Value, json};
use tests::harness::{Installation, until};
use tokio::sync::Semaphore;

/// How many messages the campaign has, unless told otherwise.
const CAMPAIGN: usize = 100_000;
/// Messages of one request.
const BATCH: usize = 500;
const OTHERS: usize = 200;
const REPLIES: usize = 5;
/// The campaign's account lives ten times as quick: its day's new contacts are used up in a quarter of a minute.
const SCALE: f64 = 10.0;
/// New contacts on an account's first day.
const NEW_CONTACTS: u64 = 30;

/// What was measured on one installation, at one stage of the campaign.
struct Row {
    installation: &'static str,
    stage: &'static str,
    /// From the request to the start of the other accounts' first messages, in ms, sorted.
    starts: Vec<f64>,
    /// Messages of the campaign that left between a reply's acceptance and the reply.
    before_replies: Vec<usize>,
    /// From the request of a reply to its call, in ms, sorted.
    replies: Vec<f64>,
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let place = args.iter().position(|arg| arg == "--campaign");
    let campaign = place.and_then(|place| args.get(place + 1)?.parse().ok()).unwrap_or(CAMPAIGN);
    let (binary, build) = binary();
    let made = std::fs::metadata(&binary).and_then(|file| file.modified()).ok();
    let age = made.and_then(|made| made.elapsed().ok()).map_or(0, |age| age.as_secs() / 60);
    eprintln!("pace: {build} build of {age} minutes ago, {}", binary.display());
    let binary = binary.to_str().expect("a path in Unicode");
    let mut rows = measure("embedded", Installation::embedded(binary).await, campaign).await;
    if let Some(fleet) = Installation::fleet(binary).await {
        rows.extend(measure("fleet", fleet, campaign).await);
    }
    if args.iter().any(|arg| arg == "--json") {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        println!(
            "{}",
            json!({"benchmark": "campaign_in_the_way", "build": build, "campaign": campaign, "rows": rows})
        );
    } else {
        println!(
            "{:<10}{:<10}{:>12}{:>8}{:>8}{:>16}{:>18}",
            "", "campaign", "starts p50", "p99", "max, ms", "replies p50, ms", "campaign's before"
        );
        for row in &rows {
            let starts = [0.5, 0.99, 1.0].map(|q| quantile(&row.starts, q));
            println!(
                "{:<10}{:<10}{:>12.0}{:>8.0}{:>8.0}{:>16.0}{:>18}",
                row.installation,
                row.stage,
                starts[0],
                starts[1],
                starts[2],
                quantile(&row.replies, 0.5),
                format!("{:?}", row.before_replies),
            );
        }
    }
}

/// What is named, else the release build if there is one, else whatever there is.
fn binary() -> (PathBuf, &'static str) {
    if let Some(named) = std::env::var_os("ROOKERY_BINARY") {
        return (PathBuf::from(named), "named");
    }
    let here = std::env::current_exe().expect("a path of its own");
    let target = here.ancestors().nth(3).expect("it lies in the target folder");
    let builds = ["release", "debug"].map(|build| (target.join(build).join("rookery"), build));
    let found = builds.into_iter().find(|(path, _)| path.exists());
    found.expect("build it first: cargo build --release -p rookery")
}

async fn measure(name: &'static str, installation: Installation, campaign: usize) -> Vec<Row> {
    let begun = Instant::now();
    let account = installation.connect("campaign", SCALE, json!({})).await;
    let mut others = Vec::new();
    for n in 0..2 * OTHERS {
        others.push(installation.connect(&format!("other-{n}"), 1.0, json!({})).await);
    }
    for n in 0..2 * REPLIES {
        installation.contact_writes("campaign", &format!("asks-{n}"), "Are you there?").await;
    }
    let path = format!("/v1/accounts/{account}");
    installation.api().post(&format!("{path}/pause"), &json!({})).await;
    for first in (0..campaign).step_by(BATCH) {
        let messages: Vec<_> = (first..campaign.min(first + BATCH))
            .map(|n| text(&account, &format!("stranger-{n}"), &format!("Offer {n}."), "campaign"))
            .collect();
        installation.api().post("/v1/messages/batch", &json!({ "messages": messages })).await;
    }
    eprintln!("pace: {name}: {campaign} messages accepted after {:.0} s", begun.elapsed().as_secs_f64());
    installation.api().post(&format!("{path}/resume"), &json!({})).await;
    sent(&installation, 2).await;
    let (replies, others_now) = others.split_at(OTHERS);
    let sending = stage(&installation, name, "sending", &account, replies, 0).await;
    sent(&installation, NEW_CONTACTS).await;
    let waiting = stage(&installation, name, "waiting", &account, others_now, REPLIES).await;
    vec![sending, waiting]
}

/// Waits until the campaign has sent so many.
async fn sent(installation: &Installation, least: u64) {
    until(&format!("{least} of the campaign are sent"), async || {
        let sent = sends(installation).await.iter().filter(|(chat, _)| chat.starts_with("stranger")).count();
        (sent as u64 >= least).then_some(())
    })
    .await;
}

/// Other accounts write for the first time, and the campaign's account replies, at one stage of the campaign.
async fn stage(
    installation: &Installation,
    name: &'static str,
    stage: &'static str,
    account: &str,
    others: &[String],
    first_asker: usize,
) -> Row {
    let mut row = Row {
        installation: name,
        stage,
        starts: Vec::new(),
        before_replies: Vec::new(),
        replies: Vec::new(),
    };
    for n in first_asker..first_asker + REPLIES {
        let chat = format!("asks-{n}");
        let begun = now_us();
        let body = text(account, &chat, "Here I am.", "conversation");
        installation.api().post("/v1/messages", &body).await;
        let accepted = now_us();
        let at = until("a reply is sent", async || {
            sends(installation).await.into_iter().find(|(to, _)| *to == chat).map(|(_, at)| at)
        })
        .await;
        let all = sends(installation).await;
        let between =
            |(to, sent): &&(String, u64)| to.starts_with("stranger") && (accepted..at).contains(sent);
        row.before_replies.push(all.iter().filter(between).count());
        row.replies.push(ms(begun, at));
    }
    let gate = Arc::new(Semaphore::new(16));
    let calls: Vec<_> = others
        .iter()
        .map(|other| {
            let (api, gate) = (installation.api().clone(), gate.clone());
            let (other, chat) = (other.clone(), format!("first-of-{other}"));
            tokio::spawn(async move {
                let _place = gate.acquire_owned().await.expect("the gate stays open");
                let begun = now_us();
                api.post("/v1/messages", &text(&other, &chat, "Hello.", "transactional")).await;
                (chat, begun)
            })
        })
        .collect();
    let mut begun = BTreeMap::new();
    for call in calls {
        let (chat, at) = call.await.expect("it is accepted");
        begun.insert(chat, at);
    }
    row.starts = until("the first messages of all other accounts start", async || {
        let first = first_calls(installation).await;
        begun.iter().map(|(chat, begun)| Some(ms(*begun, *first.get(chat)?))).collect()
    })
    .await;
    row.starts.sort_by(f64::total_cmp);
    row.replies.sort_by(f64::total_cmp);
    row
}

/// The campaign's account's sends: to whom, and when the call arrived, in µs since 1970.
async fn sends(installation: &Installation) -> Vec<(String, u64)> {
    let token = installation.token("campaign");
    let calls = installation.sandbox().get(&format!("/control/record?account={token}&limit=10000")).await;
    let sends = calls.as_array().into_iter().flatten().filter(|call| call["what"] == "send");
    sends
        .filter_map(|call| Some((call["chat"].as_str()?.to_owned(), call["arrived_at_us"].as_u64()?)))
        .collect()
}

/// When the first call about each chat arrived.
async fn first_calls(installation: &Installation) -> BTreeMap<String, u64> {
    let mut first = BTreeMap::new();
    for call in installation.record().await {
        if let (Some(chat), Some(at)) = (call["chat"].as_str(), call["arrived_at_us"].as_u64()) {
            first.entry(chat.to_owned()).or_insert(at);
        }
    }
    first
}

fn text(account: &str, to: &str, text: &str, purpose: &str) -> Value {
    json!({
        "account_id": account, "to": {"address": to}, "content": {"type": "text", "text": text}, "purpose": purpose,
    })
}

impl Row {
    fn json(&self) -> Value {
        json!({
            "installation": self.installation,
            "stage": self.stage,
            "start_ms": {
                "p50": quantile(&self.starts, 0.5),
                "p99": quantile(&self.starts, 0.99),
                "max": quantile(&self.starts, 1.0),
            },
            "reply_ms": {"p50": quantile(&self.replies, 0.5), "max": quantile(&self.replies, 1.0)},
            "campaign_before_replies": self.before_replies,
        })
    }
}

fn now_us() -> u64 {
    u64::try_from(SystemClock.now().as_micros()).expect("after 1970")
}

fn ms(from_us: u64, to_us: u64) -> f64 {
    Duration::from_micros(to_us.saturating_sub(from_us)).as_secs_f64() * 1e3
}

/// The value that a share `q` of `sorted` does not exceed.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let place = (q * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}
