//! Messaging as Facebook's pages and Instagram's professional accounts share it: one envelope of webhooks, one form of
//! messages and attachments, receipts by time or by message, reactions, a window of 24 hours. It stands below the Graph
//! module because a folder of its own beside the channels would be taken for one.
//!
//! What differs between the two is data ([`Dialect`]) and a place ([`Place`]): a page's messages go out through the page;
//! Instagram's through the page that the account is tied to, or through the account itself at Instagram's own host.
//!
//! There is no editing or deleting of what was sent, and no id of ours by which a repeated call would be known: a call
//! whose answer was lost stays in doubt.

mod abilities;
mod buttons;
mod content;
mod error;
mod hook;
pub(crate) mod pages;
mod parse;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use channel::{
    Accepted, Capabilities, ChannelError, ContentProblem, Credentials, Login, Outgoing, ParseError,
    WebhookError, WebhookRequest, WebhookResponse,
};
use model::{Account, Clock, Content, Inbound};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Call, File, Graph};
use crate::AdaptersConfig;

pub(crate) use error::named;
pub(crate) use send::{PERSON_WINDOW, WINDOW};

/// The account's token among the credentials.
pub(crate) const TOKEN: &str = "access_token";
/// The page's id among the settings.
pub(crate) const PAGE_ID: &str = "page_id";
/// Which login an account of Instagram came by, among the settings: [`BY_INSTAGRAM`], or by its page.
pub(crate) const LOGIN: &str = "login";
/// The account let the app in by itself.
pub(crate) const BY_INSTAGRAM: &str = "instagram";
/// What a conversation with who commented begins with, until there is an answer to the comment.
const COMMENT: &str = "comment:";
/// How long Meta tries to fetch a link before it gives up on it.
const LINK_PATIENCE: Duration = Duration::from_secs(75);
/// Instagram's own host.
const INSTAGRAM_URL: &str = "https://graph.instagram.com";

/// What sets one of the two channels apart.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The channel's name.
    pub name: &'static str,
    /// What its deliveries are about.
    pub object: &'static str,
    /// Which further secrets of an app may sign its deliveries.
    pub signers: &'static [&'static str],
    /// What uploads and profiles have to say they are for, where a page serves both.
    pub platform: Option<&'static str>,
    /// Whether each message says what it is for, and carries a word of ours that comes back in its echo.
    pub typed: bool,
    /// Whether reactions are Messenger's words rather than emoji.
    pub worded_reactions: bool,
}

/// Sends and receives for one of the two channels.
#[derive(Debug)]
pub(crate) struct Messaging {
    pub dialect: &'static Dialect,
    /// Facebook's.
    pub graph: Graph,
    /// Instagram's own.
    pub instagram: Graph,
    pub clock: Arc<dyn Clock>,
}

/// Where an account's messages go out.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    graph: &'a Graph,
    /// The page, or the account itself.
    node: &'a str,
    token: &'a str,
}

impl Place<'_> {
    async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, ChannelError> {
        self.graph.call(self.token, call).await.map_err(error::named)
    }
}

/// The answer to a message.
#[derive(Deserialize)]
struct Sent {
    recipient_id: Option<String>,
    message_id: Option<String>,
}

/// The answer to an upload.
#[derive(Deserialize)]
struct Uploaded {
    attachment_id: String,
}

/// Refuses content that these channels cannot carry: what the capabilities say, and what stands in it.
pub(crate) fn check(can: &Capabilities, content: &Content) -> Result<(), ContentProblem> {
    can.check(content)?;
    send::check(content)
}

impl Messaging {
    /// For the channel of this dialect, at Meta's own addresses or at those that the configuration gives.
    pub fn new(config: &AdaptersConfig, dialect: &'static Dialect) -> Self {
        Self {
            dialect,
            graph: Graph::new(config, dialect.name, error::classify),
            instagram: Graph::at(config, dialect.name, INSTAGRAM_URL, error::classify),
            clock: Arc::clone(&config.clock),
        }
    }

    fn place<'a>(&'a self, login: &'a Login) -> Result<Place<'a>, ChannelError> {
        let setting = |name: &str| {
            login.account.settings.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
        };
        let own = login.account.external_id.as_deref().filter(|id| !id.is_empty());
        let (graph, node) = if setting(LOGIN) == Some(BY_INSTAGRAM) {
            (&self.instagram, own)
        } else {
            (&self.graph, setting(PAGE_ID).or(own))
        };
        let node = node.ok_or_else(|| ChannelError::permanent("account", "the account has no id at Meta"))?;
        Ok(Place { graph, node, token: login.credentials.get(TOKEN) })
    }

    /// Hands one message over. A file of ours is uploaded first.
    pub async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        let place = self.place(login)?;
        let uploaded = match &message.file {
            Some(bytes) => Some(self.upload(place, &message.content, bytes).await?),
            None => None,
        };
        let body = send::body(self.dialect, message, uploaded.as_deref(), self.clock.now())?;
        let is_link = uploaded.is_none() && message.content.media().is_some();
        let patience = if is_link { LINK_PATIENCE } else { Duration::ZERO };
        let call = Call::post([place.node, "messages"]).json(body).once().patient(patience);
        let sent: Sent = place.call(call).await?;
        let provider_id = sent.message_id.filter(|id| !id.is_empty()).ok_or_else(|| {
            ChannelError::ambiguous("unreadable", "Meta said yes, but not which message it became")
        })?;
        // An answer to a comment goes to a person, who is known from then on.
        let moved_to = sent.recipient_id.filter(|id| !id.is_empty() && *id != message.chat);
        Ok(Accepted { provider_id, moved_to })
    }

    async fn upload(
        &self,
        place: Place<'_>,
        content: &Content,
        bytes: &Bytes,
    ) -> Result<String, ChannelError> {
        let kind = send::attachment_type(content)
            .ok_or_else(|| ChannelError::permanent("media", "no file goes with this"))?;
        let media = content.media().cloned().unwrap_or_default();
        let attachment = json!({ "attachment": { "type": kind, "payload": { "is_reusable": true } } });
        let mut fields = vec![("message", attachment.to_string())];
        if let Some(platform) = self.dialect.platform {
            fields.push(("platform", platform.to_owned()));
        }
        let file = File {
            field: "filedata",
            name: media.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "file".to_owned()),
            mime: media.mime.unwrap_or_else(|| send::usual_mime(kind).to_owned()),
            bytes: bytes.clone(),
        };
        let call = Call::post([place.node, "message_attachments"]).form(fields, file);
        place.call::<Uploaded>(call).await.map(|uploaded| uploaded.attachment_id)
    }

    /// Judges and splits what came to an account's own address. Events of this account carry no id; those of another one of
    /// the same app carry that one's.
    pub fn receive(
        &self,
        login: &Login,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        let mut response = self.receive_for(&login.credentials, request)?;
        let own = login.account.external_id.as_deref();
        for event in &mut response.events {
            if event.account.as_deref() == own {
                event.account = None;
            }
        }
        Ok(response)
    }

    /// Judges and splits what came to the address of an app: each event says whose it is.
    pub fn receive_for(
        &self,
        credentials: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        hook::receive(self.dialect, credentials, request)
    }

    /// What an event means.
    pub fn parse(&self, account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        parse::event(self.dialect, account, payload)
    }
}
