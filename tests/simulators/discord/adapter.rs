//! The Discord channel against the simulator: every kind of content out, every ability, every error, both ways in.

mod conformance;
mod fixtures;
mod gateway;
mod interactions;
mod refusals;
mod sends;

use std::time::Duration;

use adapters::AdaptersConfig;
use adapters::discord::Discord as Adapter;
use channel::{Accepted, Channel, ChannelError, Credentials, Login, Outgoing};
use model::{Account, Connection, Purpose, Redelivery, Sending, Timestamp};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::{Discord, Options};

/// A simulator, the channel, and the bot's account.
struct Stage {
    server: Discord,
    channel: Adapter,
    login: Login,
    /// Direct messages with Ada.
    chat: u64,
    ada: u64,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Options { enforce_limits: false, ..Options::default() }).await
    }

    /// A connected account.
    async fn with(options: Options) -> Self {
        let server = Discord::start(options).await;
        let channel = adapter(&server);
        let credentials = Credentials::default().with("bot_token", server.token());
        let connected = channel.connect(&credentials, &json!({}), None).await.unwrap();
        let mut account = account(&connected.external_id);
        account.settings = connected.settings;
        let login = Login { account, credentials: connected.credentials };
        let ada = server.person("Ada");
        let chat = server.direct(ada);
        Self { server, channel, login, chat, ada }
    }

    async fn send(&self, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.channel.send(&self.login, message).await
    }

    /// Sends to Ada and answers the message as Discord has it.
    async fn sent(&self, content: Value) -> Value {
        let accepted = self.send(&to(&self.chat.to_string(), 3, content)).await.unwrap();
        self.server.message(&self.chat.to_string(), &accepted.provider_id).expect("it is in the chat")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.server.unknown_fields(), Vec::<String>::new());
        }
    }
}

/// A process's channel. Another one of the same server knows nothing of it.
fn adapter(server: &Discord) -> Adapter {
    let http = Http::new(&HttpConfig::default()).unwrap();
    let mut config = AdaptersConfig::new(http).with_base_url("discord", server.base_url());
    config.call_timeout = Duration::from_millis(1_500);
    Adapter::new(&config)
}

fn account(app: &str) -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: "discord".to_owned(),
        name: "Shop".to_owned(),
        external_id: Some(app.to_owned()),
        settings: json!({}),
        intake: model::Intake::Session,
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
        app_id: None,
        created_at: Timestamp::ZERO,
        updated_at: Timestamp::ZERO,
    }
}

/// A message to a chat, numbered, with content as our API takes it.
fn to(chat: &str, number: u32, content: Value) -> Outgoing {
    Outgoing {
        message_id: format!("018f0000-0000-7000-8000-{number:012}").parse().unwrap(),
        chat: chat.to_owned(),
        thread: None,
        content: serde_json::from_value(content).unwrap(),
        reply_to: None,
        file: None,
        purpose: Purpose::Conversation,
        by_person: false,
        contact_wrote_at: None,
    }
}

fn text(words: &str) -> Value {
    json!({ "type": "text", "text": words })
}
