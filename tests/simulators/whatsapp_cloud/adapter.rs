//! The WhatsApp Cloud channel against the simulator: every kind of content out, every ability, every error, connecting.

mod abilities;
mod conformance;
mod connecting;
mod errors;
mod sends;

use std::sync::Arc;
use std::time::Duration;

use adapters::AdaptersConfig;
use adapters::whatsapp_cloud::WhatsAppCloud;
use channel::{Accepted, Channel, ChannelError, Credentials, Login, Outgoing};
use model::{Account, Connection, Ids, MessageId, Purpose, Redelivery, Sending, Timestamp};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::{Cloud, Options};

/// The person to whom most is written.
const ANNA: &str = "16505551234";

/// A simulator, the channel, and the number's account.
struct Stage {
    cloud: Cloud,
    channel: WhatsAppCloud,
    login: Login,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Options { enforce_limits: false, ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let cloud = Cloud::start(options).await;
        cloud.person(ANNA);
        let channel = channel_at(&cloud.meta.core.base_url());
        let credentials = Credentials::default()
            .with("access_token", cloud.token.as_str())
            .with("app_secret", cloud.app.secret.as_str());
        let settings = json!({ "waba_id": cloud.business, "phone_number_id": cloud.number });
        let login = Login { account: account(&cloud.number, settings), credentials };
        Self { cloud, channel, login }
    }

    async fn send(&self, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.channel.send(&self.login, message).await
    }

    /// Sends to Anna and answers the body as Meta got it.
    async fn sent(&self, content: Value) -> Value {
        let accepted = self.send(&to(ANNA, content)).await.unwrap();
        self.cloud.message(&accepted.provider_id).unwrap().body
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(
                self.cloud.meta.core.calls().iter().all(|call| !call.token_in_url),
                "no token stands in a URL"
            );
        }
    }
}

fn channel_at(url: &str) -> WhatsAppCloud {
    let http = Http::new(&HttpConfig::default()).unwrap();
    // By the key that all of Meta's channels share.
    let mut config = AdaptersConfig::new(http).with_base_url("graph", url);
    config.ids = Arc::new(Ids::seeded(1));
    // Short, for the tests in which no answer comes; the call to send has ten seconds more for Meta's own fetching.
    config.call_timeout = Duration::from_millis(1_500);
    WhatsAppCloud::new(&config)
}

fn account(number: &str, settings: Value) -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: "whatsapp_cloud".to_owned(),
        name: "Shop".to_owned(),
        external_id: Some(number.to_owned()),
        settings,
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
        message_id: "018f0000-0000-7000-8000-000000000003".parse::<MessageId>().unwrap(),
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
