//! The connection: one, multiplexed, made anew when it breaks; what it reaches is known by its run id before anything else
//! is asked of it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo, RedisError, Value, cmd};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::QueueError;

/// How long a connection may take to be made, and to answer.
const CONNECT: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_millis(1500);

/// After a failure nobody tries again for so long, doubling up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// A connection and the server process that it reached.
#[derive(Clone)]
pub(super) struct Reached {
    connection: MultiplexedConnection,
    pub run_id: Arc<str>,
}

#[derive(Default)]
struct Slot {
    reached: Option<Reached>,
    pause: Duration,
    not_before: Option<Instant>,
    reason: String,
}

/// Keeps the connection.
pub(super) struct Link {
    client: Client,
    slot: Mutex<Slot>,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing, or nothing useful, came back.
    Unreachable(String),
    /// The server does not know the script.
    NoScript,
    /// The script's own answer: its first word and the rest.
    Script(String, String),
}

impl From<Refusal> for QueueError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unreachable(why) => Self::Unreachable(why),
            Refusal::NoScript => Self::Rebuilding,
            Refusal::Script(code, why) => Self::Unreachable(format!("Redis refused: {code} {why}")),
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's own output would show the password of the URL.
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// A client that connects later. Its requests are small and answered one by one: none waits for the acknowledgement of the
/// one before it.
pub(super) fn open(url: &str) -> Result<Client, RedisError> {
    let tcp = TcpSettings::default().set_nodelay(true);
    Client::open(url.into_connection_info()?.set_tcp_settings(tcp))
}

impl Link {
    pub fn new(client: Client) -> Self {
        Self { client, slot: Mutex::default() }
    }

    /// The connection, made if there is none. Fails at once while a failed try is young.
    pub async fn reach(&self) -> Result<Reached, Refusal> {
        let mut slot = self.slot.lock().await;
        if let Some(reached) = &slot.reached {
            return Ok(reached.clone());
        }
        if slot.not_before.is_some_and(|then| Instant::now() < then) {
            return Err(Refusal::Unreachable(slot.reason.clone()));
        }
        match self.connect().await {
            Ok(reached) => {
                *slot = Slot { reached: Some(reached.clone()), ..Slot::default() };
                Ok(reached)
            }
            Err(error) => {
                slot.pause = (slot.pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
                slot.not_before = Some(Instant::now() + slot.pause);
                slot.reason = error.to_string();
                Err(Refusal::Unreachable(slot.reason.clone()))
            }
        }
    }

    async fn connect(&self) -> Result<Reached, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let run_id = run_id(&mut connection).await?;
        Ok(Reached { connection, run_id })
    }

    /// Forgets a connection that proved broken, unless it was replaced already.
    async fn forget(&self, broken: &Reached) {
        let mut slot = self.slot.lock().await;
        if slot.reached.as_ref().is_some_and(|now| Arc::ptr_eq(&now.run_id, &broken.run_id)) {
            slot.reached = None;
        }
    }

    /// Asks over a connection. One that breaks or stays silent is forgotten.
    pub async fn ask(&self, reached: &Reached, command: &Cmd) -> Result<Value, Refusal> {
        let answer = reached.connection.clone().send_packed_command(command).await;
        let error = match answer {
            Ok(Value::ServerError(error)) => RedisError::from(error),
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match (error.kind(), error.code()) {
            (_, Some("NOSCRIPT")) => Err(Refusal::NoScript),
            // The server that we reached is no primary any more, or not yet a server.
            (_, Some("READONLY" | "LOADING" | "MASTERDOWN")) => {
                self.forget(reached).await;
                Err(Refusal::Unreachable(error.to_string()))
            }
            (ErrorKind::Extension | ErrorKind::Server(_), Some(code)) => {
                Err(Refusal::Script(code.to_owned(), error.detail().unwrap_or_default().to_owned()))
            }
            _ => {
                self.forget(reached).await;
                Err(Refusal::Unreachable(error.to_string()))
            }
        }
    }

    /// Whether a connection still reaches the server process that it was made to; forgotten if not.
    pub async fn is_same(&self, reached: &Reached) -> Result<bool, Refusal> {
        match run_id(&mut reached.connection.clone()).await {
            Ok(run_id) if run_id == reached.run_id => Ok(true),
            Ok(_) => {
                self.forget(reached).await;
                Ok(false)
            }
            Err(error) => {
                self.forget(reached).await;
                Err(Refusal::Unreachable(error.to_string()))
            }
        }
    }
}

async fn run_id(connection: &mut MultiplexedConnection) -> Result<Arc<str>, RedisError> {
    let info: String = cmd("INFO").arg("server").query_async(connection).await?;
    let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    run_id.map(Arc::from).ok_or_else(|| {
        RedisError::from((ErrorKind::UnexpectedReturnType, "INFO names no run_id: is this a Redis server?"))
    })
}
