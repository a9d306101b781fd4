//! The contract that a channel fulfils, and nothing about any one of them.
//!
//! A channel (Telegram, Slack, …) is one folder of `adapters` behind [`Channel`]. The required core is small;
//! what only some networks can do is an *ability*: a trait of its own, found through an accessor that answers
//! `None` by default. What a network allows is *data* ([`Capabilities`]), so that the front can refuse a message
//! before it is stored and a frontend can draw a form without knowing the network.
//!
//! Rules for every adapter:
//! - It keeps no state between calls but caches that may be lost at any moment. Truth is in rows, pace in lanes.
//! - It never sleeps and never retries: it reports, by [`ChannelError`], and the queue decides.
//! - It never logs or returns a credential. Errors carry the provider's own code and words, without URLs that
//!   hold tokens.
//! - It parses what it knows and keeps what it does not ([`model::InboundKind::Ignored`]): an unknown kind of
//!   event is never an error.

mod abilities;
mod apps;
mod capabilities;
mod channels;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connect;
mod error;
mod sessions;
pub mod signature;
mod webhook;

use async_trait::async_trait;
use model::{Account, Content, Inbound, MessageId, Purpose, Timestamp};
use serde_json::Value;

pub use abilities::{
    Acknowledger, Deleter, Editor, MediaFetcher, Polled, Poller, ProviderTemplate, Reactor, Reader,
    TemplateSource, Typist,
};
pub use apps::{APP_PREFIX, Apps, OAuth, Refresher};
pub use capabilities::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit, Window};
pub use channels::Channels;
pub use connect::{ConnectField, ConnectStep, Connected, Credentials};
pub use error::{ChannelError, ErrorClass};
pub use sessions::{Pairing, Session, SessionEnd, SessionEvent, Sessions};
pub use webhook::{Method, WebhookAnswer, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse};

/// An account as an adapter sees it: the row and the decrypted credentials. Lives for one call.
#[derive(Debug, Clone)]
pub struct Login {
    /// The account's row.
    pub account: Account,
    /// What the provider wants to see, with the secrets of the account's app ([`APP_PREFIX`]). `Debug` shows names, never
    /// values.
    pub credentials: Credentials,
}

/// A message on its way out, with everything an adapter needs to say it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Our id of it. Where the provider deduplicates by a client's id, this is the one to give, so that a
    /// repeated call is harmless; [`Capabilities::deduplicates`] says whether that holds.
    pub message_id: MessageId,
    /// The provider's id of the chat.
    pub chat: String,
    /// A thread or topic within it.
    pub thread: Option<String>,
    /// What to say.
    pub content: Content,
    /// The provider's id of the message that this one answers.
    pub reply_to: Option<String>,
    /// The file's bytes, when the content's media is one of ours; links are left to the provider.
    pub file: Option<bytes::Bytes>,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether a person wrote it: providers let people answer later than machines.
    pub by_person: bool,
    /// When the other side last wrote, if it ever did. Whether the provider's window is open hangs on it.
    pub contact_wrote_at: Option<Timestamp>,
}

/// A provider's yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's id of the message, unique within the chat.
    pub provider_id: String,
    /// The chat's id as the provider gives it from now on, when it took the message under another one (a user name, or
    /// a chat that moved).
    pub moved_to: Option<String>,
}

/// One network. One value serves all its accounts, from many tasks at once.
#[async_trait]
pub trait Channel: Send + Sync + std::fmt::Debug {
    /// The network's name in URLs, rows and metrics: lower case, `_` between words, never renamed.
    fn name(&self) -> &'static str;

    /// Where the provider answers, without a slash at its end: what `rookery doctor` tries to reach. None where there is
    /// no one address.
    fn provider_url(&self) -> Option<&str> {
        None
    }

    /// What the network can do and how much of it, with sources.
    fn capabilities(&self) -> &Capabilities;

    /// What a person does to connect an account, in order. Data, so that one form serves all networks.
    fn connect_steps(&self) -> Vec<ConnectStep>;

    /// Checks credentials against the provider and says who they belong to. The front calls it once when an
    /// account is connected and whenever its credentials change; it is the only call the front ever makes to a
    /// provider. `webhook_url` is where this account's events are to be delivered: an adapter whose provider is
    /// told so by API does it here. It must be safe to repeat.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError>;

    /// Refuses content that this network cannot carry, before anything is stored. Called by the front with each
    /// message; does no I/O. The default compares with [`Capabilities`].
    fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        self.capabilities().check(content)
    }

    /// Hands one message to the provider: one call, or the few that one message takes (upload, then send).
    /// It is called only after the attempt is committed. An error says what is known about the outcome:
    /// [`ErrorClass::Ambiguous`] when the request may have been carried out.
    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError>;

    /// Proves that a webhook comes from the provider, over the raw bytes and in constant time, and splits its
    /// body into events, one for each thing that happened, each with a dedupe key that is the same whenever the
    /// provider repeats itself. Does no I/O. Nothing is stored when it fails.
    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError>;

    /// Says what an event means. Called by the ingest job with what [`Channel::receive`] (or a poll) split off,
    /// perhaps again and again; does no I/O. One event may mean several things (an album, a batch of receipts).
    fn parse(&self, account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError>;

    /// Shows that somebody is typing.
    fn typist(&self) -> Option<&dyn Typist> {
        None
    }

    /// Marks the other side's messages as seen.
    fn reader(&self) -> Option<&dyn Reader> {
        None
    }

    /// Changes a message that was sent.
    fn editor(&self) -> Option<&dyn Editor> {
        None
    }

    /// Takes back a message that was sent.
    fn deleter(&self) -> Option<&dyn Deleter> {
        None
    }

    /// Reacts to a message.
    fn reactor(&self) -> Option<&dyn Reactor> {
        None
    }

    /// Tells the network that an event has been taken.
    fn acknowledger(&self) -> Option<&dyn Acknowledger> {
        None
    }

    /// Fetches a file that somebody sent.
    fn media_fetcher(&self) -> Option<&dyn MediaFetcher> {
        None
    }

    /// Lists the templates that the provider keeps.
    fn templates(&self) -> Option<&dyn TemplateSource> {
        None
    }

    /// Asks for events instead of being told. The account then has one owner in the fleet.
    fn poller(&self) -> Option<&dyn Poller> {
        None
    }

    /// Has apps that its accounts share.
    fn apps(&self) -> Option<&dyn Apps> {
        None
    }

    /// Has credentials that end unless they are renewed.
    fn refresher(&self) -> Option<&dyn Refresher> {
        None
    }

    /// Keeps sessions open (WhatsApp Web). The account then has one owner in the fleet.
    fn sessions(&self) -> Option<&dyn Sessions> {
        None
    }
}

/// Why content cannot go through a channel: becomes a 422 that names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ContentProblem {
    /// Path within the content, for example `text` or `media.mime`.
    pub field: String,
    /// Stable word: `unsupported`, `too_long`, `empty`, `out_of_range`.
    pub code: &'static str,
    /// For a person, with the limit in it.
    pub message: String,
}

/// An event that is not in the provider's form at all. The event is kept and its job is dead until a release
/// that can read it; events of unknown kinds are not this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {channel} event: {detail}")]
pub struct ParseError {
    /// The channel that tried.
    pub channel: &'static str,
    /// What is wrong with it, without its content.
    pub detail: String,
}
