//! The wire of a session: JSON lines over an upgraded connection, kept by a task of its own, so that calls pass while the
//! session's owner is busy committing what came before.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use channel::{ChannelError, ErrorClass};
use outbound::Upgraded;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::api::refused;

/// The provider pings every second: one that is silent for so long is gone.
const SILENT: Duration = Duration::from_secs(10);

/// What is to be written.
#[derive(Debug)]
pub(super) enum Out {
    /// A line as it is.
    Say(Value),
    /// A call, and where its answer goes.
    Call { call: Value, answer: oneshot::Sender<Result<Value, ChannelError>> },
    /// Nothing more: the connection closes.
    Close,
}

/// Both ends of a wire, in the hands of a session. Dropping it cuts the connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) out: mpsc::UnboundedSender<Out>,
    /// What the provider says, apart from answers and pings; ends when the connection does.
    pub(super) told: mpsc::UnboundedReceiver<Value>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(super) fn new(stream: Upgraded) -> Self {
        let (out, outs) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(stream, outs, tell));
        Self { out, told, task }
    }

    /// Returns once the connection is closed on both sides, or after `longest`.
    pub(super) async fn close(&mut self, longest: Duration) {
        if self.out.send(Out::Close).is_ok() {
            drop(tokio::time::timeout(longest, &mut self.task).await);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(stream: Upgraded, mut outs: mpsc::UnboundedReceiver<Out>, tell: mpsc::UnboundedSender<Value>) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    let (mut next, mut open) = (0_u64, HashMap::new());
    // What was taken and is not written in full yet; a write must not keep from reading, and is never begun twice.
    let (mut buffer, mut closing): (VecDeque<u8>, bool) = (VecDeque::new(), false);
    let mut heard = Instant::now();
    loop {
        if closing && buffer.is_empty() {
            // The other side answers by closing, too: then it knows.
            if write.shutdown().await.is_ok() {
                while let Ok(Some(_)) = lines.next_line().await {}
            }
            break;
        }
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { break };
                heard = Instant::now();
                let Ok(said) = serde_json::from_str::<Value>(&line) else { break };
                if said["type"] == "ping" {
                    push(&mut buffer, &json!({"type": "pong"}));
                } else if said["type"] == "answer" {
                    answered(&mut open, &said);
                } else if tell.send(said).is_err() {
                    break;
                }
            }
            out = outs.recv(), if !closing => match out {
                Some(Out::Say(what)) => push(&mut buffer, &what),
                Some(Out::Call { mut call, answer }) => {
                    next += 1;
                    call["n"] = next.into();
                    push(&mut buffer, &call);
                    open.insert(next, answer);
                }
                Some(Out::Close) | None => closing = true,
            },
            written = write.write(buffer.as_slices().0), if !buffer.is_empty() => match written {
                Ok(count) if count > 0 => drop(buffer.drain(..count)),
                _ => break,
            },
            () = tokio::time::sleep_until(heard + SILENT) => break,
        }
    }
    for (_, answer) in open {
        let broke =
            ChannelError::ambiguous("session_closed", "the session ended before the call was answered");
        drop(answer.send(Err(broke)));
    }
}

fn push(buffer: &mut VecDeque<u8>, what: &Value) {
    buffer.extend(what.to_string().as_bytes());
    buffer.push_back(b'\n');
}

fn answered(open: &mut HashMap<u64, oneshot::Sender<Result<Value, ChannelError>>>, said: &Value) {
    let Some(answer) = said["n"].as_u64().and_then(|n| open.remove(&n)) else { return };
    let status = said["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    // Whoever asked may have lost patience.
    drop(answer.send(match status {
        Some(200..=299) => Ok(said["body"].clone()),
        Some(status) => Err(refused(status, &said["body"])),
        None => Err(ChannelError::new(ErrorClass::Ambiguous, "invalid_answer", "the answer has no status")),
    }));
}
