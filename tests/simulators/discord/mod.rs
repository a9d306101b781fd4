//! Discord as far as bots see it: the REST API v10, the Gateway and signed interactions, as the documentation says, whatever
//! our adapter expects.
//!
//! It checks tokens, the form of the user agent, bodies, components, files and nonces; keeps chats, messages, reactions and
//! files whose links end; tells limits by headers and enforces them; keeps sessions that can be resumed; and misbehaves on
//! demand ([`Fault`], [`Order`]). Tests drive its people.
//!
//! Left out: servers' roles and permissions, threads beyond their being channels, shards, compression, voice.

#[cfg(test)]
mod adapter;
mod answer;
mod check;
mod faults;
mod gateway;
mod limits;
mod people;
mod routes;
mod server;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use faults::Fault;
pub use gateway::Order;
pub use state::{Call, Chat, Interaction};

use state::State;

/// How strict the simulator is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether to refuse what goes over the limits.
    pub enforce_limits: bool,
    /// Divides the windows of the limits, so that a test need not last long.
    pub time_scale: f64,
    /// How often a client of the Gateway shows that it lives.
    pub heartbeat_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { enforce_limits: true, time_scale: 1.0, heartbeat_interval: Duration::from_secs(45) }
    }
}

/// What the servers and the people share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Counts what happened: a call, a dispatch, an order.
    news: watch::Sender<u64>,
    options: Options,
    gateway_url: String,
    base: String,
}

impl Shared {
    fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn has_news(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

/// A running simulator with one application and its bot. Ends with the value.
#[derive(Debug)]
pub struct Discord {
    pub(crate) shared: Arc<Shared>,
    address: SocketAddr,
    key: SigningKey,
    tasks: Vec<JoinHandle<()>>,
}

impl Discord {
    /// Starts one on free ports of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(options: Options) -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (rest, gateway) = (bind().await.expect("a free port"), bind().await.expect("a free port"));
        let address = rest.local_addr().expect("a bound socket has an address");
        let gateway_address = gateway.local_addr().expect("a bound socket has an address");
        let gateway_url = format!("ws://{gateway_address}");
        let key = SigningKey::from_bytes(&[7; 32]);
        let mut state = State { token: "simulated.bot-token.0".to_owned(), ..State::default() };
        (state.app, state.bot) = (state.fresh(), state.fresh());
        state.flags = gateway::MAY_READ;
        state.public_key = hex::encode(key.verifying_key().to_bytes());
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            news: watch::Sender::new(0),
            options,
            gateway_url: gateway_url.clone(),
            base: format!("http://{address}"),
        });
        let tasks = vec![
            tokio::spawn(server::serve(Arc::clone(&shared), rest)),
            tokio::spawn(gateway::serve(Arc::clone(&shared), gateway, gateway_url)),
        ];
        Self { shared, address, key, tasks }
    }

    /// What to give as the API's address.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v10", self.address)
    }

    /// Signs a request to the interactions endpoint: the headers, names in lower case.
    pub fn signed(&self, body: &[u8]) -> Vec<(String, String)> {
        let timestamp = "1718064000";
        let signature = self.key.sign(&[timestamp.as_bytes(), body].concat());
        vec![
            ("x-signature-ed25519".to_owned(), hex::encode(signature.to_bytes())),
            ("x-signature-timestamp".to_owned(), timestamp.to_owned()),
        ]
    }
}

impl Drop for Discord {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
