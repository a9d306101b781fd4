//! Beside sending: typing, seen, reactions, and the files that people sent.

use async_trait::async_trait;
use bytes::Bytes;
use channel::{ChannelError, Login, MediaFetcher, Reactor, Reader, Typist};
use model::Media;
use serde_json::{Value, json};

use super::{Messaging, parse, send};
use crate::graph::Call;

impl Messaging {
    async fn act(&self, login: &Login, body: Value) -> Result<(), ChannelError> {
        let place = self.place(login)?;
        let call = Call::post([place.node, "messages"]).json(body);
        place.call::<Value>(call).await.map(drop)
    }
}

#[async_trait]
impl Typist for Messaging {
    async fn typing(&self, login: &Login, chat: &str, on: bool) -> Result<(), ChannelError> {
        let action = if on { "typing_on" } else { "typing_off" };
        self.act(login, json!({ "recipient": send::recipient(chat), "sender_action": action })).await
    }
}

#[async_trait]
impl Reader for Messaging {
    /// All that was received so far: Meta knows no other way.
    async fn mark_read(&self, login: &Login, chat: &str, _provider_id: &str) -> Result<(), ChannelError> {
        self.act(login, json!({ "recipient": send::recipient(chat), "sender_action": "mark_seen" })).await
    }
}

#[async_trait]
impl Reactor for Messaging {
    async fn react(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        emoji: Option<&str>,
    ) -> Result<(), ChannelError> {
        let mut payload = json!({ "message_id": parse::mid(provider_id) });
        let action = match emoji {
            Some(emoji) => {
                let worded = self.dialect.worded_reactions;
                payload["reaction"] = if worded { send::reaction_word(emoji) } else { emoji }.into();
                "react"
            }
            None => "unreact",
        };
        let recipient = send::recipient(chat);
        self.act(login, json!({ "recipient": recipient, "sender_action": action, "payload": payload })).await
    }
}

#[async_trait]
impl MediaFetcher for Messaging {
    /// The address is signed and ends; no token goes along.
    async fn fetch(&self, _login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let url = media.provider_ref.as_deref().filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| ChannelError::permanent("media", "the file has no address at Meta"))?;
        self.graph.download("", url, max_bytes).await
    }
}
