//! The peer: what a Node team would build instead (Express, BullMQ, node-postgres), from `ROOKERY_PEER` or the folder
//! `shared/peers/bullmq` beside this checkout. Its packages are installed once, with npm, below `target/`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::processes::Tree;

/// What BullMQ's own queue does, measured by BullMQ.
const QUEUE_SCRIPT: &str = include_str!("bullmq_queue.mjs");

/// A running peer: one web and one worker process. It ends with this value.
#[derive(Debug)]
pub struct Peer {
    web: Child,
    worker: Child,
    /// `host:port` of its API.
    pub host: String,
}

impl Peer {
    /// Starts it over these servers, calling this provider; none when there is no peer, and then it says so.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(redis: &str, database: &str, provider: &str) -> Option<Self> {
        let folder = folder()?;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        drop(listener);
        let start = |script: &str| {
            let mut command = Command::new("node");
            command.arg(script).current_dir(&folder).env("PORT", port.to_string());
            command.env("REDIS_URL", redis).env("DATABASE_URL", database);
            command.env("PROVIDER_URL", format!("{provider}/bot1/sendMessage"));
            greeted(command)
        };
        Some(Self { web: start("web.js"), worker: start("worker.js"), host: format!("127.0.0.1:{port}") })
    }

    /// Its processes.
    pub fn trees(&self) -> Vec<Tree> {
        vec![Tree(self.web.id()), Tree(self.worker.id())]
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for process in [&mut self.web, &mut self.worker] {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// What BullMQ's own queue does on this Redis: figures by name; none when there is no peer.
///
/// # Panics
/// When the script fails.
pub fn bullmq(redis: &str, jobs: usize) -> Option<serde_json::Value> {
    let folder = folder()?;
    fs::write(folder.join("queue.mjs"), QUEUE_SCRIPT).expect("the script can be written");
    let mut command = Command::new("node");
    command.arg("queue.mjs").current_dir(&folder).env("REDIS_URL", redis).env("JOBS", jobs.to_string());
    let done = command.stderr(Stdio::inherit()).output().expect("node runs");
    assert!(done.status.success(), "the script of BullMQ's queue failed");
    Some(serde_json::from_slice(&done.stdout).expect("it prints JSON"))
}

/// A folder with the peer and its packages.
fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout");
    let given = std::env::var_os("ROOKERY_PEER").map(PathBuf::from);
    let source = given.unwrap_or_else(|| root.join("../shared/peers/bullmq"));
    if !source.join("package.json").exists() {
        eprintln!(
            "left out: the peer, which is not in {}; ROOKERY_PEER names another folder",
            source.display()
        );
        return None;
    }
    let folder = root.join("target/bench-peer");
    fs::create_dir_all(&folder).expect("a folder for the peer");
    for entry in fs::read_dir(&source).expect("the peer's folder").flatten() {
        if entry.path().is_file() {
            let text = fs::read(entry.path()).expect("a file of the peer");
            let to = folder.join(entry.file_name());
            if fs::read(&to).ok().as_deref() != Some(&text) {
                fs::write(to, text).expect("a file of the peer can be written");
            }
        }
    }
    if !folder.join("node_modules/bullmq").exists() {
        let npm =
            Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(&folder).output();
        match npm {
            Ok(done) if done.status.success() => {}
            done => {
                eprintln!("left out: the peer, whose packages npm could not install: {done:?}");
                return None;
            }
        }
    }
    Some(folder)
}

/// Starts a program and waits for its first line.
fn greeted(mut command: Command) -> Child {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("node runs");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped"));
    let mut greeting = String::new();
    lines.read_line(&mut greeting).expect("it can be read");
    assert!(greeting.contains("ready"), "the peer did not start: {greeting}");
    // Reads on to the end, so that it never blocks on a full pipe.
    std::thread::spawn(move || drop(lines.read_to_string(&mut String::new())));
    child
}
