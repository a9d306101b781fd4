//! What only some networks can do: a small trait each.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::{Content, ContentKind, Media};
use serde::Serialize;
use serde_json::Value;

use crate::{ChannelError, Login, WebhookEvent};

/// Shows that somebody is typing.
#[async_trait]
pub trait Typist: Send + Sync {
    /// Called before a send and again every few seconds while a long text is "typed". Failing is harmless: the
    /// message is sent all the same.
    async fn typing(&self, login: &Login, chat: &str, on: bool) -> Result<(), ChannelError>;

    /// Called instead of [`Typist::typing`] before content of another kind: networks that can show "is recording",
    /// "is sending a photo". The default shows typing.
    async fn preparing(&self, login: &Login, chat: &str, _kind: ContentKind) -> Result<(), ChannelError> {
        self.typing(login, chat, true).await
    }
}

/// Marks the other side's messages as seen.
#[async_trait]
pub trait Reader: Send + Sync {
    /// Marks `provider_id` and what came before it as seen.
    async fn mark_read(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError>;
}

/// Changes a message that was sent.
#[async_trait]
pub trait Editor: Send + Sync {
    /// Replaces the content of our message `provider_id`. That it already says so counts as done.
    async fn edit(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        content: &Content,
    ) -> Result<(), ChannelError>;
}

/// Takes back a message that was sent.
#[async_trait]
pub trait Deleter: Send + Sync {
    /// Deletes our message `provider_id` for everyone. That it is gone already counts as done.
    async fn delete(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError>;
}

/// Reacts to a message.
#[async_trait]
pub trait Reactor: Send + Sync {
    /// Sets our reaction to `provider_id`; none takes it back.
    async fn react(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        emoji: Option<&str>,
    ) -> Result<(), ChannelError>;
}

/// Fetches a file that somebody sent.
#[async_trait]
pub trait MediaFetcher: Send + Sync {
    /// The bytes of the file behind `media.provider_ref`; at most `max_bytes` of them, else a permanent error.
    async fn fetch(&self, login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError>;
}

/// Tells the network that an event has been taken, where somebody waits to see that: a pressed button spins until
/// its callback is answered.
#[async_trait]
pub trait Acknowledger: Send + Sync {
    /// Whether an event wants an answer at all. Called by the ingest job with every event's payload; does no I/O.
    fn awaits(&self, payload: &Value) -> bool;

    /// Called once the event is committed, for those that wait. Failing is harmless, and so is a repetition.
    async fn acknowledge(&self, login: &Login, payload: &Value) -> Result<(), ChannelError>;
}

/// A template that the provider keeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderTemplate {
    /// Its name at the provider: that of [`Content::ProviderTemplate`].
    pub name: String,
    /// Its language, as the provider writes it: `en_US`.
    pub language: String,
    /// Whether it may be sent, in the provider's word: `APPROVED`, `PENDING`, `REJECTED`, `PAUSED`.
    pub status: String,
    /// What it is for, in the provider's word: `MARKETING`, `UTILITY`, `AUTHENTICATION`.
    pub category: String,
    /// What it is made of, in the provider's own form.
    pub components: Value,
}

/// Lists the templates that the provider keeps for an account.
#[async_trait]
pub trait TemplateSource: Send + Sync {
    /// All of them, whatever their state.
    async fn templates(&self, login: &Login) -> Result<Vec<ProviderTemplate>, ChannelError>;
}

/// What a poll brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Polled {
    /// What happened, oldest first.
    pub events: Vec<WebhookEvent>,
    /// Where to go on, once the events are committed: handed to the next poll. To the provider it confirms them.
    pub cursor: String,
    /// How long to leave the provider alone before the next poll: for those that answer at once, news or none, and count the
    /// calls. None: a poll waits at the provider itself.
    pub rest: Option<Duration>,
}

/// Asks for events instead of being told.
#[async_trait]
pub trait Poller: Send + Sync {
    /// Waits for events after `cursor` for as long as the provider lets us (and 60 s at most).
    async fn poll(&self, login: &Login, cursor: Option<&str>) -> Result<Polled, ChannelError>;
}
