//! A fleet on a Redis and a Postgres of its own, so that what they cost can be told apart.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::args::Args;
use super::load::{Post, Target};
use super::processes::{Tree, children};
use super::profile::Profile;
use crate::harness::{Api, Installation, at_once};
use crate::servers::{self, Postgres, Redis};

/// Switches off what paces a Telegram bot, so that the machine is the limit.
const BOT_RULES_OFF: [&str; 3] = ["account_second", "chat_second", "group_minute"];

/// How many accounts are connected at once.
const AT_ONCE: usize = 16;

/// A running fleet with its servers.
#[derive(Debug)]
pub struct Fleet {
    /// Rookery's processes, and the sandbox.
    pub installation: Installation,
    redis: Redis,
    postgres: Postgres,
}

/// Processor seconds used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// By Rookery's web processes.
    pub web: f64,
    /// By its workers.
    pub workers: f64,
    /// By its scheduler.
    pub scheduler: f64,
    /// By Redis.
    pub redis: f64,
    /// By Postgres.
    pub postgres: f64,
}

impl Cost {
    /// What was used since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            web: self.web - before.web,
            workers: self.workers - before.workers,
            scheduler: self.scheduler - before.scheduler,
            redis: self.redis - before.redis,
            postgres: self.postgres - before.postgres,
        }
    }

    /// All of it.
    pub fn all(self) -> f64 {
        self.rookery() + self.redis + self.postgres
    }

    /// By Rookery's own processes.
    pub fn rookery(self) -> f64 {
        self.web + self.workers + self.scheduler
    }
}

impl Fleet {
    /// Starts servers and a fleet with so many workers; none where there are no servers, and then it says so.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(workers: usize, more: &[(&'static str, String)]) -> Option<Self> {
        if !servers::present("what needs Postgres and Redis") {
            return None;
        }
        let (redis, mut postgres) = (Redis::start(), Postgres::start());
        if Args::read().has("--profile") {
            Profile::prepare(&mut postgres).await;
        }
        let mut vars = vec![
            ("REDIS_URL", redis.url()),
            ("DATABASE_URL", postgres.url()),
            ("ROOKERY_LOG", "warn".to_owned()),
        ];
        vars.push(("ROOKERY_DATABASE_CONNECTIONS", "20".to_owned()));
        vars.extend_from_slice(more);
        let binary = binary();
        let binary = binary.to_str().expect("a path in Unicode");
        let installation = Installation::fleet_of(binary, workers, &vars).await?;
        Some(Self { installation, redis, postgres })
    }

    /// Where its Redis listens.
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// Where its Postgres listens.
    pub fn database_url(&self) -> String {
        self.postgres.url()
    }

    /// Its Redis, and everything below it.
    pub fn redis(&self) -> Tree {
        Tree(self.redis.pid())
    }

    /// Its Postgres, and everything below it.
    pub fn postgres(&self) -> Tree {
        Tree(self.postgres.pid())
    }

    /// Rookery's own processes.
    pub fn rookery(&self) -> Vec<Tree> {
        ["web", "worker", "scheduler"].into_iter().flat_map(children).collect()
    }

    /// Processor time used so far.
    pub fn cost(&self) -> Cost {
        let sum = |word| children(word).into_iter().map(Tree::seconds).sum();
        Cost {
            web: sum("web"),
            workers: sum("worker"),
            scheduler: sum("scheduler"),
            redis: self.redis().seconds(),
            postgres: self.postgres().seconds(),
        }
    }

    /// Waits until what is left to do after the last call is done: until everything is about idle.
    pub async fn settled(&self) {
        let mut before = self.cost().all();
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.cost().all();
            // A tenth of a core is more than waiting costs.
            if now - before < 0.05 {
                return;
            }
            before = now;
        }
    }

    /// Where load on its API goes.
    pub fn target(&self) -> Target {
        let api = self.installation.api();
        Target {
            host: api.base().trim_start_matches("http://").to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {}", api.key()))],
        }
    }

    /// Connects so many accounts, as `body` says for each number; their ids.
    pub async fn connect(&self, accounts: usize, body: impl Fn(usize) -> Value) -> Vec<String> {
        connect(self.installation.api(), accounts, body).await
    }

    /// Connects so many Telegram bots whose rules are off.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn connect_bots(&self, bots: usize) -> Vec<String> {
        let pacing: Value = BOT_RULES_OFF.iter().map(|rule| ((*rule).to_owned(), json!("off"))).collect();
        self.connect(bots, |number| {
            json!({
                "channel": "telegram", "name": format!("bot-{number}"),
                "credentials": {"bot_token": format!("{}:token", 1_000 + number)},
                "pacing": pacing, "i_accept_the_risk": true,
            })
        })
        .await
    }

    /// A request that sends a text.
    pub fn text(account: &str, address: &str, text: &str) -> Post {
        let body = json!({
            "account_id": account, "to": {"address": address}, "content": {"type": "text", "text": text},
            "purpose": "transactional",
        });
        Post { path: "/v1/messages".to_owned(), body: Bytes::from(body.to_string()), headers: Vec::new() }
    }
}

/// The release build, which alone is worth measuring, or what `ROOKERY_BINARY` names: to compare two builds. Says how old
/// it is.
///
/// # Panics
/// When there is none.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("ROOKERY_BINARY").map_or_else(
        || {
            let here = std::env::current_exe().expect("a path of its own");
            here.ancestors().nth(3).expect("it lies in the target folder").join("release/rookery")
        },
        PathBuf::from,
    );
    let made = std::fs::metadata(&path).and_then(|file| file.modified());
    let made = made.expect("build it first: cargo build --release -p rookery");
    let age = made.elapsed().map_or(0, |age| age.as_secs() / 60);
    eprintln!("{}: built {age} minutes ago", path.display());
    path
}

/// Connects so many accounts, as `body` says for each number; their ids.
///
/// # Panics
/// When one is refused.
pub async fn connect(api: &Api, accounts: usize, body: impl Fn(usize) -> Value) -> Vec<String> {
    let calls = (0..accounts).map(|number| {
        let (api, body) = (api.clone(), body(number));
        async move {
            let account = api.post("/v1/accounts", &body).await;
            account["id"].as_str().expect("an account has an id").to_owned()
        }
    });
    at_once(AT_ONCE, calls).await
}
