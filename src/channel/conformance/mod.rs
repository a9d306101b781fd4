//! What every adapter must do, shown against a simulator of its provider.
//!
//! A channel's tests implement [`Simulator`] and call [`run`]. The suite knows the contract and no provider; the
//! simulator knows the provider and not the contract. What a provider cannot do, its simulator leaves out.

mod abilities;
mod connecting;
pub mod samples;
mod sending;
mod webhooks;

use async_trait::async_trait;
use bytes::Bytes;
use model::{Content, ContentKind, Inbound, Media};

use crate::{Channel, ChannelError, Credentials, ErrorClass, Login};

/// A provider that does as it is told.
#[async_trait]
pub trait Simulator: Send + Sync {
    /// Credentials that it takes.
    fn credentials(&self) -> Credentials;

    /// Credentials that look well and are not.
    fn bad_credentials(&self) -> Credentials;

    /// A chat that takes everything.
    fn chat(&self) -> String;

    /// Arranges that the next send to the answered chat meets an error of this class (its times do not matter).
    /// None if the provider has no such error.
    async fn fault(&self, class: &ErrorClass) -> Option<String>;

    /// Ends what [`Simulator::fault`] arranged.
    async fn calm(&self);

    /// The message that it took as `provider_id` in `chat`.
    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received>;

    /// Content of a kind that only its provider knows the form of (a template, a native message), which it takes; none if it
    /// has nothing of the kind.
    fn sample(&self, _kind: ContentKind) -> Option<Content> {
        None
    }

    /// A webhook's body that tells of this; none if the provider never tells such things.
    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>>;

    /// A webhook's body that tells of something nobody has heard of.
    fn unheard_of(&self) -> Vec<u8>;

    /// The headers that prove `body` to be the provider's, names in lower case.
    fn webhook_headers(&self, login: &Login, body: &[u8]) -> Vec<(String, String)>;

    /// Whether those headers depend on the body. A shared secret does not.
    fn signs_body(&self) -> bool;

    /// Lets this happen at the provider, for whoever polls; false if nobody can poll.
    async fn happen(&self, login: &Login, happened: &Inbound) -> bool;

    /// Puts a file at the provider, as if somebody had sent it; none if files are not fetched from it.
    async fn put_file(&self, login: &Login, bytes: Bytes) -> Option<Media>;
}

/// A message as the provider took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What kind of content it is to the provider; one that the provider shows as another kind is that one.
    pub kind: ContentKind,
    /// The words that a person sees.
    pub words: Option<String>,
    /// The file's bytes, if it was uploaded.
    pub file: Option<Bytes>,
    /// The message it answers.
    pub reply_to: Option<String>,
    /// Our id, if the provider keeps it.
    pub client_id: Option<String>,
}

/// Runs the whole suite with `login`, whose credentials are those of [`Simulator::credentials`] and what connecting
/// added to them.
///
/// # Panics
/// When the channel breaks its contract; the message says how.
pub async fn run(channel: &dyn Channel, simulator: &dyn Simulator, login: &Login) {
    connecting::good_and_bad_credentials(channel, simulator).await;
    connecting::words_and_abilities_agree(channel);
    sending::every_kind_arrives(channel, simulator, login).await;
    sending::every_error_has_its_class(channel, simulator, login).await;
    sending::what_cannot_be_carried_is_refused_before(channel);
    abilities::what_was_sent_can_be_changed(channel, simulator, login).await;
    abilities::polls_bring_each_event_until_confirmed(channel, simulator, login).await;
    abilities::files_are_fetched_within_their_limit(channel, simulator, login).await;
    webhooks::only_the_provider_is_believed(channel, simulator, login);
    webhooks::each_kind_of_event_is_understood(channel, simulator, login);
}

/// No part of the credentials may show in an error.
fn keeps_secrets(error: &ChannelError, credentials: &Credentials) {
    let shown = format!("{error} {error:?}");
    for name in credentials.names() {
        let secret = credentials.get(name);
        assert!(secret.is_empty() || !shown.contains(secret), "an error shows the secret {name}");
    }
}
