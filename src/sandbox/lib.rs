//! A provider of our own to try things on: a real HTTP server that misbehaves on request, counts every break of a
//! limit, of order or of uniqueness by its own clock, and keeps its own record of what it was sent.
//!
//! It shares nothing with what it judges, not even the words of its messages: the `sandbox` adapter speaks to it as
//! it would to any provider. [`Sandbox::start`] runs it in a process of somebody else's; `rookery sandbox` runs it alone.
//!
//! **Provider API** (`Authorization: Bearer <token>`; a token that begins with `sandbox-auto-` is known at first sight,
//! other `sandbox-` tokens once they are registered): `POST /v1/accounts/verify`, `POST /v1/webhook {url}` → `{secret}`,
//! `POST /v1/messages {client_id?, chat, thread?, reply_to?, content}` → `{id}`, `PATCH` and `DELETE /v1/messages/{id}`,
//! `PUT /v1/messages/{id}/reaction`, `POST /v1/typing`, `POST /v1/read`, `POST /v1/files`, `GET /v1/files/{id}`,
//! `GET /v1/updates?cursor=&wait_ms=`. A refusal is `{"error": {code, message, retry_after_ms?}}`.
//!
//! **Webhooks** carry `{"events": [{id, type, at_us, chat, …}]}` and `X-Sandbox-Signature: sha256=<hex>`, the HMAC-SHA256
//! of the raw body; they are in order, and repeated with the same ids until they are answered with 2xx.
//!
//! **Sessions** (`GET /v1/session`, `Upgrade: sandbox-session`): an account as a device of its own, paired by a code that is
//! scanned or typed; calls and events are JSON lines there, and one connection a device is there at any time: another one
//! throws it out, and is counted. A connection that is silent for three seconds is gone.
//!
//! **Recipients misbehave** by how their address begins: `fail-permanent`, `campaign-capped`, `blocked`, `banned[-ms]`;
//! `fail-once`, `server-error-N`, `ambiguous` (taken) and `ambiguous-lost` (not taken) at each message's first call;
//! `rate-limited[-ms]`, `account-limited[-ms]`, `tier-limited[-ms]` (no new conversations; replies go on) and
//! `timelocked[-ms]` at the chat's first call; `slow[-ms]`, `late-receipts[-ms]`, `no-receipts` always.
//!
//! **Judged** are limits, by [`Limit`], and what an answer forbade: a call before the time that it gave is a break of a
//! limit, and so is a second call at once while an account that was banned or timelocked may only be tried. Calls that
//! arrive within 100 ms of such an answer may have been under way.
//!
//! **Control**: `PUT /control/accounts/{token}` ([`AccountSettings`]), `PUT /control/apps/{name} {limits}`,
//! `POST /control/inbound` ([`InboundEvent`]), `POST /control/sessions/pair {token, phone?, code}`,
//! `POST /control/sessions/end {token, what, ms?}` ([`What`]), `GET /control/record?account=&after=&limit=` (a list of [`Call`]),
//! `GET /control/report` ([`Report`]), `POST /control/reset`. A text that ends in ` #stream:n` is number n of its stream:
//! within (account, chat, stream), accepted numbers must rise.

mod account;
mod actions;
mod behaviour;
mod clock;
mod control;
mod deliver;
mod event;
mod http;
mod judge;
mod limits;
mod memory;
mod report;
mod saved;
mod send;
mod session;
mod session_control;
mod session_socket;
#[cfg(test)]
mod tests;
mod told;
mod updates;
mod watch;
pub mod wire;
mod world;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use control::{AccountSettings, InboundEvent, WebhookSettings};
pub use deliver::signature;
pub use limits::{Batch, Bucket, Limit, NewContacts, Scope, Step};
pub use report::{Call, Counts, Example, Forgotten, Report};
pub use session::What;

use world::{Stored, World};

/// Settings of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Where the numbering of ids starts, for runs that must repeat themselves; the calendar's microseconds
    /// unless given, so that ids never repeat from one start to the next.
    pub first_id: Option<u64>,
    /// Whether accounts answer each message with `echo: …`, unless they are told otherwise.
    pub reply: bool,
    /// Whether accounts recognise a repeated client id, unless they are told otherwise.
    pub dedupe: bool,
    /// From taking a message to its delivered receipt, ms.
    pub delivered_ms: u64,
    /// From there to its read receipt, ms.
    pub read_ms: u64,
    /// From there to the reply, ms.
    pub reply_ms: u64,
    /// A file in which accounts, their settings and webhooks outlive this process. None: they do not.
    pub state: Option<PathBuf>,
    /// Calls kept on record; older ones are forgotten, the counters are not.
    pub record_cap: usize,
    /// Events that wait for one account's webhook or poll; older ones are lost.
    pub event_cap: usize,
    /// Bytes of uploaded files that are kept.
    pub file_cap: usize,
    /// How long a code to be scanned can be used, ms.
    pub code_ms: u64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            first_id: None,
            reply: false,
            dedupe: false,
            delivered_ms: 5,
            read_ms: 10,
            reply_ms: 15,
            state: None,
            record_cap: 100_000,
            event_cap: 200_000,
            file_cap: 256 * 1024 * 1024,
            code_ms: 20_000,
        }
    }
}

/// A running sandbox. Dropping it stops it too, without waiting.
pub struct Sandbox {
    world: Arc<World>,
    addr: SocketAddr,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Starts listening.
    ///
    /// # Errors
    /// When the address is taken or not ours, or the file of accounts cannot be read.
    pub async fn start(config: SandboxConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.addr).await?;
        let addr = listener.local_addr()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let webhooks = Client::builder(TokioExecutor::new()).build(connector);
        let world = Arc::new(World::new(config, webhooks));
        world.restore()?;
        tokio::spawn(deliver::run_timeline(Arc::clone(&world)));
        let server = tokio::spawn(http::serve(Arc::clone(&world), listener));
        Ok(Self { world, addr, server })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Registers the account of `token` if it is new, and sets what is said. Answers the account's id here.
    ///
    /// # Errors
    /// Says what is wrong with the token or a limit.
    pub fn set_account(&self, token: &str, settings: AccountSettings) -> Result<String, String> {
        control::set_account(&self.world, token, settings).map_err(|refusal| refusal.message)
    }

    /// Sets the limits that the accounts of an app share (`AccountSettings::app`).
    ///
    /// # Errors
    /// Says what cannot be counted.
    pub fn set_app(&self, name: &str, limits: &[Limit]) -> Result<(), String> {
        control::set_app(&self.world, name.to_owned(), limits).map_err(|refusal| refusal.message)
    }

    /// Lets a contact do something. Answers the event's id and, for a message, the message's.
    ///
    /// # Errors
    /// When the token is not known.
    pub fn inbound(&self, event: InboundEvent) -> Result<(String, Option<String>), String> {
        control::inbound(&self.world, event).map_err(|refusal| refusal.message)
    }

    /// Keeps a file, as an upload would, and answers its id.
    pub fn put_file(&self, mime: &str, bytes: Bytes) -> String {
        let file = Stored { bytes, mime: mime.to_owned() };
        self.world.lock().store(file, self.world.config.file_cap)
    }

    /// The bytes of an uploaded file, while they are kept.
    pub fn file(&self, id: &str) -> Option<Bytes> {
        self.world.lock().files.get(id).map(|file| file.bytes.clone())
    }

    /// What it saw, in numbers.
    pub fn report(&self) -> Report {
        self.world.report()
    }

    /// What it saw, call by call: at most `limit` calls numbered over `after`, of one account (by id or token) or
    /// of all, oldest first.
    pub fn calls(&self, account: Option<&str>, after: u64, limit: usize) -> Vec<Call> {
        self.world.calls(account, after, limit)
    }

    /// Forgets what was counted, recorded and promised. Accounts, their settings and files stay.
    pub fn reset(&self) {
        self.world.reset();
    }

    /// Stops listening, lets open calls end for a second, and ends.
    pub async fn stop(mut self) {
        self.world.stopped.cancel();
        let _ = (&mut self.server).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.world.stopped.cancel();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("addr", &self.addr).finish_non_exhaustive()
    }
}
