//! What WhatsApp's Cloud API, Messenger and Instagram have in common, as far as an app of Meta's sees it: the Graph API's
//! server with its tokens, error envelope, usage headers and paging, the exchange of tokens, files behind a token, signed
//! webhooks, and misbehaviour on demand ([`Fault`]). Written from Meta's documentation, whatever our adapters expect.
//!
//! A product is what answers beyond that ([`Product`]); it checks permissions and bodies by itself.

mod answer;
mod call;
mod faults;
mod hooks;
#[cfg(test)]
mod protocol;
mod server;
mod state;
mod tokens;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use answer::{Refusal, Reply, page};
pub use call::{Call, Upload};
pub use faults::Fault;
pub use hooks::{escaped, signature};
pub use state::{App, File, Grant};

use state::State;

/// The oldest version that still answers.
const OLDEST_VERSION: u32 = 22;

/// What a product answers: called with each call whose token is good and that is none of the core's own.
pub trait Product: Send + Sync + 'static {
    /// Carries a call out, or refuses it as Meta does.
    fn answer(&self, core: &Core, call: &Call, grant: &Grant) -> Reply;
}

/// What the server, the product and the test share.
pub struct Core {
    state: Mutex<State>,
    news: Notify,
    address: SocketAddr,
    product: Arc<dyn Product>,
}

/// A running Graph API. Ends with the value.
pub struct Meta {
    /// What the test speaks to.
    pub core: Arc<Core>,
    server: JoinHandle<()>,
}

impl Meta {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(product: Arc<dyn Product>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let core = Arc::new(Core { state: Mutex::default(), news: Notify::new(), address, product });
        let server = tokio::spawn(server::serve(Arc::clone(&core), listener));
        Self { core, server }
    }
}

impl Drop for Meta {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("address", &self.address).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meta").field("core", &self.core).finish_non_exhaustive()
    }
}

impl Core {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_waiters();
        result
    }

    /// What to give as the Graph API's address.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A number that was not there before.
    pub fn fresh(&self) -> u64 {
        self.with(State::fresh)
    }

    /// Registers an app.
    pub fn app(&self) -> App {
        self.with(State::app)
    }

    /// Gives `app` a token with these permissions, each with what it is for (`*`: for everything). It lasts.
    pub fn token(&self, app: &App, scopes: &[(&str, &[&str])]) -> String {
        self.with(|state| state.token(app, scopes))
    }

    /// The same token for `lasting` from `now` (seconds since 1970) on.
    pub fn ends_at(&self, token: &str, seconds: i64) {
        self.with(|state| state.grant(token).expires_at = seconds);
    }

    /// Makes a token one of Instagram's long ones, a day old or younger.
    pub fn make_long_lived(&self, token: &str, too_young: bool) {
        self.with(|state| {
            let grant = state.grant(token);
            (grant.long_lived, grant.too_young) = (true, too_young);
        });
    }

    /// Takes a token back: whoever shows it is told with this subcode of 190 (463 expired, 460 password changed, …).
    pub fn revoke(&self, token: &str, subcode: i64) {
        self.with(|state| state.grant(token).revoked = Some(subcode));
    }

    /// A code that the page gave; it is good once, with the same `redirect`, for `token`.
    pub fn code(&self, app: &App, redirect: &str, token: &str) -> String {
        self.with(|state| state.code(app, redirect, token))
    }

    /// The next call whose path ends in `place` (`*` for any) meets this.
    pub fn meets(&self, place: &str, fault: Fault) {
        self.with(|state| state.faults.push((place.to_owned(), fault)));
    }

    /// Calls that no fault has met yet will meet none.
    pub fn calm(&self) {
        self.with(|state| state.faults.clear());
    }

    /// Sends this header with every answer from now on (`X-App-Usage`, `X-Business-Use-Case-Usage`).
    pub fn header(&self, name: &'static str, value: impl Into<String>) {
        self.with(|state| state.headers.insert(name, value.into()));
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|state| state.calls.clone())
    }

    /// The calls whose path ends in `place`.
    pub fn calls_of(&self, place: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.is_at(place)).collect()
    }

    /// Puts a file behind an address of Meta's; answers the address. With a token, only who shows one gets it.
    pub fn put_file(&self, bytes: Bytes, mime: &str, needs_token: bool) -> String {
        let path = self.with(|state| state.put_file(File { bytes, mime: mime.to_owned(), needs_token }));
        format!("{}/file/{path}", self.base_url())
    }

    /// Takes a file away: links end.
    pub fn drop_file(&self, url: &str) {
        let path = url.rsplit('/').next().unwrap_or_default().to_owned();
        self.with(|state| state.files.remove(&path));
    }

    /// Returns once `check` holds. It is asked again whenever something happened.
    pub async fn until(&self, check: impl Fn(&Self) -> bool) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if check(self) {
                return;
            }
            // What changes in a product alone makes no news here.
            let _ = tokio::time::timeout(Duration::from_millis(20), news).await;
        }
    }

    /// The headers of a webhook of `app` with this body, names in lower case.
    pub fn webhook_headers(&self, app: &App, body: &[u8]) -> Vec<(String, String)> {
        vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-hub-signature-256".to_owned(), signature(&app.secret, body)),
        ]
    }

    /// Posts a webhook of `app`; answers the status, 0 where nobody answered. Again and in any order, if the test likes.
    pub async fn deliver(&self, url: &str, app: &App, body: &Value) -> u16 {
        let body = escaped(body);
        hooks::post(url, &self.webhook_headers(app, body.as_bytes()), body).await
    }

    /// Asks an address whether it is the right one, as Meta does before it delivers there.
    pub async fn verify(&self, url: &str, token: &str) -> bool {
        hooks::verify(url, token, &self.fresh().to_string()).await
    }

    /// `{"success": true}`
    pub fn success() -> Reply {
        Ok(json!({ "success": true }))
    }
}
