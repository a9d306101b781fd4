//! Apps: what a developer registers at a provider, and what many accounts share. An app has secrets of its own, one
//! address that tells of all its accounts, and a page on which the owner of an account lets the app in.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::Timestamp;

use crate::{
    ChannelError, ConnectField, Connected, Credentials, Login, WebhookError, WebhookRequest, WebhookResponse,
};

/// What the names of an app's secrets begin with. An account's login holds those of its app beside its own, so that an
/// adapter looks in one place; an account's own secret of the same name goes first.
pub const APP_PREFIX: &str = "app_";

/// A channel whose accounts may belong to an app.
#[async_trait]
pub trait Apps: Send + Sync {
    /// Whose app it is: one app of Meta serves three channels. Lower case, never renamed.
    fn provider(&self) -> &'static str;

    /// What a person enters to register an app here. Names begin with [`APP_PREFIX`].
    fn fields(&self) -> Vec<ConnectField>;

    /// As [`crate::Channel::receive`], for the address that all accounts of the app share: each event says by
    /// [`crate::WebhookEvent::account`] whose it is ([`Connected::external_id`]).
    fn receive(
        &self,
        app: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError>;

    /// How the owner of an account lets the app in on a page of the provider; none where credentials are entered.
    fn oauth(&self) -> Option<&dyn OAuth> {
        None
    }
}

/// Connecting on a page of the provider.
#[async_trait]
pub trait OAuth: Send + Sync {
    /// The page to open. The provider sends the person back to `redirect` with `state` unchanged.
    ///
    /// # Errors
    /// When the app lacks a secret: which one.
    fn page(&self, app: &Credentials, redirect: &str, state: &str) -> Result<String, ChannelError>;

    /// Turns what the person came back with into the accounts that they may connect (a person may have several pages),
    /// each with credentials that last as long as the provider lets them. `query` holds the parameters of the redirect.
    async fn finish(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Connected>, ChannelError>;
}

/// Credentials that end unless they are renewed.
#[async_trait]
pub trait Refresher: Send + Sync {
    /// When to renew them: well before they end. None: they last.
    fn refresh_at(&self, credentials: &Credentials) -> Option<Timestamp>;

    /// Renews them and gives all of the account's credentials, the new ones among them. Where a provider takes the old ones
    /// back as it gives new ones, what is lost here is lost for good: the caller commits at once and calls one at a time.
    async fn refresh(&self, login: &Login) -> Result<Credentials, ChannelError>;
}
