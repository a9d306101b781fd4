//! Messenger and Instagram against the simulator: every kind of content out, the window, every ability, connecting.

mod conformance;
mod connecting;
mod errors;
mod sends;

use std::sync::Arc;
use std::time::Duration;

use adapters::AdaptersConfig;
use adapters::instagram::Instagram;
use adapters::messenger::Messenger;
use channel::{Accepted, Channel, ChannelError, Credentials, Login, Outgoing};
use model::{
    Account, Clock, Connection, Ids, ManualClock, MessageId, Purpose, Redelivery, Sending, Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::{Kind, Pages};

/// The person to whom most is written.
const ANNA: &str = "6504021234567890";
/// When it is.
const NOW: i64 = 1_790_100_000_000_000;

/// A simulator, a channel, and its account.
struct Stage {
    pages: Pages,
    channel: Box<dyn Channel>,
    login: Login,
}

impl Stage {
    async fn new(kind: Kind) -> Self {
        Self::with(kind, None).await
    }

    async fn with(kind: Kind, second: Option<Duration>) -> Self {
        let pages = Pages::start(kind, second).await;
        pages.person(ANNA);
        let channel = channel_at(kind, &pages.meta.core.base_url());
        let credentials = Credentials::default()
            .with("access_token", pages.token.as_str())
            .with("app_secret", pages.app.secret.as_str());
        let settings = match kind {
            Kind::InstagramLogin => json!({ "login": "instagram" }),
            Kind::Messenger | Kind::Instagram => json!({ "page_id": pages.page }),
        };
        let login = Login { account: account(channel.name(), pages.owner().1, settings), credentials };
        Self { pages, channel, login }
    }

    async fn send(&self, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.channel.send(&self.login, message).await
    }

    /// Sends to Anna and answers the body as Meta got it.
    async fn sent(&self, content: Value) -> Value {
        let accepted = self.send(&to(ANNA, content)).await.unwrap();
        self.pages.message(&accepted.provider_id).unwrap().body
    }
}

fn channel_at(kind: Kind, url: &str) -> Box<dyn Channel> {
    let http = Http::new(&HttpConfig::default()).unwrap();
    let mut config = AdaptersConfig::new(http).with_base_url("graph", url);
    config.ids = Arc::new(Ids::seeded(1));
    config.clock = Arc::new(ManualClock::new(Timestamp::from_micros(NOW))) as Arc<dyn Clock>;
    config.call_timeout = Duration::from_millis(1_500);
    match kind {
        Kind::Messenger => Box::new(Messenger::new(&config)),
        Kind::Instagram | Kind::InstagramLogin => Box::new(Instagram::new(&config)),
    }
}

fn account(channel: &str, external_id: &str, settings: Value) -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: channel.to_owned(),
        name: "Shop".to_owned(),
        external_id: Some(external_id.to_owned()),
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
