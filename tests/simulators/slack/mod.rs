//! Slack as far as a bot sees it: the Web API as its documentation says, whatever our adapter expects.
//!
//! It checks tokens, scopes, arguments, how a body is written, lengths and blocks; keeps channels, messages, reactions and
//! files; shares files some time after they were uploaded; grants, renews and revokes tokens; enforces the limit of a
//! channel; signs what it tells; and misbehaves on demand ([`Fault`]).
//!
//! Left out: Socket Mode, forms (views), history, people's profiles, the limits of methods (they are met by [`Fault`]).

#[cfg(test)]
mod adapter;
mod blocks;
mod chat;
mod events;
mod faults;
mod files;
mod methods;
mod oauth;
mod server;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use events::{Events, sign};
pub use faults::Fault;
pub use state::{Call, Message};

use state::{App, Bot, File, Room, State};

/// How strict the simulator is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether to refuse what goes over a channel's limit.
    pub enforce_limits: bool,
    /// How often `files.info` is asked before a file is shared.
    pub share_after: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { enforce_limits: true, share_after: 0 }
    }
}

/// What the server and its handle share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    options: Options,
    base_url: String,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running simulator with one workspace, one app and its bot. Ends with the value.
#[derive(Debug)]
pub struct Slack {
    shared: Arc<Shared>,
    events: Events,
    server: JoinHandle<()>,
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Slack {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("a bound socket has an address");
        let base_url = format!("http://{address}");
        let shared = Arc::new(Shared { state: Mutex::new(State::new()), options, base_url });
        let server = tokio::spawn(server::serve(Arc::clone(&shared), listener));
        Self { shared, events: Events::default(), server }
    }

    /// What to give as Slack's address.
    pub fn base_url(&self) -> &str {
        &self.shared.base_url
    }

    /// The bot's token as it is now.
    pub fn token(&self) -> String {
        self.shared.state().bot.token.clone()
    }

    /// What the app signs with.
    pub fn signing_secret(&self) -> String {
        self.shared.state().app.signing_secret.clone()
    }

    /// Events of this workspace and app.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// A channel that the bot is in; its id begins with what it is: `C`, `G`, `D`.
    pub fn room(&self, id: &str) {
        self.shared.state().rooms.insert(id.to_owned(), Room::default());
    }

    /// Makes a channel take nothing more.
    pub fn archive(&self, room: &str) {
        self.shared.state().rooms.entry(room.to_owned()).or_default().archived = true;
    }

    /// Somebody writes; answers the `ts`.
    pub fn writes(&self, room: &str, user: &str, text: &str) -> String {
        self.shared.state().post(room, Message::by(user, text))
    }

    /// Somebody else reacts.
    pub fn reacts(&self, room: &str, ts: &str, user: &str, name: &str) {
        if let Some(message) = self.shared.state().message(room, ts) {
            message.reactions.push((name.to_owned(), user.to_owned()));
        }
    }

    /// Puts a file at Slack, as if somebody had sent it; answers its id. `change` makes it odd.
    pub fn file(&self, name: &str, bytes: Bytes, change: impl FnOnce(&mut Value)) -> String {
        let mut state = self.shared.state();
        let id = state.fresh("F");
        let mut file = File::new(name, bytes);
        let mut told = files::told(&self.shared.base_url, &id, &file, true);
        change(&mut told);
        file.told = Some(told);
        state.files.insert(id.clone(), file);
        id
    }

    /// The bot loses a scope.
    pub fn forbid(&self, scope: &str) {
        self.shared.state().bot.scopes.retain(|one| one != scope);
    }

    /// Makes the token one that lasts so many seconds, or one of a person, or that of a whole organisation.
    pub fn change_bot(&self, change: impl FnOnce(&mut Bot)) {
        change(&mut self.shared.state().bot);
    }

    /// Whether the app's tokens end and are renewed.
    pub fn change_app(&self, change: impl FnOnce(&mut App)) {
        change(&mut self.shared.state().app);
    }

    /// Takes the token back.
    pub fn revoke(&self) {
        self.shared.state().bot.standing = Some("token_revoked");
    }

    /// A person agreed to let the app in; answers the code that they are sent back with.
    pub fn agreed(&self, redirect: &str) -> String {
        let mut state = self.shared.state();
        let code = state.fresh("code");
        state.codes.insert(code.clone(), redirect.to_owned());
        code
    }

    /// The next call of `method` (`*` for any) meets this.
    pub fn meets(&self, method: &str, fault: Fault) {
        self.shared.state().faults.push((method.to_owned(), fault));
    }

    /// Calls no fault has met yet will meet none.
    pub fn calm(&self) {
        self.shared.state().faults.clear();
    }

    /// A message as it stands.
    pub fn message(&self, room: &str, ts: &str) -> Option<Message> {
        self.shared.state().message(room, ts).cloned()
    }

    /// How many messages stand in a channel.
    pub fn count(&self, room: &str) -> usize {
        self.shared.state().rooms.get(room).map_or(0, |room| room.messages.len())
    }

    /// The bytes of a file.
    pub fn bytes(&self, file: &str) -> Option<Bytes> {
        self.shared.state().files.get(file).map(|file| file.bytes.clone())
    }

    /// How far a channel was read.
    pub fn read_until(&self, room: &str) -> Option<String> {
        self.shared.state().rooms.get(room)?.read_until.clone()
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// Arguments that no method has, as `method.argument`.
    pub fn unknown_arguments(&self) -> Vec<String> {
        self.calls().iter().flat_map(methods::unknown).collect()
    }
}
