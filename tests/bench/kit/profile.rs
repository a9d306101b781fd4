//! Where the servers' time goes: the statements that cost Postgres most, and Redis' commands.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::servers::Postgres;

/// Statements that are shown.
const SHOWN: i64 = 30;

/// What both servers count, from here on.
#[derive(Debug)]
pub struct Profile {
    database: String,
    redis: String,
}

impl Profile {
    /// Makes Postgres count statements from its next start on, and starts it again.
    ///
    /// # Panics
    /// When it has no `pg_stat_statements`.
    pub async fn prepare(postgres: &mut Postgres) {
        let mut connection = PgConnection::connect(&postgres.url()).await.expect("Postgres answers");
        for setting in ["shared_preload_libraries = 'pg_stat_statements'", "track_io_timing = off"] {
            let sql = format!("ALTER SYSTEM SET {setting}");
            connection.execute(sqlx::AssertSqlSafe(sql)).await.expect("it can be set up");
        }
        drop(connection);
        postgres.restart();
        let mut connection = PgConnection::connect(&postgres.url()).await.expect("Postgres answers");
        connection.execute("CREATE EXTENSION pg_stat_statements").await.expect("it comes with Postgres");
    }

    /// Forgets what was counted so far.
    ///
    /// # Panics
    /// When a server does not answer.
    pub async fn begin(database: String, redis: String) -> Self {
        let mut connection = PgConnection::connect(&database).await.expect("Postgres answers");
        connection.execute("SELECT pg_stat_statements_reset()").await.expect("it counts statements");
        ask(&redis, "CONFIG RESETSTAT");
        Self { database, redis }
    }

    /// Tells, on standard error, what each of so many messages cost.
    ///
    /// # Panics
    /// When a server does not answer.
    pub async fn tell(self, messages: usize) {
        let mut connection = PgConnection::connect(&self.database).await.expect("Postgres answers");
        let rows: Vec<(String, f64, f64, f64, i64)> = sqlx::query_as(
            "SELECT left(regexp_replace(regexp_replace(query, '\\s+', ' ', 'g'), '(, )?\\(\\$[0-9$:a-z, ]+\\)', '', 'g'), 110) AS q,
            sum(calls)::float8, sum(total_exec_time)::float8, sum(total_plan_time)::float8, count(*)::int8
            FROM pg_stat_statements GROUP BY 1 ORDER BY 3 DESC LIMIT $1",
        )
        .bind(SHOWN)
        .fetch_all(&mut connection)
        .await
        .expect("it counts statements");
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let messages = messages as f64;
        eprintln!("{:>12} {:>12} {:>8}  statement", "µs a message", "calls", "texts");
        for (query, calls, exec, plan, texts) in rows {
            eprintln!(
                "{:>12.1} {:>12.3} {texts:>8}  {query}",
                (exec + plan) * 1e3 / messages,
                calls / messages
            );
        }
        for line in ask(&self.redis, "INFO commandstats").lines().filter(|line| line.starts_with("cmdstat_"))
        {
            let number = |name: &str| -> f64 {
                let rest = line.split(name).nth(1).unwrap_or("0");
                rest.split(',').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
            };
            let name = line.split(':').next().unwrap_or(line);
            let (calls, used) = (number("calls="), number("usec="));
            eprintln!("{:>12.1} {:>12.3} {:>8}  {name}", used / messages, calls / messages, "");
        }
    }
}

/// What Redis says to a command of plain words, as far as it comes within half a second.
fn ask(url: &str, command: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://")).expect("Redis listens");
    stream.write_all(format!("{command}\r\n").as_bytes()).expect("it takes a command");
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket that can be set up");
    let mut answer = String::new();
    // It keeps the connection open, so reading ends by the time-out.
    drop(stream.read_to_string(&mut answer));
    answer
}
