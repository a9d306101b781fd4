//! The Telegram channel against the simulator: every kind of content out, every ability, every error, both ways in.

mod abilities;
mod conformance;
mod errors;
mod inbound;
mod sends;

use std::sync::Arc;
use std::time::Duration;

use adapters::AdaptersConfig;
use adapters::telegram::Telegram as Adapter;
use channel::{Accepted, Channel, ChannelError, Credentials, Login, Outgoing};
use model::{
    Account, Connection, Content, Ids, Inbound, InboundKind, Media, MessageId, Purpose, Redelivery, Sending,
    Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::{BotHandle, Options, Telegram};

/// A simulator, a bot there, the channel, and the bot's account.
struct Stage {
    /// Lives as long as the stage.
    _server: Telegram,
    bot: BotHandle,
    channel: Adapter,
    login: Login,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Options { enforce_limits: false, ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let server = Telegram::start(options).await;
        let bot = server.bot();
        let http = Http::new(&HttpConfig::default()).unwrap();
        let mut config = AdaptersConfig::new(http).with_base_url("telegram", server.base_url());
        config.ids = Arc::new(Ids::seeded(1));
        // Short, for the tests in which no answer comes.
        config.call_timeout = Duration::from_millis(1_500);
        let channel = Adapter::new(&config);
        let login = Login {
            account: account(bot.id()),
            credentials: Credentials::default().with("bot_token", bot.token.clone()),
        };
        Self { _server: server, bot, channel, login }
    }

    /// Connects, so that every kind of update is asked for, and remembers the credentials.
    async fn connect(&mut self, webhook: Option<&str>) -> channel::Connected {
        let connected = self.channel.connect(&self.login.credentials, &json!({}), webhook).await.unwrap();
        self.login.credentials = connected.credentials.clone();
        connected
    }

    async fn send(&self, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.channel.send(&self.login, message).await
    }

    /// Sends to a chat and answers the message as Telegram has it.
    async fn sent(&self, chat: i64, content: Value) -> Value {
        let accepted = self.send(&to(chat, content)).await.unwrap();
        self.message(chat, &accepted.provider_id)
    }

    fn message(&self, chat: i64, provider_id: &str) -> Value {
        let id: i64 = provider_id.parse().unwrap();
        let found = self.bot.messages(chat).into_iter().find(|message| message["message_id"] == id);
        found.expect("the message is in the chat")
    }

    /// Polls until something comes.
    async fn poll(&self, cursor: Option<&str>) -> (Vec<Inbound>, String) {
        let batch = self.channel.poller().unwrap().poll(&self.login, cursor).await.unwrap();
        let parsed = batch
            .events
            .iter()
            .flat_map(|event| self.channel.parse(&self.login.account, &event.payload).unwrap())
            .collect();
        (parsed, batch.cursor)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.bot.unknown_parameters(), Vec::<String>::new());
        }
    }
}

fn account(bot: i64) -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: "telegram".to_owned(),
        name: "Shop".to_owned(),
        external_id: Some(bot.to_string()),
        app_id: None,
        settings: json!({}),
        intake: model::Intake::Webhook,
        connection: Connection::Connected,
        connection_detail: None,
        sending: Sending::Active,
        sending_reason: None,
        sending_until: None,
        holds: Vec::new(),
        failures_in_a_row: 0,
        timezone: "UTC".to_owned(),
        pacing: json!({}),
        pace_scale: 1.0,
        redelivery: Redelivery::AtLeastOnce,
        first_connected_at: None,
        registered_at: None,
        campaigns_resumed_at: None,
        pinned_to: None,
        created_at: Timestamp::ZERO,
        updated_at: Timestamp::ZERO,
    }
}

/// A message to a chat, with content as the API takes it.
fn to(chat: i64, content: Value) -> Outgoing {
    Outgoing {
        message_id: "018f0000-0000-7000-8000-000000000003".parse::<MessageId>().unwrap(),
        chat: chat.to_string(),
        thread: None,
        content: serde_json::from_value(content).unwrap(),
        reply_to: None,
        file: None,
        purpose: Purpose::Conversation,
        by_person: false,
        contact_wrote_at: None,
    }
}

/// The same with a file of ours.
fn with_file(chat: i64, content: Value, bytes: &[u8]) -> Outgoing {
    Outgoing { file: Some(bytes::Bytes::copy_from_slice(bytes)), ..to(chat, content) }
}

fn text(words: &str) -> Value {
    json!({ "type": "text", "text": words })
}

/// The content of an inbound message.
fn said(inbound: &Inbound) -> &Content {
    match &inbound.kind {
        InboundKind::Message { content, .. } | InboundKind::Edited { content, .. } => content,
        other => panic!("not a message: {other:?}"),
    }
}

fn media(inbound: &Inbound) -> &Media {
    said(inbound).media().expect("a file")
}
