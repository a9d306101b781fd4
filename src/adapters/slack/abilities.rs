//! What Slack can do beside sending: edits, deletions, reactions, the mark of what was read, files.

use async_trait::async_trait;
use bytes::Bytes;
use channel::{ChannelError, Deleter, Editor, Login, MediaFetcher, Reactor, Reader};
use model::{Content, Media};
use serde::Deserialize;
use serde_json::Value;

use super::api::Call;
use super::blocks::array;
use super::send::update_arguments;
use super::transfer::too_large;
use super::{Slack, emoji};

/// A refusal that says the work is done already.
fn unless(result: Result<Value, ChannelError>, done: &str) -> Result<(), ChannelError> {
    match result {
        Err(error) if error.code != done => Err(error),
        _ => Ok(()),
    }
}

#[async_trait]
impl Editor for Slack {
    async fn edit(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        content: &Content,
    ) -> Result<(), ChannelError> {
        let arguments = update_arguments(content)?;
        let ts = self.ts(login, chat, provider_id).await?;
        let call = Call::new("chat.update").with_all(arguments).with("channel", chat).with("ts", ts);
        self.api.call::<Value>(&login.credentials, call).await.map(drop)
    }
}

#[async_trait]
impl Deleter for Slack {
    async fn delete(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError> {
        let ts = self.ts(login, chat, provider_id).await?;
        let call = Call::new("chat.delete").with("channel", chat).with("ts", ts);
        unless(self.api.call(&login.credentials, call).await, "message_not_found")
    }
}

/// The answer of `reactions.get`.
#[derive(Deserialize)]
struct Reacted {
    message: Value,
}

#[async_trait]
impl Reactor for Slack {
    /// Slack lets one react with several emoji; here, as elsewhere, the newest takes the place of those before.
    async fn react(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        emoji: Option<&str>,
    ) -> Result<(), ChannelError> {
        let wanted = emoji.map(|emoji| {
            emoji::name(emoji).ok_or_else(|| {
                let message = format!("Slack's name for {emoji} is not known: give the name instead");
                ChannelError::permanent("reaction", message)
            })
        });
        let wanted = wanted.transpose()?;
        let ts = self.ts(login, chat, provider_id).await?;
        let reaction = |method, name: &str| {
            Call::new(method).with("channel", chat).with("timestamp", ts.as_str()).with("name", name)
        };
        if let Some(name) = &wanted {
            let add = self.api.call(&login.credentials, reaction("reactions.add", name)).await;
            unless(add, "already_reacted")?;
        }
        let call = Call::form("reactions.get")
            .with("channel", chat)
            .with("timestamp", ts.as_str())
            .with("full", true);
        let bot = self.bot_user(login).await?;
        let reacted: Reacted = self.api.call(&login.credentials, call).await?;
        for one in array(&reacted.message, "reactions") {
            let Some(name) = one.get("name").and_then(Value::as_str) else { continue };
            let is_ours = array(one, "users").iter().any(|user| user.as_str() == Some(&bot));
            // `thumbsup` comes back as `+1`.
            let is_wanted = wanted
                .as_deref()
                .is_some_and(|wanted| wanted == name || emoji::unicode(wanted) == emoji::unicode(name));
            if is_ours && !is_wanted {
                let call = reaction("reactions.remove", name);
                unless(self.api.call(&login.credentials, call).await, "no_reaction")?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Reader for Slack {
    /// Moves the bot's own mark in the channel. Nobody else sees it: Slack has no read receipts.
    async fn mark_read(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError> {
        let ts = self.ts(login, chat, provider_id).await?;
        let call = Call::new("conversations.mark").with("channel", chat).with("ts", ts);
        self.api.call::<Value>(&login.credentials, call).await.map(drop)
    }
}

#[async_trait]
impl MediaFetcher for Slack {
    /// Asks where the file lies first: files that came in through a channel shared with another company are told by their
    /// ids only, and links may be old by now.
    async fn fetch(&self, login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let id = media
            .provider_ref
            .as_deref()
            .ok_or_else(|| ChannelError::permanent("media", "the file has no id at Slack"))?;
        if media.size.is_some_and(|size| size > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let file = self.file_info(login, id).await?;
        if file.get("size").and_then(Value::as_u64).is_some_and(|size| size > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let text = |key: &str| file.get(key).and_then(Value::as_str);
        let link = text("url_private_download").or_else(|| text("url_private"));
        let link = link.ok_or_else(|| {
            ChannelError::permanent("file_gone", "Slack has the file no more, or shows it to nobody")
        })?;
        self.api.download(&login.credentials, link, text("mimetype"), max_bytes).await
    }
}
