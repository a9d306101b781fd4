//! The TikTok Shop channel against the simulator: every kind of content out, tokens, every error, both ways in.

mod conformance;
mod errors;
mod inbound;
mod polls;
mod sends;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use adapters::AdaptersConfig;
use adapters::tiktok::TikTok as Adapter;
use channel::{Accepted, Channel, ChannelError, Connected, Credentials, Login, Outgoing};
use model::{
    Account, Connection, Content, Inbound, InboundKind, ManualClock, Purpose, Redelivery, Sending, Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::{Options, TikTok};

/// 2026-11-20, in seconds.
const NOW: i64 = 1_795_000_000;

/// A simulator with an app and a shop, the channel, and the shop's account. Both sides have one clock, which stands still.
struct Stage {
    server: TikTok,
    clock: Arc<ManualClock>,
    channel: Adapter,
    /// Key and secret.
    app: (String, String),
    shop: String,
    cipher: String,
    login: Login,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Options { calls_per_second: None, ..Options::default() }, true).await
    }

    async fn with(options: Options, allow_private: bool) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(NOW * 1_000_000)));
        let server = TikTok::start(Options { clock: clock.clone(), ..options }).await;
        let http = Http::new(&HttpConfig { allow_private, ..HttpConfig::default() }).unwrap();
        let mut config = AdaptersConfig::new(http).with_base_url("tiktok", server.base_url());
        config.clock = clock.clone();
        // Short, for the tests in which no answer comes.
        config.call_timeout = Duration::from_millis(1_500);
        let app = server.app();
        let (shop, cipher) = server.shop("Seller", "Shop");
        let (access, refresh) = server.tokens(&app.0, "Seller");
        let credentials = app_credentials(&app)
            .with("access_token", access)
            .with("refresh_token", refresh)
            .with("shop_cipher", cipher.as_str());
        let login = Login { account: account(&shop), credentials };
        Self { server, clock, channel: Adapter::new(&config), app, shop, cipher, login }
    }

    async fn connect(&self, credentials: &Credentials, settings: Value) -> Result<Connected, ChannelError> {
        self.channel.connect(credentials, &settings, None).await
    }

    async fn send(&self, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.channel.send(&self.login, message).await
    }

    /// Sends to a conversation and answers the message as TikTok has it.
    async fn sent(&self, chat: &str, content: Value) -> Value {
        let accepted = self.send(&to(chat, content)).await.unwrap();
        let messages = self.server.messages(chat);
        messages
            .into_iter()
            .find(|message| message["id"] == accepted.provider_id.as_str())
            .expect("it is there")
    }

    fn parse(&self, payload: &Value) -> Inbound {
        let mut parsed = self.channel.parse(&self.login.account, payload).unwrap();
        assert_eq!(parsed.len(), 1);
        parsed.remove(0)
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn app_credentials(app: &(String, String)) -> Credentials {
    Credentials::default().with("app_key", app.0.as_str()).with("app_secret", app.1.as_str())
}

fn account(shop: &str) -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: "tiktok".to_owned(),
        name: "Shop".to_owned(),
        external_id: Some(shop.to_owned()),
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
        app_id: None,
        created_at: Timestamp::ZERO,
        updated_at: Timestamp::ZERO,
    }
}

/// A message to a chat, with content as the API takes it.
fn to(chat: &str, content: Value) -> Outgoing {
    Outgoing {
        message_id: "018f0000-0000-7000-8000-000000000003".parse().unwrap(),
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

/// The content of an inbound message.
fn said(inbound: &Inbound) -> &Content {
    match &inbound.kind {
        InboundKind::Message { content, .. } => content,
        other => panic!("not a message: {other:?}"),
    }
}
