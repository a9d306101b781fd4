//! What everything leans on is away: a provider that is down or slow, a disk that is full, a database that is gone or
//! frozen. Whoever asks is answered in good time, nothing that was accepted is lost, and when it is back everything goes
//! on by itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use outbound::{Http, HttpConfig};
use serde_json::{Value, json};
use tests::harness::{Api, Installation, Process, until};
use tests::servers::{self, Postgres};
use tests::simulators::telegram::{Options, Telegram};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{BINARY, at_once, becomes, drained, text, unbroken};

const SENT: &[&str] = &["sent", "delivered", "read"];

/// How long the database is away: a minute in a long run.
fn away() -> Duration {
    Duration::from_secs(if std::env::var_os("ROOKERY_LONG").is_some() { 60 } else { 10 })
}

fn id(message: &Value) -> &str {
    message["id"].as_str().unwrap()
}

/// A line to a provider that can be cut: nobody listens then, and what was connected is not any more.
struct Line {
    addr: std::net::SocketAddr,
    to: String,
    running: Mutex<Option<JoinSet<()>>>,
}

impl Line {
    async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let line = Self { addr, to: url.replace("http://", ""), running: Mutex::new(None) };
        line.listen(listener);
        line
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn listen(&self, listener: TcpListener) {
        let (to, mut running) = (self.to.clone(), JoinSet::new());
        running.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let to = to.clone();
                calls.spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(to).await {
                        drop(copy_bidirectional(&mut from, &mut there).await);
                    }
                });
            }
        });
        *self.running.lock().unwrap() = Some(running);
    }

    async fn cut(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(mut running) = running {
            running.shutdown().await;
        }
    }

    async fn mend(&self) {
        self.listen(TcpListener::bind(self.addr).await.unwrap());
    }
}

/// An account of a Telegram bot beside the sandbox's, and a chat that it may write to.
async fn bot(installation: &Installation, telegram: &Telegram) -> (String, String) {
    let bot = telegram.bot();
    let person = bot.person("Anna");
    let body = json!({"channel": "telegram", "credentials": {"bot_token": bot.token}});
    let account = installation.api().post("/v1/accounts", &body).await;
    (account["id"].as_str().unwrap().to_owned(), person.chat.to_string())
}

/// How long a message to a well provider takes.
async fn passes(api: &Api, account: &str, chat: &str) -> Duration {
    let started = Instant::now();
    let message = api.post("/v1/messages", &text(account, chat, "Through?", "transactional")).await;
    becomes(api, id(&message), SENT).await;
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_is_left_alone_and_slows_no_other() {
    let folder = tempfile::TempDir::new().unwrap();
    let log = folder.path().join("sandbox.log");
    let sandbox = Process::start(BINARY, &["sandbox", "--addr", "127.0.0.1:0"], &[], &log);
    let line = Line::to(sandbox.greeting.rsplit(' ').next().unwrap()).await;
    let telegram = Telegram::start(Options::default()).await;
    let vars = [
        ("ROOKERY_SANDBOX_URL", line.url()),
        ("ROOKERY_TELEGRAM_URL", telegram.base_url()),
        ("ROOKERY_CONCURRENCY", "8".to_owned()),
        ("ROOKERY_BREAKER_LONGEST_MS", "2000".to_owned()),
    ];
    let installation = Installation::embedded_with(BINARY, &vars).await;
    let api = installation.api();
    let (well, chat) = bot(&installation, &telegram).await;
    let mut accounts = Vec::new();
    for n in 0..12 {
        accounts.push(installation.connect(&format!("shop-{n}"), 1_000.0, json!({})).await);
    }
    line.cut().await;
    let mut messages = Vec::new();
    for account in &accounts {
        for n in 0..3 {
            let message = text(account, &format!("customer-{n}"), "Hello.", "transactional");
            messages.push(api.post("/v1/messages", &message).await);
        }
    }
    for message in messages.iter().step_by(7) {
        until("it waits for its provider", async || {
            let message = api.get(&format!("/v1/messages/{}", id(message))).await;
            (message["waiting"]["rule"] == "provider_down").then_some(())
        })
        .await;
    }
    let took = passes(api, &well, &chat).await;
    assert!(took < Duration::from_secs(3), "the other provider's message took {took:?}");
    // Long enough for several probes, none of which finds anybody.
    tokio::time::sleep(Duration::from_secs(5)).await;
    line.mend().await;
    let mended = Instant::now();
    let mut attempts = 0;
    for message in &messages {
        becomes(api, id(message), SENT).await;
        let timeline = api.get(&format!("/v1/messages/{}/timeline", id(message))).await;
        attempts += timeline.to_string().matches(r#""outcome":"#).count();
    }
    println!("{} messages, {attempts} attempts, back after {:?}", messages.len(), mended.elapsed());
    // Those that opened the breaker, those that were under way then, and one with each probe.
    assert!(
        (messages.len()..=messages.len() + 20).contains(&attempts),
        "{attempts} attempts for {} messages",
        messages.len()
    );
    let metrics = api.text("/metrics").await.unwrap();
    assert!(metrics.contains("rookery_provider_breaker_opened_total"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_slow_takes_no_more_than_its_share() {
    let telegram = Telegram::start(Options::default()).await;
    let vars = [("ROOKERY_TELEGRAM_URL", telegram.base_url()), ("ROOKERY_CONCURRENCY", "8".to_owned())];
    let installation = Installation::embedded_with(BINARY, &vars).await;
    let api = installation.api();
    let (well, chat) = bot(&installation, &telegram).await;
    let mut slow = Vec::new();
    for n in 0..40 {
        let account = installation.connect(&format!("shop-{n}"), 1_000.0, json!({})).await;
        slow.push(api.post("/v1/messages", &text(&account, "slow-4000", "Hello.", "transactional")).await);
    }
    until("the slow provider has all that it gets", async || {
        let sending = api.get("/v1/messages?status=sending&limit=50").await;
        (sending["data"].as_array()?.len() >= 6).then_some(())
    })
    .await;
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        longest = longest.max(passes(api, &well, &chat).await);
    }
    println!("beside a slow provider a message takes {longest:?} at most");
    assert!(longest < Duration::from_secs(3), "{longest:?}: it waited for slots that a slow provider holds");
    until("one of those that come later says why", async || {
        for message in &slow {
            let message = api.get(&format!("/v1/messages/{}", id(message))).await;
            if message["waiting"]["rule"] == "provider_busy" {
                return Some(());
            }
        }
        None
    })
    .await;
}

/// The binary in a shell that ignores the signal of a file that grows too large, so that writes fail as on a full disk.
fn on_a_small_disk(folder: &std::path::Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let script = folder.join("rookery");
    std::fs::write(&script, format!("#!/bin/sh\ntrap '' XFSZ\nexec '{BINARY}' \"$@\"\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script.display().to_string()
}

/// Lets a process's files grow to so many bytes.
fn limit_files(process: u32, bytes: &str) {
    let process = process.to_string();
    let status = std::process::Command::new("prlimit")
        .args(["--pid", &process, &format!("--fsize={bytes}:")])
        .status()
        .unwrap();
    assert!(status.success(), "prlimit sets the limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_turns_writers_away_and_loses_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let installation = Installation::embedded(&on_a_small_disk(folder.path())).await;
    let api = installation.api();
    let account = installation.connect("shop", 1_000.0, json!({})).await;
    let mut accepted = Vec::new();
    for n in 0..20 {
        let message = text(&account, &format!("slow-300-{n}"), &format!("Text. #x:{n}"), "transactional");
        accepted.push(api.post("/v1/messages", &message).await);
    }
    until("some are on their way", async || {
        (installation.report().await["accepted"].as_u64()? >= 3).then_some(())
    })
    .await;
    let process = installation.ids("serve")[0];
    limit_files(process, "1");
    let full = Instant::now();
    let refused = until("a write fails", async || {
        let message = text(&account, "later", "Later.", "transactional");
        let answer = api.try_post("/v1/messages", &message, &[]).await?;
        if answer.status == 202 {
            accepted.push(answer.body);
            return None;
        }
        Some(answer)
    })
    .await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let ready = until("it says so", async || {
        let ready = api.try_get("/readyz").await?;
        (ready.status != 200).then_some(ready)
    })
    .await;
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(full.elapsed() < Duration::from_secs(5), "it took {:?} to say so", full.elapsed());
    assert_eq!(api.try_get("/healthz").await.unwrap().status, 200);
    // What is there is read as before.
    assert_eq!(api.get(&format!("/v1/messages/{}", id(&accepted[0]))).await["id"], accepted[0]["id"]);
    let lines = installation.logs().lines().count();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let more = installation.logs().lines().count() - lines;
    assert!(more < 500, "{more} lines of log in five seconds: something turns in a circle");
    limit_files(process, "unlimited");
    let room = Instant::now();
    until("it is ready again", async || (api.try_get("/readyz").await?.status == 200).then_some(())).await;
    for message in &accepted {
        becomes(api, id(message), SENT).await;
    }
    println!("drained {:?} after there was room", room.elapsed());
    let calls = installation.record().await;
    assert_eq!(
        calls.iter().filter(|call| call["what"] == "send").count(),
        accepted.len(),
        "each was sent once"
    );
    unbroken(&installation).await;
}

/// A request as anybody makes it: its status and `Retry-After`, and how long it took.
async fn ask(http: &Http, api: &Api, body: Option<&Value>) -> (u16, Option<String>, Duration) {
    let started = Instant::now();
    let patience = Duration::from_secs(45);
    let request = match body {
        Some(body) => http.provider().post(&format!("{}/v1/messages", api.base()), patience).json(body),
        None => http.provider().get(&format!("{}/v1/messages?limit=1", api.base()), patience),
    };
    let answer = request.bearer(api.key()).answer(1_000_000).await.unwrap();
    (answer.status, answer.header("retry-after").map(str::to_owned), started.elapsed())
}

fn client() -> Http {
    Http::new(&HttpConfig { max_per_host: 1_000, breaker: None, ..HttpConfig::default() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_makes_nobody_wait_long_and_loses_nothing() {
    if !servers::present("a database that is away") {
        return;
    }
    let mut postgres = Postgres::start();
    let vars = [("DATABASE_URL", postgres.url()), ("ROOKERY_MAX_REQUESTS", "40".to_owned())];
    let Some(installation) = Installation::fleet_with(BINARY, &vars).await else { return };
    let api = installation.api().clone();
    let account = installation.connect("shop", 1_000.0, json!({})).await;
    let accepted = Arc::new(Mutex::new(Vec::new()));
    for n in 0..150 {
        let body = text(&account, &format!("customer-{}", n % 10), "Text.", "transactional");
        let message = api.post("/v1/messages", &body).await;
        accepted.lock().unwrap().push(message);
    }
    until("some are out", async || (installation.report().await["accepted"].as_u64()? >= 20).then_some(()))
        .await;
    postgres.kill();
    let gone = Instant::now();
    let unready =
        until("it is not ready", async || api.try_get("/readyz").await.filter(|answer| answer.status != 200))
            .await;
    assert_eq!(unready.status, 503, "{unready:?}");
    assert!(gone.elapsed() < Duration::from_secs(4), "readiness took {:?} to notice", gone.elapsed());

    // A crowd: some wait their five seconds for a connection, the rest is turned away at once.
    let http = client();
    let asked = (0..120).map(|n| {
        let (http, api, account) = (http.clone(), api.clone(), account.clone());
        async move {
            let body = text(&account, "nobody", &format!("Refused {n}."), "transactional");
            ask(&http, &api, Some(&body)).await
        }
    });
    let answers = at_once(120, asked).await;
    let longest = answers.iter().map(|(_, _, took)| *took).max().unwrap();
    let quick = answers.iter().filter(|(_, _, took)| *took < Duration::from_secs(1)).count();
    println!("120 asked at once: the longest took {longest:?}, {quick} were turned away at once");
    for (status, retry_after, _) in &answers {
        assert_eq!(*status, 503);
        assert!(retry_after.is_some(), "it says when to come again");
    }
    assert!(longest < Duration::from_secs(8), "{longest:?}");
    assert!(quick >= 60, "only {quick} were turned away at once");

    let sent = installation.report().await["accepted"].as_u64().unwrap();
    let lines = installation.logs().lines().count();
    tokio::time::sleep(away().saturating_sub(gone.elapsed())).await;
    let more = installation.logs().lines().count() - lines;
    println!("{more} lines of log while it was away");
    assert!(more < 5_000, "{more} lines of log: something turns in a circle");
    assert_eq!(installation.report().await["accepted"], sent, "nothing is sent without a ledger");
    postgres.restart();
    let back = Instant::now();
    until("it is ready again", async || (api.try_get("/readyz").await?.status == 200).then_some(())).await;
    println!("ready {:?} after it was back", back.elapsed());
    let messages = drained(&api, &account).await;
    println!("drained {:?} after it was back", back.elapsed());
    assert!(back.elapsed() < Duration::from_mins(2), "drained after {:?}", back.elapsed());
    let accepted = accepted.lock().unwrap().clone();
    assert_eq!(messages.len(), accepted.len(), "what was refused is not there");
    for message in &messages {
        assert!(SENT.contains(&message["status"].as_str().unwrap()), "{message}");
    }
    unbroken(&installation).await;
}

/// The first process of a Postgres and those that it made.
fn family(pid: u32) -> Vec<String> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    std::iter::once(pid.to_string()).chain(children.split_whitespace().map(str::to_owned)).collect()
}

fn signal(name: &str, pids: &[String]) {
    let status = std::process::Command::new("kill").arg("-s").arg(name).args(pids).status().unwrap();
    assert!(status.success(), "kill -s {name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_frozen_hangs_nobody() {
    if !servers::present("a database that is frozen") {
        return;
    }
    let postgres = Postgres::start();
    let vars = [("DATABASE_URL", postgres.url())];
    let Some(installation) = Installation::fleet_with(BINARY, &vars).await else { return };
    let api = installation.api();
    let account = installation.connect("shop", 1_000.0, json!({})).await;
    let first = api.post("/v1/messages", &text(&account, "alice", "1", "transactional")).await;
    becomes(api, id(&first), SENT).await;
    let frozen = family(postgres.pid());
    signal("STOP", &frozen);
    let began = Instant::now();
    let unready =
        until("it is not ready", async || api.try_get("/readyz").await.filter(|answer| answer.status != 200))
            .await;
    assert_eq!(unready.status, 503, "{unready:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "readiness took {:?} to notice", began.elapsed());
    let http = client();
    let body = text(&account, "alice", "2", "transactional");
    let (write, read) = tokio::join!(ask(&http, api, Some(&body)), ask(&http, api, None));
    println!("frozen: a write was answered {write:?}, a read {read:?}");
    for (status, _, took) in [&write, &read] {
        assert!([503, 504].contains(status), "{status}");
        assert!(*took < Duration::from_secs(31), "{took:?}");
    }
    signal("CONT", &frozen);
    until("it is ready again", async || (api.try_get("/readyz").await?.status == 200).then_some(())).await;
    let last = api.post("/v1/messages", &text(&account, "alice", "3", "transactional")).await;
    becomes(api, id(&last), SENT).await;
}
