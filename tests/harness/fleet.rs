//! What can be done to the processes of a fleet one by one, and what its database knows.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::installation::Member;
use super::{Api, Installation, Process};

impl Member {
    /// Starts it as it was started before.
    fn start(&mut self, binary: &str, folder: &Path) {
        let log = folder.join(format!("{}.log", self.role));
        self.process = Process::start(binary, &[self.role], &self.vars, &log);
    }
}

impl Installation {
    /// Kills a fleet's worker, if it lives; they are numbered from 0.
    ///
    /// # Panics
    /// When there is none of this number.
    pub fn kill_worker(&mut self, number: usize) {
        self.worker(number).process.kill();
    }

    /// Starts a fleet's worker that was killed, as it was started before, and waits until it has begun.
    ///
    /// # Panics
    /// When there is none of this number, or it does not start.
    pub fn start_worker(&mut self, number: usize) {
        let (binary, folder) = (self.binary.clone(), self.folder());
        self.worker(number).start(&binary, &folder);
    }

    /// Whether a fleet's worker has not ended.
    ///
    /// # Panics
    /// When there is none of this number.
    pub fn worker_lives(&mut self, number: usize) -> bool {
        self.worker(number).process.lives()
    }

    /// By what id logs, timelines and claims name a fleet's worker.
    ///
    /// # Panics
    /// When there is none of this number.
    pub fn worker_id(&mut self, number: usize) -> String {
        self.worker(number).process.worker()
    }

    /// Sends a signal to a fleet's worker, for example `STOP` or `CONT`.
    ///
    /// # Panics
    /// When there is none of this number.
    pub fn signal_worker(&mut self, number: usize, name: &str) {
        self.worker(number).process.signal(name);
    }

    fn worker(&mut self, number: usize) -> &mut Member {
        let mut workers = self.members.iter_mut().filter(|member| member.role == "worker");
        workers.nth(number).expect("there is a worker of this number")
    }

    /// Stops each process of a role as an operator would and starts it again, one after the other. Gives how long the
    /// slowest took to end.
    ///
    /// # Panics
    /// When one does not end well, or does not start.
    pub async fn roll(&mut self, role: &str) -> Duration {
        let (binary, folder) = (self.binary.clone(), self.folder());
        let mut slowest = Duration::ZERO;
        for member in self.members.iter_mut().filter(|member| member.role == role) {
            let asked = Instant::now();
            assert!(member.process.stop().await, "a {role} ended well");
            slowest = slowest.max(asked.elapsed());
            tokio::task::block_in_place(|| member.start(&binary, &folder));
        }
        self.ready().await;
        slowest
    }

    /// Adds a front to a fleet, and gives a client of it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn add_front(&mut self) -> Api {
        let port = self.free_port();
        self.add("web", vec![("PORT", port.to_string())]);
        Api::new(format!("http://127.0.0.1:{port}"), self.api().key())
    }

    /// Who leads the schedulers of a fleet, by the lease in its database; none while nobody does.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn leader(&self) -> Option<String> {
        let asked =
            "SELECT owner::text FROM leases WHERE name = 'scheduler' AND expires_at > clock_timestamp()";
        let rows = self.rows(asked).await;
        rows.first().and_then(|row| row["owner"].as_str().map(str::to_owned))
    }

    /// Rows of a fleet's database, each as a JSON object by column: for what the API does not tell.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn rows(&self, query: &str) -> Vec<Value> {
        let url = self.variable("DATABASE_URL");
        let mut connection = PgConnection::connect(url).await.expect("the database answers");
        let query = format!("SELECT to_jsonb(asked) FROM ({query}) AS asked");
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_all(&mut connection)
            .await
            .expect("the database knows what is asked")
    }
}
