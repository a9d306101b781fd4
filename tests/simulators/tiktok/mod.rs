//! TikTok Shop as far as customer service apps see it: the open API, the place where tokens are given out, and webhooks, as
//! the facts say, whatever our adapter expects.
//!
//! It checks paths, methods, signatures, times, tokens, ciphers and bodies in that order; keeps conversations, messages and
//! pictures; gives out and takes back tokens; enforces a rate of calls a shop; signs its webhooks; and misbehaves on demand
//! ([`Fault`]). Tests drive its buyers ([`TikTok::writes`]).
//!
//! Left out: agents' settings, performance, sessions, and everything that is not customer service. TikTok documents no code
//! for a conversation that is closed to the shop: a test says which one is answered ([`TikTok::close`]).

#[cfg(test)]
mod adapter;
mod auth;
mod calls;
mod check;
mod pages;
#[cfg(test)]
mod protocol;
mod server;
mod sign;
mod state;
mod webhooks;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use sign::{call_signature, webhook_signature};
pub use state::{Call, Fault};
pub use webhooks::Notification;

use state::{App, Conversation, Shop, State, Tokens};

/// How strict the simulator is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Calls of one shop in any second; none: as many as come.
    pub calls_per_second: Option<usize>,
    /// Whether conversations are listed with the newest first; their order is not documented.
    pub newest_first: bool,
    /// Whether a token's end is told as a number of seconds instead of a time.
    pub relative_ends: bool,
    /// Dates messages and tokens.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        let clock = Arc::new(SystemClock);
        Self { calls_per_second: Some(10), newest_first: true, relative_ends: false, clock }
    }
}

/// What the server and the tests share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    options: Options,
    address: SocketAddr,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        self.options.clock.now().as_micros() / 1_000_000
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A running simulator. Ends with the value.
#[derive(Debug)]
pub struct TikTok {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl TikTok {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { state: Mutex::default(), options, address });
        let server = tokio::spawn(server::serve(Arc::clone(&shared), listener));
        Self { shared, server }
    }

    /// What to give as the open API's address and as that of the tokens.
    pub fn base_url(&self) -> String {
        self.shared.url("")
    }

    /// Registers an app; answers its key and secret.
    pub fn app(&self) -> (String, String) {
        self.shared.with(|state| {
            let n = state.fresh();
            let (key, secret) = (format!("key{n}"), format!("simulated-secret-{n}"));
            state.apps.insert(
                key.clone(),
                App {
                    secret: secret.clone(),
                    scopes: ["seller.authorization.info", "seller.customer_service"]
                        .map(str::to_owned)
                        .into(),
                },
            );
            (key, secret)
        })
    }

    /// Takes a scope away from an app.
    pub fn unscope(&self, app: &str, scope: &str) {
        self.shared.with(|state| {
            if let Some(app) = state.apps.get_mut(app) {
                app.scopes.remove(scope);
            }
        });
    }

    /// Opens a shop of `seller`; answers its id and cipher.
    pub fn shop(&self, seller: &str, name: &str) -> (String, String) {
        self.shared.with(|state| {
            let n = state.fresh();
            let (id, cipher) = (format!("7495{n}"), format!("GCP_cipher{n}"));
            state.shops.push(Shop {
                id: id.clone(),
                cipher: cipher.clone(),
                name: name.to_owned(),
                seller: seller.to_owned(),
                is_active: true,
                calls: std::collections::VecDeque::new(),
            });
            (id, cipher)
        })
    }

    /// Closes a shop.
    pub fn deactivate(&self, shop: &str) {
        self.shared.with(|state| state.shop(shop).is_active = false);
    }

    /// The seller lets the app in; answers the code that the redirect carries.
    pub fn authorize(&self, app: &str, seller: &str) -> String {
        self.shared.with(|state| {
            let code = format!("GCP_code{}", state.fresh());
            state.codes.insert(code.clone(), (app.to_owned(), seller.to_owned()));
            code
        })
    }

    /// Tokens as if the seller had let the app in: access and refresh.
    pub fn tokens(&self, app: &str, seller: &str) -> (String, String) {
        let now = self.shared.now();
        self.shared.with(|state| {
            let tokens: Tokens = state.issue(app, seller, now);
            (tokens.access, tokens.refresh)
        })
    }

    /// The seller takes the app's leave back.
    pub fn revoke(&self, seller: &str) {
        self.shared.with(|state| state.tokens.retain(|tokens| tokens.seller != seller));
    }

    /// Begins a conversation of a buyer with a shop; answers its id.
    pub fn conversation(&self, shop: &str, nickname: &str) -> String {
        let now = self.shared.now();
        self.shared.with(|state| state.converse(shop, &format!("user-{nickname}"), nickname, now))
    }

    /// A buyer who ordered something and never wrote; answers their `user_id`.
    pub fn buyer(&self, shop: &str, nickname: &str) -> String {
        let id = format!("user-{nickname}");
        self.shared.with(|state| state.buyers.insert((shop.to_owned(), id.clone()), nickname.to_owned()));
        id
    }

    /// The buyer says something; answers the message's id.
    pub fn writes(&self, chat: &str, kind: &str, content: &Value) -> String {
        self.says(chat, "BUYER", kind, content)
    }

    /// Somebody says something in a conversation, by role; answers the message's id.
    pub fn says(&self, chat: &str, role: &str, kind: &str, content: &Value) -> String {
        let now = self.shared.now();
        self.shared.with(|state| state.post(chat, role, kind, content, now, true))
    }

    /// The same that is not to be shown to the shop.
    pub fn hides(&self, chat: &str, role: &str, kind: &str, content: &Value) -> String {
        let now = self.shared.now();
        self.shared.with(|state| state.post(chat, role, kind, content, now, false))
    }

    /// From now on the shop may not write in this conversation, and reads this code and these words.
    pub fn close(&self, chat: &str, code: i64, words: &'static str) {
        self.shared.with(|state| state.chat(chat).closed = Some((code, words)));
    }

    /// A conversation is gone, though it is still listed.
    pub fn lose(&self, chat: &str) {
        self.shared.with(|state| state.chat(chat).is_lost = true);
    }

    /// The next call whose path ends with `path` meets this.
    pub fn meets(&self, path: &str, fault: Fault) {
        self.shared.with(|state| state.faults.push((path.to_owned(), fault)));
    }

    /// Calls no fault has met yet will meet none.
    pub fn calm(&self) {
        self.shared.with(|state| state.faults.clear());
    }

    /// Puts a file at an address; answers the link.
    pub fn put_file(&self, bytes: Bytes) -> String {
        let path = self.shared.with(|state| state.keep(bytes));
        self.shared.url(&path)
    }

    /// The file behind a link.
    pub fn file(&self, link: &str) -> Option<Bytes> {
        let path = link.strip_prefix(&self.shared.url(""))?.to_owned();
        self.shared.with(|state| state.files.get(&path).cloned())
    }

    /// Every call so far that was signed well.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.with(|state| state.calls.clone())
    }

    /// The messages of a conversation, oldest first, as the API writes them.
    pub fn messages(&self, chat: &str) -> Vec<Value> {
        self.shared.with(|state| state.chats.get(chat).map(|chat| chat.messages.clone()).unwrap_or_default())
    }

    /// How many messages of the buyer the shop has not read.
    pub fn unread(&self, chat: &str) -> usize {
        self.shared.with(|state| state.chat(chat).unread)
    }

    /// The address that a shop's webhooks of a topic go to.
    pub fn webhook(&self, shop: &str, topic: &str) -> Option<String> {
        self.shared.with(|state| state.webhooks.get(&(shop.to_owned(), topic.to_owned())).cloned())
    }

    /// A webhook for each thing that happened in a shop, in order: to be posted once, twice, or in another order.
    pub fn notifications(&self, app: &str, shop: &str) -> Vec<Notification> {
        self.shared.with(|state| {
            let bodies: Vec<_> = state.told.iter().filter(|told| told["shop_id"] == shop).cloned().collect();
            bodies.iter().map(|body| webhooks::signed(state, app, body)).collect()
        })
    }

    /// A webhook of any type and content.
    pub fn notification(&self, app: &str, shop: &str, kind: i64, data: &Value) -> Notification {
        let now = self.shared.now();
        self.shared.with(|state| {
            let body = webhooks::body(state, shop, kind, data, now);
            webhooks::signed(state, app, &body)
        })
    }
}

impl Drop for TikTok {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A text's content.
pub fn text(words: &str) -> Value {
    json!({ "content": words })
}

impl Conversation {
    /// What it is listed by: when something was last said in it.
    fn latest(&self) -> i64 {
        self.messages.last().and_then(|message| message["create_time"].as_i64()).unwrap_or(self.create_time)
    }
}
