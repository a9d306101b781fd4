//! What is done to the fleet while it works.

use std::fmt;
use std::time::Instant;

use model::Ids;
use tests::harness::{Api, Installation, until};
use tests::servers::Redis;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use crate::plan::pick;
use crate::record::Record;
use crate::{Size, WORKERS};

/// The one who does it.
pub struct Chaos {
    ids: Ids,
    size: Size,
    messages: usize,
    deeds: Deeds,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy)]
pub struct Deeds {
    kills: usize,
    flushes: usize,
}

impl Deeds {
    /// Whether everything was done that was meant to be.
    pub const fn are_done(self) -> bool {
        self.kills > 0 && self.flushes == 1
    }
}

impl fmt::Display for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} workers killed, Redis flushed {} time(s)", self.kills, self.flushes)
    }
}

impl Chaos {
    pub fn new(ids: Ids, size: Size, messages: usize) -> Self {
        Self { ids, size, messages, deeds: Deeds::default() }
    }

    /// Kills, starts, flushes, until nothing is left to send.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn run<T>(
        mut self,
        installation: &mut Installation,
        redis: &Redis,
        record: &mut Record,
        loader: &JoinHandle<T>,
    ) -> Deeds {
        let (api, sandbox) = (installation.api().clone(), installation.sandbox());
        until("the first message is sent", async || {
            record.catch_up(&sandbox).await;
            (record.accepted() > 0 || loader.is_finished()).then_some(())
        })
        .await;
        let begun = Instant::now();
        let mut next = begun + self.pause();
        loop {
            sleep(Duration::from_millis(200)).await;
            record.catch_up(&sandbox).await;
            if self.deeds.flushes == 0 && record.accepted() >= self.messages / 2 {
                redis.command(&["FLUSHALL"]);
                self.deeds.flushes += 1;
            }
            let unrest = begun.elapsed() < self.size.unrest;
            if unrest && Instant::now() >= next {
                tokio::task::block_in_place(|| self.kill_or_start(installation));
                next = Instant::now() + self.pause();
            }
            if !unrest {
                tokio::task::block_in_place(|| start_all(installation));
                if loader.is_finished() && nothing_left(&api).await {
                    break;
                }
                assert!(begun.elapsed() < self.size.patience, "{}", stuck(&api, record).await);
            }
        }
        self.deeds
    }

    /// Half a second to three and a half.
    fn pause(&self) -> Duration {
        Duration::from_millis(500 + self.ids.number() % 3_000)
    }

    /// Kills a worker or starts one that was killed; the last one alive lives on.
    fn kill_or_start(&mut self, installation: &mut Installation) {
        let number = pick(&self.ids, WORKERS);
        let alive = (0..WORKERS).filter(|number| installation.worker_lives(*number)).count();
        if !installation.worker_lives(number) {
            installation.start_worker(number);
        } else if alive > 1 {
            installation.kill_worker(number);
            self.deeds.kills += 1;
        }
    }
}

fn start_all(installation: &mut Installation) {
    for number in 0..WORKERS {
        if !installation.worker_lives(number) {
            installation.start_worker(number);
        }
    }
}

async fn nothing_left(api: &Api) -> bool {
    for status in ["queued", "sending", "scheduled"] {
        let page = api.get(&format!("/v1/messages?status={status}&limit=1")).await;
        if page["data"].as_array().is_none_or(|rows| !rows.is_empty()) {
            return false;
        }
    }
    true
}

/// What to say when it does not end: who waits, and for what.
async fn stuck(api: &Api, record: &Record) -> String {
    let page = api.get("/v1/messages?status=queued&limit=5").await;
    let mut waiting = Vec::new();
    for row in page["data"].as_array().into_iter().flatten() {
        let id = row["id"].as_str().unwrap_or_default();
        waiting.push(api.get(&format!("/v1/messages/{id}")).await.to_string());
    }
    format!("{} calls taken, and it does not end; waiting are:\n{}", record.accepted(), waiting.join("\n"))
}
