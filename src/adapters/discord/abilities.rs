//! What Discord can do beside sending: typing, edits, deletions, reactions, files, answered interactions.

use async_trait::async_trait;
use bytes::Bytes;
use channel::{Acknowledger, ChannelError, Deleter, Editor, Login, MediaFetcher, Reactor, Typist};
use model::{Content, Media};
use outbound::Method;
use serde_json::{Value, json};

use super::api::{Call, path_safe, too_large};
use super::snowflake::{id, is_id};
use super::{Discord, error, interaction, send};

#[async_trait]
impl Typist for Discord {
    async fn typing(&self, login: &Login, chat: &str, on: bool) -> Result<(), ChannelError> {
        // It ends by itself within ten seconds, or with the message. A person whom nobody wrote to yet sees none.
        if !on || !is_id(chat) {
            return Ok(());
        }
        self.call(login, Call::in_chat(Method::POST, "typing", chat, "/typing")).await.map(drop)
    }
}

#[async_trait]
impl Editor for Discord {
    /// Changes the words and buttons of a message. Its files stay: an edit brings none.
    async fn edit(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        content: &Content,
    ) -> Result<(), ChannelError> {
        if content.media().is_some_and(|media| media.url.is_none()) && content.words().is_none() {
            let message = format!("a {} cannot be changed once it is sent", content.kind());
            return Err(ChannelError::permanent("unsupported", message));
        }
        let body = send::fields(content, content.media().is_some_and(|media| media.url.is_none()))?;
        let call = Call::in_chat(Method::PATCH, "edit", chat, &message(provider_id)).with_body(body);
        self.call(login, call).await.map(drop)
    }
}

#[async_trait]
impl Deleter for Discord {
    async fn delete(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError> {
        let call = Call::in_chat(Method::DELETE, "delete", chat, &message(provider_id));
        match self.call(login, call).await {
            Err(error) if !error::is_already_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Reactor for Discord {
    /// Discord lets one react with many emoji; ours is the last one, so those before are taken back.
    async fn react(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        emoji: Option<&str>,
    ) -> Result<(), ChannelError> {
        let emoji = emoji.map(spelling);
        let call = Call::in_chat(Method::GET, "message", chat, &message(provider_id));
        let found = self.call(login, call).await?;
        let reactions = found["reactions"].as_array().map_or(&[][..], Vec::as_slice);
        let mut is_set = false;
        for reaction in reactions.iter().filter(|reaction| reaction["me"] == true) {
            let ours = &reaction["emoji"];
            let name = ours["name"].as_str().unwrap_or_default();
            let ours = id(&ours["id"]).map_or_else(|| name.to_owned(), |id| format!("{name}:{id}"));
            if emoji.as_ref().is_some_and(|emoji| *emoji == ours) {
                is_set = true;
                continue;
            }
            self.call(login, reaction_call(Method::DELETE, chat, provider_id, &ours)).await?;
        }
        if let Some(emoji) = emoji.filter(|_| !is_set) {
            self.call(login, reaction_call(Method::PUT, chat, provider_id, &emoji)).await?;
        }
        Ok(())
    }
}

fn reaction_call(method: Method, chat: &str, provider_id: &str, emoji: &str) -> Call {
    let rest = format!("{}/reactions/{}/@me", message(provider_id), path_safe(emoji));
    Call::in_chat(method, "reaction", chat, &rest)
}

/// An emoji as paths take it: the character, or a server's own by its name and id, which in texts stands as `<:name:id>`.
fn spelling(emoji: &str) -> String {
    let inner = emoji.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(emoji);
    let inner = inner.strip_prefix("a:").or_else(|| inner.strip_prefix(':')).unwrap_or(inner);
    inner.to_owned()
}

/// A message in a path. Of one that is a part of another, the whole is meant.
fn message(provider_id: &str) -> String {
    let whole = provider_id.split(':').next().unwrap_or_default();
    format!("/messages/{}", path_safe(whole))
}

#[async_trait]
impl MediaFetcher for Discord {
    /// Downloads by the link that came with the message; where that has ended, the message is asked for a new one.
    async fn fetch(&self, login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let handle = media
            .provider_ref
            .as_deref()
            .ok_or_else(|| ChannelError::permanent("media", "the file has no handle at Discord"))?;
        if media.size.is_some_and(|size| size > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let gone = || ChannelError::permanent("404", "Discord does not have the file any more");
        let (place, url) = handle.split_once(' ').unwrap_or(("", handle));
        if let Some(bytes) = self.api.download(url, max_bytes).await? {
            return Ok(bytes);
        }
        let mut parts = place.split('/').filter(|part| is_id(part));
        let (Some(chat), Some(of), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(gone());
        };
        let call = Call::in_chat(Method::GET, "message", chat, &message(of));
        let found = self.call(login, call).await?;
        let forwarded = &found["message_snapshots"][0]["message"]["attachments"];
        let files = found["attachments"].as_array().into_iter().flatten();
        let mut files = files.chain(forwarded.as_array().into_iter().flatten());
        let url = files.find(|known| known["id"] == file).and_then(|known| known["url"].as_str());
        let url = url.ok_or_else(gone)?;
        self.api.download(url, max_bytes).await?.ok_or_else(gone)
    }
}

/// The setting that says what who gave a command reads.
const COMMAND_ANSWER: &str = "command_answer";

#[async_trait]
impl Acknowledger for Discord {
    /// An interaction that came over the Gateway is not answered yet; one from the endpoint is, but a command shows "is
    /// thinking…" until it is told more.
    fn awaits(&self, payload: &Value) -> bool {
        payload["t"] == "INTERACTION_CREATE"
            && (payload["answered"].is_null() || interaction::leaves_a_notice(&payload["answered"]))
    }

    /// Ends the waiting: with the words of the account's setting `command_answer`, or without any. What the business says
    /// comes as a message. The key of an interaction is good for 15 minutes; without one there is nothing to end.
    async fn acknowledge(&self, login: &Login, payload: &Value) -> Result<(), ChannelError> {
        let told = &payload["d"];
        let (Some(own_id), Some(key)) = (id(&told["id"]), told["token"].as_str()) else { return Ok(()) };
        let answered = &payload["answered"];
        let answer = if answered.is_null() { interaction::answer(told) } else { answered.clone() };
        if answered.is_null() {
            let path = format!("/interactions/{own_id}/{}/callback", path_safe(key));
            let call = Call::of_bot(Method::POST, "interaction", path).with_body(answer.clone());
            self.unless_over(login, call).await?;
        }
        let Some(app) = id(&told["application_id"]).filter(|_| interaction::leaves_a_notice(&answer)) else {
            return Ok(());
        };
        let path = format!("/webhooks/{app}/{}/messages/@original", path_safe(key));
        let words = login.account.settings[COMMAND_ANSWER].as_str().filter(|words| !words.trim().is_empty());
        let call = match words {
            Some(words) => Call::of_bot(Method::PATCH, "original", path)
                .with_body(json!({ "content": words, "allowed_mentions": { "parse": [] } })),
            None => Call::of_bot(Method::DELETE, "original", path),
        };
        self.unless_over(login, call).await
    }
}

impl Discord {
    /// Makes a call about an interaction; one that is over or answered needs none.
    async fn unless_over(&self, login: &Login, call: Call) -> Result<(), ChannelError> {
        match self.call(login, call).await {
            Err(error) if !error::is_answered(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_taken_however_they_are_spelled() {
        for (given, spelled) in
            [("\u{1f44d}", "\u{1f44d}"), ("<:ok:55>", "ok:55"), ("<a:ok:55>", "ok:55"), ("ok:55", "ok:55")]
        {
            assert_eq!(spelling(given), spelled);
        }
    }

    #[test]
    fn a_part_leads_to_its_message() {
        assert_eq!(message("123"), "/messages/123");
        assert_eq!(message("123:2"), "/messages/123");
        assert_eq!(message("../1"), "/messages/%2E%2E%2F1");
    }
}
