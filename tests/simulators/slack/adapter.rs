//! The Slack channel against the simulator: every kind of content out, every ability, every error, connecting.

mod abilities;
mod apps;
mod conformance;
mod errors;
mod sends;

use std::sync::Arc;
use std::time::Duration;

use adapters::AdaptersConfig;
use adapters::slack::Slack as Adapter;
use channel::conformance::samples;
use channel::{Accepted, Channel, ChannelError, Credentials, Login, Outgoing};
use model::{Account, Content, Inbound, ManualClock, Timestamp};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::{Message, Options, Slack};

/// When it is.
const NOW: i64 = 1_790_000_000;
/// A channel that takes everything.
const ROOM: &str = "D024BE91L";

/// A simulator, the channel, and the bot's account as connecting made it.
struct Stage {
    slack: Slack,
    channel: Adapter,
    login: Login,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Options { enforce_limits: false, ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let slack = Slack::start(options).await;
        slack.room(ROOM);
        let channel = adapter(slack.base_url());
        let credentials = Credentials::default()
            .with("bot_token", slack.token())
            .with("app_signing_secret", slack.signing_secret());
        let connected = channel.connect(&credentials, &json!({}), None).await.unwrap();
        let account = account(&connected.external_id, &connected.settings);
        let login = Login { account, credentials: connected.credentials };
        Self { slack, channel, login }
    }

    async fn send(&self, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.channel.check(&message.content).unwrap();
        self.channel.send(&self.login, message).await
    }

    /// Sends and answers the message as Slack has it.
    async fn sent(&self, content: Value) -> Message {
        let accepted = self.send(&to(ROOM, content)).await.unwrap();
        self.slack.message(ROOM, &accepted.provider_id).unwrap()
    }

    /// What an event of Slack's means, through the account's own address.
    fn told(&self, body: &[u8]) -> Vec<Inbound> {
        let headers = super::sign(&self.slack.signing_secret(), NOW, body);
        let request =
            channel::WebhookRequest { method: channel::Method::Post, headers: &headers, query: "", body };
        let response = self.channel.receive(&self.login, &request).unwrap();
        let parse =
            |event: &channel::WebhookEvent| self.channel.parse(&self.login.account, &event.payload).unwrap();
        response.events.iter().flat_map(parse).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.slack.unknown_arguments(), Vec::<String>::new());
        }
    }
}

fn adapter(base_url: &str) -> Adapter {
    // Links that tests give lie on this machine.
    let http = Http::new(&HttpConfig { allow_private: true, ..HttpConfig::default() }).unwrap();
    let mut config = AdaptersConfig::new(http).with_base_url("slack", base_url);
    config.clock = Arc::new(ManualClock::new(Timestamp::from_micros(NOW * 1_000_000)));
    // Short, for the tests in which no answer comes.
    config.call_timeout = Duration::from_millis(1_500);
    Adapter::new(&config)
}

fn account(external_id: &str, settings: &Value) -> Account {
    serde_json::from_value(json!({
        "id": "018f0000-0000-7000-8000-000000000001",
        "workspace_id": "018f0000-0000-7000-8000-000000000002",
        "channel": "slack", "name": "Shop", "external_id": external_id, "settings": settings,
        "intake": "webhook", "connection": "connected", "connection_detail": null, "sending": "active",
        "sending_reason": null, "sending_until": null, "holds": [], "failures_in_a_row": 0, "timezone": "UTC",
        "pacing": {}, "pace_scale": 1.0, "redelivery": "at_least_once", "first_connected_at": null,
        "registered_at": null, "campaigns_resumed_at": null,
        "created_at": "1970-01-01T00:00:00Z", "updated_at": "1970-01-01T00:00:00Z",
    }))
    .unwrap()
}

fn content(json: Value) -> Content {
    serde_json::from_value(json).unwrap()
}

/// A message to a chat, with content as the API takes it.
fn to(chat: &str, json: Value) -> Outgoing {
    samples::outgoing(3, chat, content(json))
}

/// The same with a file of ours.
fn with_file(chat: &str, json: Value, bytes: &'static [u8]) -> Outgoing {
    Outgoing { file: Some(bytes::Bytes::from_static(bytes)), ..to(chat, json) }
}

/// A file of ours in content.
fn ours(name: &str) -> Value {
    json!({ "media_id": "018f0000-0000-7000-8000-000000000009", "name": name })
}

fn text(words: &str) -> Value {
    json!({ "type": "text", "text": words })
}
