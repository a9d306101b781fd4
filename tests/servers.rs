//! A Redis and a Postgres of a test's own, for suites that kill, stop and restart them: the ones that `tests/run` started
//! are shared, and nobody may harm those.
//!
//! They exist only where `tests/run` found the programs and said so (`ROOKERY_REQUIRE_FLEET`); elsewhere a suite says what
//! it leaves out.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than this no server takes to start, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether this run has servers; says what is left out when it has not.
pub fn present(suite: &str) -> bool {
    let present = std::env::var_os("ROOKERY_REQUIRE_FLEET").is_some();
    if !present {
        eprintln!("left out: {suite}; tests/run brings the servers that it needs");
    }
    present
}

/// A Redis that belongs to one test. It ends with this value.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Redis {
    /// Starts an empty one, which forgets everything when it stops.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let folder = folder();
        let port = free_port();
        let process = Self::run(folder.path(), port);
        Self { folder, port, process }
    }

    /// Where it listens; the same after a restart.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process, for signals.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a command of plain words, for example `FLUSHALL`, and waits for the answer.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn command(&self, words: &[&str]) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        stream.write_all(format!("{}\r\n", words.join(" ")).as_bytes()).expect("it takes a command");
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).expect("it answers");
        assert_ne!(answer[0], b'-', "{words:?} was refused");
    }

    /// How many bytes it uses for what it holds.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn memory(&self) -> u64 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        stream.write_all(b"INFO memory\r\nQUIT\r\n").expect("it takes a command");
        let mut told = String::new();
        stream.read_to_string(&mut told).expect("it answers");
        let used = told.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.trim().parse().ok()).expect("it says how much memory it uses")
    }

    /// Kills it, as a crash would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        end(&mut self.process);
    }

    /// Starts it again, empty, where it was.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill();
        drop(fs::remove_file(self.folder.path().join("dump.rdb")));
        self.process = Self::run(self.folder.path(), self.port);
    }

    /// Keeps a snapshot of what it holds now, for [`Redis::restart_as_kept`].
    ///
    /// # Panics
    /// When it does not answer.
    pub fn keep(&self) {
        self.command(&["SAVE"]);
    }

    /// Starts it again where it was with what it held when [`Redis::keep`] was called.
    ///
    /// # Panics
    /// When it does not start, or nothing was kept.
    pub fn restart_as_kept(&mut self) {
        self.kill();
        assert!(self.folder.path().join("dump.rdb").exists(), "a snapshot was kept");
        self.process = Self::run(self.folder.path(), self.port);
    }

    fn run(folder: &Path, port: u16) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--maxmemory-policy", "noeviction", "--port", &port.to_string(), "--dir"]).arg(folder);
        start(command, folder, || pong(port))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A Postgres that belongs to one test. It ends with this value; what it committed survives its crashes.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Postgres {
    /// Starts an empty one.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let folder = folder();
        let data = folder.path().join("postgres");
        fs::create_dir(&data).expect("a folder for the data");
        let mut make = unprivileged("initdb", &data);
        make.args(["-U", "rookery", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync", "-D"]);
        let outcome = make.arg(data.join("data")).output().expect("initdb runs");
        assert!(outcome.status.success(), "initdb: {}", String::from_utf8_lossy(&outcome.stderr));
        let port = free_port();
        let process = Self::run(folder.path(), port);
        Self { folder, port, process }
    }

    /// Where it listens; the same after a restart.
    pub fn url(&self) -> String {
        format!("postgres://rookery@127.0.0.1:{}/postgres", self.port)
    }

    /// Its first process, for signals.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it at once, as a crash would: all connections break, and it has to recover at its next start.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        // A killed first process would leave its children with the data; QUIT is its own way to end without care.
        let pid = self.process.id().to_string();
        if matches!(self.process.try_wait(), Ok(None)) {
            let sent = Command::new("kill").args(["-QUIT", &pid]).status().expect("kill runs");
            assert!(sent.success(), "Postgres cannot be ended");
            self.process.wait().expect("Postgres ends");
        }
    }

    /// Starts it again with what it had committed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill();
        self.process = Self::run(self.folder.path(), self.port);
    }

    fn run(folder: &Path, port: u16) -> Child {
        let data = folder.join("postgres");
        let mut command = unprivileged("postgres", &data);
        command.arg("-D").arg(data.join("data")).args(["-p", &port.to_string()]);
        let sockets = format!("unix_socket_directories={}", data.display());
        for setting in ["listen_addresses=127.0.0.1", &sockets, "fsync=off", "synchronous_commit=on"] {
            command.args(["-c", setting]);
        }
        let port = port.to_string();
        start(command, folder, || {
            let mut asked = Command::new(program("pg_isready"));
            asked.args(["-q", "-h", "127.0.0.1", "-U", "rookery", "-p", &port]);
            asked.status().is_ok_and(|status| status.success())
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder that another user may pass through.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let status = Command::new("chmod").arg("711").arg(folder.path()).status().expect("chmod runs");
    assert!(status.success(), "the folder cannot be opened");
    folder
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A program of Postgres: Debian keeps them out of the path, in a folder a version.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path())))
        .map(|(number, path)| (number, path.join("bin").join(name)))
        .filter(|(_, path)| path.exists())
        .max();
    newest.map_or_else(|| name.into(), |(_, path)| path)
}

/// Postgres refuses root: then it runs as somebody else, who owns `data`.
fn unprivileged(name: &str, data: &Path) -> Command {
    let id = |args: &[&str]| {
        let told = Command::new("id").args(args).output().expect("id runs");
        told.status.success().then(|| String::from_utf8_lossy(&told.stdout).trim().to_owned())
    };
    let mut command = if id(&["-u"]).as_deref() == Some("0") {
        let user = if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
        let owned = Command::new("chown").args(["-R", user]).arg(data).status().expect("chown runs");
        assert!(owned.success(), "the data cannot be given to {user}");
        let group = id(&["-g", user]).unwrap_or_default();
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"]);
        command.arg(program(name));
        command
    } else {
        Command::new(program(name))
    };
    command.current_dir(data);
    command
}

fn pong(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut redis) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let mut answer = [0; 5];
    redis.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && redis.write_all(b"PING\r\n").is_ok()
        && redis.read_exact(&mut answer).is_ok()
        && answer == *b"+PONG"
}

fn start(mut command: Command, folder: &Path, answers: impl Fn() -> bool) -> Child {
    let log = folder.join("log");
    let file = File::options().create(true).append(true).open(&log).expect("a log");
    let other = file.try_clone().expect("the log twice");
    let mut process = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(other)
        .spawn()
        .expect("the server's program is there");
    let until = Instant::now() + PATIENCE;
    while !answers() {
        let ended = process.try_wait().expect("the server's state").is_some();
        assert!(
            !ended && Instant::now() < until,
            "the server did not start: {}",
            fs::read_to_string(&log).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

fn end(process: &mut Child) {
    if matches!(process.try_wait(), Ok(None)) {
        process.kill().expect("the server can be killed");
        process.wait().expect("the server ends");
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, PgConnection};

    use super::*;

    #[test]
    fn a_redis_comes_back_empty_where_it_was() {
        if !present("restarts of Redis") {
            return;
        }
        let mut redis = Redis::start();
        let (url, pid) = (redis.url(), redis.pid());
        redis.kill();
        assert!(!pong(redis.port));
        redis.restart();
        assert!(pong(redis.port));
        assert_eq!(redis.url(), url);
        assert_ne!(redis.pid(), pid);
    }

    #[test]
    fn a_redis_comes_back_with_an_old_snapshot() {
        if !present("restarts of Redis") {
            return;
        }
        let mut redis = Redis::start();
        redis.command(&["SET", "kept", "1"]);
        redis.keep();
        redis.command(&["SET", "lost", "1"]);
        redis.restart_as_kept();
        // Renaming what is not there is an error.
        redis.command(&["RENAME", "kept", "found"]);
        let renamed = std::panic::catch_unwind(|| redis.command(&["RENAME", "lost", "found"]));
        assert!(renamed.is_err(), "what came after the snapshot is gone");
    }

    #[tokio::test]
    async fn a_postgres_comes_back_with_what_it_committed() {
        if !present("restarts of Postgres") {
            return;
        }
        let mut postgres = Postgres::start();
        let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE kept (n bigint); INSERT INTO kept VALUES (7)")
            .execute(&mut connection)
            .await
            .unwrap();
        postgres.kill();
        assert!(PgConnection::connect(&postgres.url()).await.is_err());
        postgres.restart();
        let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
        let kept: i64 = sqlx::query_scalar("SELECT n FROM kept").fetch_one(&mut connection).await.unwrap();
        assert_eq!(kept, 7);
    }
}
