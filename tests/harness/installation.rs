//! A whole installation: the sandbox in a process of its own, so that its record outlives what it judges, and Rookery as
//! one process or as a fleet.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Api, Process, until};

/// One role of a running installation and what started it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) role: &'static str,
    pub(super) vars: Vec<(&'static str, String)>,
    pub(super) process: Process,
}

/// A running installation.
#[derive(Debug)]
pub struct Installation {
    pub(super) binary: String,
    _sandbox: Process,
    sandbox_url: String,
    pub(super) members: Vec<Member>,
    api: Api,
    ports: Vec<u16>,
    shared: Vec<(&'static str, String)>,
    // Last, so that the logs are there while the processes end.
    pub(super) folder: TempDir,
}

impl Installation {
    /// One process on `SQLite` and memory.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn embedded(binary: &str) -> Self {
        Self::embedded_with(binary, &[]).await
    }

    /// The same, with more variables.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn embedded_with(binary: &str, vars: &[(&'static str, String)]) -> Self {
        let mut installation = Self::prepare(binary, vars);
        let port = installation.free_port();
        installation.shared.push(("ROOKERY_PUBLIC_URL", format!("http://127.0.0.1:{port}")));
        let data = installation.folder.path().join("data");
        installation.shared.push(("ROOKERY_DATA", data.display().to_string()));
        installation.add("serve", vec![("PORT", port.to_string())]);
        let key = std::fs::read_to_string(data.join("api-key")).expect("the first API key is in its file");
        installation.api = Api::new(format!("http://127.0.0.1:{port}"), key.trim());
        installation.ready().await;
        installation
    }

    /// A fleet on the Postgres and Redis that `tests/run` started: web, scheduler and two workers, each a process. None
    /// when there are no such servers; then it says so.
    ///
    /// # Panics
    /// When it does not start, or when there must be servers and are none.
    pub async fn fleet(binary: &str) -> Option<Self> {
        Self::fleet_with(binary, &[]).await
    }

    /// The same, with more variables.
    ///
    /// # Panics
    /// When it does not start, or when there must be servers and are none.
    pub async fn fleet_with(binary: &str, vars: &[(&'static str, String)]) -> Option<Self> {
        Self::fleet_of(binary, 2, vars).await
    }

    /// The same, with so many workers.
    ///
    /// # Panics
    /// When it does not start, or when there must be servers and are none.
    pub async fn fleet_of(binary: &str, workers: usize, vars: &[(&'static str, String)]) -> Option<Self> {
        let servers = Servers::find()?;
        let mut installation = Self::prepare(binary, vars);
        let port = installation.free_port();
        let name = unique_name();
        // One place of files for all processes, as a fleet needs it.
        let media = format!("file://{}", installation.folder.path().join("media").display());
        installation.shared.extend([
            ("ROOKERY_MEDIA_URL", media),
            ("DATABASE_URL", servers.database(&name).await),
            ("REDIS_URL", servers.redis.clone()),
            ("ROOKERY_REDIS_PREFIX", name),
            ("ROOKERY_DATABASE_CONNECTIONS", "8".to_owned()),
            ("ROOKERY_ENCRYPTION_KEY", format!("1:{}=", "A".repeat(43))),
            ("ROOKERY_PUBLIC_URL", format!("http://127.0.0.1:{port}")),
        ]);
        // Who asks for another value gets it.
        installation.shared.extend_from_slice(vars);
        let log = installation.folder.path().join("keys.log");
        let key = Process::start(binary, &["keys", "create"], &installation.shared, &log).greeting.clone();
        installation.add("web", vec![("PORT", port.to_string())]);
        installation.add("scheduler", vec![]);
        for _ in 0..workers {
            installation.add("worker", vec![]);
        }
        installation.api = Api::new(format!("http://127.0.0.1:{port}"), key);
        installation.ready().await;
        Some(installation)
    }

    fn prepare(binary: &str, vars: &[(&'static str, String)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let state = folder.path().join("sandbox.json").display().to_string();
        let log = folder.path().join("sandbox.log");
        let args = ["sandbox", "--addr", "127.0.0.1:0", "--state", &state];
        let sandbox = Process::start(binary, &args, &[], &log);
        let sandbox_url = sandbox.greeting.rsplit(' ').next().unwrap_or_default().to_owned();
        let mut shared = vec![
            ("ROOKERY_SANDBOX_URL", sandbox_url.clone()),
            ("ROOKERY_LOG", std::env::var("ROOKERY_TEST_LOG").unwrap_or_else(|_| "info".to_owned())),
        ];
        shared.extend_from_slice(vars);
        Self {
            binary: binary.to_owned(),
            folder,
            _sandbox: sandbox,
            sandbox_url,
            members: Vec::new(),
            api: Api::new("", ""),
            ports: Vec::new(),
            shared,
        }
    }

    /// A client of the REST API with all rights.
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// A client of the sandbox.
    pub fn sandbox(&self) -> Api {
        Api::new(self.sandbox_url.clone(), "")
    }

    /// What the sandbox counted.
    pub async fn report(&self) -> Value {
        self.sandbox().get("/control/report").await
    }

    /// Every message that the sandbox took, in order of arrival.
    pub async fn record(&self) -> Vec<Value> {
        let mut calls = Vec::new();
        loop {
            let after = calls.last().map_or(0, |call: &Value| call["n"].as_u64().unwrap_or(0));
            let page = self.sandbox().get(&format!("/control/record?after={after}&limit=1000")).await;
            let page = page.as_array().cloned().unwrap_or_default();
            if page.is_empty() {
                return calls;
            }
            calls.extend(page);
        }
    }

    /// Connects a sandbox account whose pacing is `scale` times as quick, with more fields as given.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn connect(&self, name: &str, scale: f64, more: Value) -> String {
        let mut body = json!({
            "channel": "sandbox", "name": name, "credentials": {"token": self.token(name)}, "pace_scale": scale,
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let account = self.api.post("/v1/accounts", &body).await;
        account["id"].as_str().expect("an account has an id").to_owned()
    }

    /// Connects a sandbox account that keeps a session, and pairs it, with more fields as given.
    ///
    /// # Panics
    /// When it is refused, or cannot be paired in good time.
    pub async fn pair(&self, name: &str, scale: f64, more: Value) -> String {
        let mut body = json!({
            "channel": "sandbox", "name": name, "settings": {"mode": "session"}, "pace_scale": scale,
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let account = self.api.post("/v1/accounts", &body).await;
        let id = account["id"].as_str().expect("an account has an id").to_owned();
        let connect = format!("/v1/accounts/{id}/connect");
        let code = until("the session shows a code", async || {
            let answer = self.api.call("POST", &connect, &json!({})).await;
            (answer.status == 202).then(|| answer.body["step"]["code"].clone())
        })
        .await;
        let scan = json!({"token": self.token(name), "code": code});
        self.sandbox().post("/control/sessions/pair", &scan).await;
        let status = format!("/v1/accounts/{id}/status");
        until("the account is connected", async || {
            (self.api.get(&status).await["connection"] == "connected").then_some(())
        })
        .await;
        id
    }

    /// The sandbox token of the account called `name`.
    pub fn token(&self, name: &str) -> String {
        format!("sandbox-auto-{name}")
    }

    /// The key that the sandbox signs an account's webhooks with.
    pub fn webhook_secret(&self, name: &str) -> String {
        sandbox::signature(&self.token(name), b"webhook secret").replace("sha256=", "whs_")
    }

    /// Lets a contact write to the account called `name`.
    pub async fn contact_writes(&self, name: &str, contact: &str, text: &str) {
        let event = json!({
            "token": self.token(name), "chat": contact, "from": {"id": contact, "name": contact},
            "content": {"type": "text", "text": text},
        });
        self.sandbox().post("/control/inbound", &event).await;
    }

    /// Kills every process of a role at once, without a chance to do anything.
    pub fn kill(&mut self, role: &str) {
        for member in self.members.iter_mut().filter(|member| member.role == role) {
            member.process.kill();
        }
    }

    /// Kills one process that works, and no other: in a fleet a worker, else the whole installation.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill_a_worker(&mut self) {
        self.a_worker().process.kill();
    }

    /// Stops one process that works as an operator would; whether it ended well.
    ///
    /// # Panics
    /// When there is none, or when it does not end.
    pub async fn stop_a_worker(&mut self) -> bool {
        self.a_worker().process.stop().await
    }

    /// Sends a signal to one process that works, for example `STOP` or `CONT`.
    ///
    /// # Panics
    /// When there is none.
    pub fn signal_a_worker(&mut self, name: &str) {
        self.a_worker().process.signal(name);
    }

    /// Starts the processes that work and were killed or stopped, as they were started before.
    pub async fn start_killed_workers(&mut self) {
        for role in ["worker", "serve"] {
            let log = self.folder.path().join(format!("{role}.log"));
            for member in self.members.iter_mut().filter(|member| member.role == role) {
                if !member.process.lives() {
                    member.process = Process::start(&self.binary, &[member.role], &member.vars, &log);
                }
            }
        }
        self.ready().await;
    }

    /// Whether other workers go on when one is gone.
    pub fn has_other_workers(&self) -> bool {
        self.members.iter().filter(|member| member.role == "worker").count() > 1
    }

    fn a_worker(&mut self) -> &mut Member {
        let works = |member: &&mut Member| matches!(member.role, "worker" | "serve");
        self.members.iter_mut().find(works).expect("somebody works")
    }

    /// Starts every process of a role again, as it was started before, and waits until the API answers.
    pub async fn restart(&mut self, role: &str) {
        let log = self.folder.path().join(format!("{role}.log"));
        for member in self.members.iter_mut().filter(|member| member.role == role) {
            member.process.kill();
            member.process = Process::start(&self.binary, &[member.role], &member.vars, &log);
        }
        self.ready().await;
    }

    /// Stops every process of a role as an operator would; whether all ended well.
    pub async fn stop(&mut self, role: &str) -> bool {
        let mut well = true;
        for member in self.members.iter_mut().filter(|member| member.role == role) {
            well &= member.process.stop().await;
        }
        well
    }

    /// Everything that was logged by Rookery's processes.
    pub fn logs(&self) -> String {
        let mut roles: Vec<&str> = self.members.iter().map(|member| member.role).collect();
        roles.dedup();
        let read = |role| {
            std::fs::read_to_string(self.folder.path().join(format!("{role}.log"))).unwrap_or_default()
        };
        roles.into_iter().map(read).collect()
    }

    /// The folder that holds whatever the installation keeps.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(super) fn add(&mut self, role: &'static str, mut vars: Vec<(&'static str, String)>) {
        vars.extend(self.shared.iter().cloned());
        let log = self.folder.path().join(format!("{role}.log"));
        let process = Process::start(&self.binary, &[role], &vars, &log);
        self.members.push(Member { role, vars, process });
    }

    /// Starts one more process, as `rookery <args>`, beside the others.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_beside(&self, args: &[&str], vars: &[(&'static str, String)]) -> Process {
        let vars: Vec<_> = self.shared.iter().chain(vars).cloned().collect();
        Process::start(&self.binary, args, &vars, &self.folder.path().join("beside.log"))
    }

    /// The ports that its fronts listen on.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// The process ids of a role.
    pub fn ids(&self, role: &str) -> Vec<u32> {
        let members = self.members.iter().filter(|member| member.role == role);
        members.map(|member| member.process.id()).collect()
    }

    /// A port that stays the same over restarts.
    pub(super) fn free_port(&mut self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        self.ports.push(port);
        port
    }

    /// What all processes of the installation share, for example its database's URL.
    ///
    /// # Panics
    /// When there is no such variable.
    pub fn variable(&self, name: &str) -> &str {
        let found = self.shared.iter().find(|(key, _)| *key == name);
        &found.unwrap_or_else(|| panic!("{name} is not set")).1
    }

    pub(super) async fn ready(&self) {
        until("the API answers", async || {
            self.api.try_get("/readyz").await.filter(|answer| answer.status == 200)
        })
        .await;
    }
}

/// The servers that `tests/run` started.
struct Servers {
    database: String,
    redis: String,
}

impl Servers {
    fn find() -> Option<Self> {
        let var = |name| std::env::var(name).ok();
        if let (Some(database), Some(redis)) =
            (var("ROOKERY_TEST_DATABASE_URL"), var("ROOKERY_TEST_REDIS_URL"))
        {
            return Some(Self { database, redis });
        }
        assert!(
            var("ROOKERY_REQUIRE_FLEET").is_none(),
            "there must be a Postgres and a Redis: run tests/run"
        );
        println!("left out: needs Postgres and Redis, which tests/run starts");
        None
    }

    /// The URL of a new, empty database.
    async fn database(&self, name: &str) -> String {
        use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
        let mut connection = PgConnection::connect(&self.database).await.expect("the test database answers");
        let create = format!("CREATE DATABASE \"{name}\"");
        connection.execute(AssertSqlSafe(create)).await.expect("a database can be made");
        let (server, _) = self.database.rsplit_once('/').expect("the URL names a database");
        format!("{server}/{name}")
    }
}

fn unique_name() -> String {
    format!("e2e-{:016x}", model::Ids::from_os().number())
}
