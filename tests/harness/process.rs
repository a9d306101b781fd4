//! One process of Rookery, killed when the test lets go of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use super::PATIENCE;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The first line that it printed.
    pub greeting: String,
    /// Where its log goes.
    pub log: std::path::PathBuf,
}

impl Process {
    /// Starts `rookery <args>` with these variables and no others of ours, and waits for its first line on standard output.
    /// Its log goes to `log`.
    ///
    /// # Panics
    /// When it ends or stays silent; with its log.
    pub fn start(binary: &str, args: &[&str], vars: &[(&str, String)], log: &std::path::Path) -> Self {
        let stderr =
            std::fs::OpenOptions::new().create(true).append(true).open(log).expect("the log can be written");
        let mut command = Command::new(binary);
        for name in [
            "DATABASE_URL",
            "REDIS_URL",
            "PORT",
            "ROOKERY_DATA",
            "ROOKERY_MEDIA_URL",
            "ROOKERY_ENCRYPTION_KEY",
            "ROOKERY_SANDBOX_URL",
        ] {
            command.env_remove(name);
        }
        let mut child = command
            .args(args)
            .envs(vars.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the binary can be started");
        let stdout = child.stdout.take().expect("its standard output is piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads on to the end, so that the process never blocks on a full pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        if let Ok(greeting) = lines.recv_timeout(PATIENCE) {
            return Self { child, greeting, log: log.to_owned() };
        }
        drop(child.kill());
        let status = child.wait();
        let log = std::fs::read_to_string(log).unwrap_or_default();
        panic!("rookery {args:?} said nothing and ended with {status:?}:\n{log}");
    }

    /// Whether it has not ended yet.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }

    /// Whether a signal froze it.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn is_frozen(&self) -> bool {
        let told = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it is a process");
        // The state stands behind its name, which is in brackets.
        told.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// By what id logs, timelines and claims name it, if it works.
    ///
    /// # Panics
    /// When it did not say so.
    pub fn worker(&self) -> String {
        let said = self.greeting.strip_prefix("rookery is at work as ");
        said.unwrap_or_else(|| panic!("it said {}", self.greeting)).to_owned()
    }

    /// `kill -9`: it gets no chance to do anything.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        self.child.wait().expect("a killed process can be waited for");
    }

    /// Sends a signal by its name, for example `TERM` or `STOP`.
    ///
    /// # Panics
    /// When `kill` is not there.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-s", name, &id]).status().expect("`kill` can be run");
    }

    /// Asks it to stop and waits until it has; whether it ended well.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub async fn stop(&mut self) -> bool {
        self.signal("TERM");
        super::until("a process ends after SIGTERM", async || {
            self.child.try_wait().expect("it can be waited for")
        })
        .await
        .success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let from = log.len().saturating_sub(4_000);
            let tail = log.get(from..).unwrap_or(&log);
            eprintln!("--- the end of {}:\n{tail}", self.log.display());
        }
    }
}
