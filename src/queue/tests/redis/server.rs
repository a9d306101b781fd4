//! A Redis for a test: a private process on a loopback port, gone when the test ends; or, for tests that leave others
//! alone, the one at `ROOKERY_TEST_REDIS_URL`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use queue::{Engine, QueueError, RedisEngine};
use tempfile::TempDir;

const BINARY: &str = "redis-server";

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    url: String,
    port: u16,
    /// Where a process of our own runs; its random name also begins this test's keys.
    folder: TempDir,
}

impl Server {
    /// One that others may use too: the test must touch nothing but its engine's keys.
    pub async fn shared() -> Option<Self> {
        match std::env::var("ROOKERY_TEST_REDIS_URL") {
            Ok(url) => Some(Self { child: None, url, port: 0, folder: TempDir::new().unwrap() }),
            Err(_) => Self::start().await,
        }
    }

    /// Starts one; none (and a line that says so) when there is no binary. `ROOKERY_REQUIRE_FLEET=1` makes that a
    /// failure.
    pub async fn start() -> Option<Self> {
        if Command::new(BINARY).arg("--version").output().is_err() {
            assert!(
                std::env::var("ROOKERY_REQUIRE_FLEET").as_deref() != Ok("1"),
                "ROOKERY_REQUIRE_FLEET=1, but there is no {BINARY} on the path"
            );
            println!("left out: there is no {BINARY} on the path");
            return None;
        }
        let mut server = Self { child: None, url: String::new(), port: 0, folder: TempDir::new().unwrap() };
        for _ in 0..20 {
            server.port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            server.url = format!("redis://127.0.0.1:{}", server.port);
            server.run();
            if server.answers().await {
                return Some(server);
            }
            // Somebody else took the port in between.
            server.stop();
        }
        panic!("{BINARY} does not start");
    }

    fn run(&mut self) {
        let child = Command::new(BINARY)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
    }

    async fn answers(&mut self) -> bool {
        loop {
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            if self.try_ask(&["PING"]).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the process at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on the same port and folder.
    pub async fn restart(&mut self) {
        self.stop();
        self.run();
        assert!(self.answers().await, "{BINARY} does not start again");
    }

    /// The server process's id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    async fn try_ask(&self, command: &[&str]) -> redis::RedisResult<redis::Value> {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]);
        asked.query_async(&mut connection).await
    }

    /// Asks over a connection of its own.
    pub async fn ask(&self, command: &[&str]) -> redis::Value {
        self.try_ask(command).await.unwrap()
    }

    /// An engine with keys of its own.
    pub fn engine(&self, prefix: &str) -> RedisEngine {
        RedisEngine::connect(&self.url, prefix).unwrap()
    }

    /// An engine with keys of its own and an epoch that is open.
    pub async fn ready(&self) -> RedisEngine {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = self.folder.path().file_name().unwrap().to_str().unwrap();
        let prefix = format!("test{name}-{}", MADE.fetch_add(1, Ordering::SeqCst));
        let engine = self.engine(&prefix);
        engine.begin_epoch(1).await.unwrap();
        engine.open().await.unwrap();
        engine
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until the engine answers anything but that it cannot be reached.
pub async fn reached(engine: &RedisEngine) -> Result<(), QueueError> {
    loop {
        match engine.now().await {
            Err(QueueError::Unreachable(why)) if why.contains("refused: ERR") => panic!("{why}"),
            Err(QueueError::Unreachable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            other => return other.map(drop),
        }
    }
}
