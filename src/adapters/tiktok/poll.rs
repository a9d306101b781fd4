//! Asking for messages, where no webhook reaches us. Webhooks are told at best once and lost at times, and a poll finds the
//! same messages under the same keys.

use std::time::Duration;

use async_trait::async_trait;
use channel::{ChannelError, ErrorClass, Login, Polled, Poller, WebhookEvent};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Call;
use super::cursor::{Cursor, Pages};
use super::webhook::message_key;
use super::{CONVERSATIONS, TikTok, conversation_path, number, word};

/// Calls of one poll: what a shop is safely asked in a second. Their timeouts together are the longest that a poll may take.
const CALLS: usize = 3;
/// Between polls of one round.
const BETWEEN: Duration = Duration::from_secs(1);
/// Between rounds.
const QUIET: Duration = Duration::from_secs(30);
/// The largest pages that there are.
const CONVERSATIONS_PAGE: &str = "20";
const MESSAGES_PAGE: &str = "10";

#[derive(Deserialize)]
struct Conversations {
    #[serde(default)]
    conversations: Vec<Value>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// A message that was found, with what it is put in order by.
struct Found {
    at: i64,
    index: i64,
    event: WebhookEvent,
}

#[async_trait]
impl Poller for TikTok {
    /// Answers at once: the pause is [`Polled::rest`].
    async fn poll(&self, login: &Login, cursor: Option<&str>) -> Result<Polled, ChannelError> {
        let mut cursor = Cursor::read(cursor, self.api.now())?;
        let mut found = Vec::new();
        for _ in 0..CALLS {
            if let Some((chat, page)) = cursor.unread.pop_front() {
                self.read_messages(login, &mut cursor, &mut found, chat, &page).await?;
            } else if cursor.pages != Pages::None {
                self.read_conversations(login, &mut cursor).await?;
            }
            if cursor.is_over() {
                break;
            }
        }
        let rest = if cursor.is_over() {
            cursor.begin(true);
            QUIET
        } else {
            BETWEEN
        };
        found.sort_by_key(|message| (message.at, message.index));
        let events = found.into_iter().map(|message| message.event).collect();
        Ok(Polled { events, cursor: cursor.write()?, rest: Some(rest) })
    }
}

impl TikTok {
    /// Looks through one page of conversations for those in which something happened.
    async fn read_conversations(&self, login: &Login, cursor: &mut Cursor) -> Result<(), ChannelError> {
        let call = Call::get(CONVERSATIONS).with("page_size", CONVERSATIONS_PAGE);
        let call = match &cursor.pages {
            Pages::Next(token) => call.with("page_token", token.as_str()),
            Pages::First | Pages::None => call,
        };
        let answer: Result<Conversations, _> = self.api.call(&login.credentials, call).await;
        let page = match answer {
            Err(error) if error.class == ErrorClass::Permanent && cursor.pages != Pages::First => {
                tracing::warn!(account.id = %login.account.id, %error, "TikTok lost its place among the conversations");
                cursor.begin(false);
                return Ok(());
            }
            answer => answer?,
        };
        let was_in_order = cursor.is_in_order();
        for conversation in &page.conversations {
            let latest = conversation.get("latest_message");
            let time = |of: Option<&Value>| of?.get("create_time").and_then(number);
            let at = time(latest).or_else(|| time(Some(conversation))).unwrap_or_default();
            cursor.pass(at);
            let is_told =
                latest.and_then(|latest| word(latest.get("id")?)).is_some_and(|id| cursor.is_told(&id));
            // One without a latest message says by its count whether there is any.
            let unread = conversation.get("unread_count").and_then(number).unwrap_or_default();
            let has_news = (at >= cursor.floor() && !is_told) || (latest.is_none() && unread > 0);
            if let Some(chat) = conversation.get("id").and_then(word).filter(|_| has_news) {
                cursor.unread.push_back((chat, String::new()));
            }
        }
        if was_in_order && !cursor.is_in_order() {
            tracing::debug!(account.id = %login.account.id, "the list of conversations is not the newest first: it is read whole");
        }
        cursor.pages = match page.next_page_token.filter(|token| !token.is_empty()) {
            Some(token) if !page.conversations.is_empty() && !cursor.is_past_news() => Pages::Next(token),
            _ => Pages::None,
        };
        Ok(())
    }

    /// Reads one page of a conversation, the newest first, and notes where it goes on if there is more that is new.
    async fn read_messages(
        &self,
        login: &Login,
        cursor: &mut Cursor,
        found: &mut Vec<Found>,
        chat: String,
        page: &str,
    ) -> Result<(), ChannelError> {
        let answer = match conversation_path(&chat) {
            Ok(path) => {
                let call = Call::get(path + "/messages")
                    .with("page_size", MESSAGES_PAGE)
                    .with("sort_field", "create_time")
                    .with("sort_order", "DESC");
                let call = if page.is_empty() { call } else { call.with("page_token", page) };
                self.api.call::<Messages>(&login.credentials, call).await
            }
            Err(error) => Err(error),
        };
        let page = match answer {
            // One conversation that is gone must not stand in the way of all others.
            Err(error) if error.class == ErrorClass::Permanent => {
                tracing::warn!(account.id = %login.account.id, %error, "a conversation cannot be read: it is passed over");
                return Ok(());
            }
            answer => answer?,
        };
        let mut oldest = i64::MAX;
        for message in page.messages {
            let at = message.get("create_time").and_then(number).unwrap_or_default();
            oldest = oldest.min(at);
            let Some(id) = message.get("id").and_then(word) else { continue };
            if cursor.tell(&id, at) {
                let index = message.get("index").and_then(number).unwrap_or_default();
                let dedupe_key = message_key(&chat, &id);
                let payload = json!({ "conversation_id": chat, "message": message });
                found.push(Found { at, index, event: WebhookEvent { dedupe_key, account: None, payload } });
            }
        }
        let next = page.next_page_token.filter(|token| !token.is_empty());
        // An empty page has no oldest message, and nothing after it.
        if let Some(token) = next.filter(|_| oldest != i64::MAX && oldest >= cursor.floor()) {
            cursor.unread.push_front((chat, token));
        }
        Ok(())
    }
}
