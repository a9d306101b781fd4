//! Everything the sandbox can do beside sending.

use async_trait::async_trait;
use bytes::Bytes;
use channel::{ChannelError, Deleter, Editor, Login, MediaFetcher, Polled, Poller, Reactor, Reader, Typist};
use model::{Content, Media};
use serde_json::json;

use super::api::{segment, text};
use super::{Sandbox, What, bearer, content, event};

#[async_trait]
impl Typist for Sandbox {
    async fn typing(&self, login: &Login, chat: &str, on: bool) -> Result<(), ChannelError> {
        let body = json!({"chat": chat, "on": on});
        self.ask(login, What::Typing, None, &body).await?;
        Ok(())
    }
}

#[async_trait]
impl Reader for Sandbox {
    async fn mark_read(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError> {
        let body = json!({"chat": chat, "message_id": provider_id});
        self.ask(login, What::Read, None, &body).await?;
        Ok(())
    }
}

#[async_trait]
impl Editor for Sandbox {
    async fn edit(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        content: &Content,
    ) -> Result<(), ChannelError> {
        let id = segment(provider_id)?;
        let file = content.media().and_then(|media| media.provider_ref.clone());
        let body = json!({"chat": chat, "content": content::outgoing(content, file)?});
        self.ask(login, What::Edit, Some(id), &body).await?;
        Ok(())
    }
}

#[async_trait]
impl Deleter for Sandbox {
    async fn delete(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError> {
        let body = json!({ "chat": chat });
        match self.ask(login, What::Delete, Some(segment(provider_id)?), &body).await {
            Err(error) if error.code == "message_not_found" => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

#[async_trait]
impl Reactor for Sandbox {
    async fn react(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        emoji: Option<&str>,
    ) -> Result<(), ChannelError> {
        let body = json!({"chat": chat, "emoji": emoji});
        self.ask(login, What::React, Some(segment(provider_id)?), &body).await?;
        Ok(())
    }
}

#[async_trait]
impl MediaFetcher for Sandbox {
    async fn fetch(&self, login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let id = segment(media.provider_ref.as_deref().unwrap_or_default())?;
        self.api.download(bearer(login), id, max_bytes).await
    }
}

#[async_trait]
impl Poller for Sandbox {
    async fn poll(&self, login: &Login, cursor: Option<&str>) -> Result<Polled, ChannelError> {
        let mut answer = self.api.updates(login.credentials.get("token"), cursor).await?;
        let cursor = text(&answer, "cursor")?;
        let events = event::split(answer.take()).ok_or_else(|| {
            ChannelError::retry("invalid_answer", "the updates are not in the sandbox's form")
        })?;
        Ok(Polled { events, cursor, rest: None })
    }
}
