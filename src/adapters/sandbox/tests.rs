//! The adapter against the real server, on loopback.

use std::time::Duration;

use ::sandbox::{AccountSettings, SandboxConfig};
use channel::{Channel, Credentials, ErrorClass, Login, Outgoing};
use model::{
    Account, AccountId, Connection, Content, InboundKind, Purpose, ReceiptKind, Redelivery, Sending,
    Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::json;
use uuid::Uuid;

use super::simulated::Simulated;
use crate::{AdaptersConfig, channels};

struct Desk {
    server: ::sandbox::Sandbox,
    channel: std::sync::Arc<dyn Channel>,
    login: Login,
}

impl Desk {
    async fn new() -> Self {
        let server = ::sandbox::Sandbox::start(SandboxConfig::default()).await.unwrap();
        let mut config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap())
            .with_base_url("sandbox", server.url());
        config.call_timeout = Duration::from_secs(2);
        let channel = channels(&config).get("sandbox").unwrap().clone();
        let credentials = Credentials::default().with("token", "sandbox-auto-1");
        let connected = channel.connect(&credentials, &json!({}), None).await.unwrap();
        let login = Login { account: account(&connected.external_id), credentials: connected.credentials };
        Self { server, channel, login }
    }

    async fn send(&self, n: u128, chat: &str) -> Result<String, ErrorClass> {
        let message = Outgoing {
            message_id: Uuid::from_u128(n).into(),
            chat: chat.to_owned(),
            thread: None,
            content: Content::text("hello"),
            reply_to: None,
            file: None,
            purpose: Purpose::Conversation,
            by_person: false,
            contact_wrote_at: None,
        };
        let accepted = self.channel.send(&self.login, &message).await;
        accepted.map(|accepted| accepted.provider_id).map_err(|error| error.class)
    }
}

pub(super) fn account(external_id: &str) -> Account {
    Account {
        id: AccountId(Uuid::from_u128(1)),
        workspace_id: Uuid::from_u128(2).into(),
        channel: "sandbox".to_owned(),
        name: "try".to_owned(),
        external_id: Some(external_id.to_owned()),
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
        pacing: json!({}),
        registered_at: None,
        campaigns_resumed_at: None,
        pinned_to: None,
        timezone: "UTC".to_owned(),
        pace_scale: 1.0,
        redelivery: Redelivery::AtLeastOnce,
        first_connected_at: None,
        created_at: Timestamp::ZERO,
        updated_at: Timestamp::ZERO,
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let desk = Desk::new().await;
    // The secret of a webhook, as an account has it that is connected with one.
    let url = Some("http://127.0.0.1:9/hook");
    let credentials = Credentials::default().with("token", "sandbox-auto-1");
    let connected = desk.channel.connect(&credentials, &json!({}), url).await.unwrap();
    let login = Login { credentials: connected.credentials, ..desk.login.clone() };
    let simulator = Simulated::new(&desk.server);
    channel::conformance::run(&*desk.channel, &simulator, &login).await;
}

#[tokio::test]
async fn a_text_goes_out_and_receipts_and_a_reply_come_back() {
    let desk = Desk::new().await;
    let settings = AccountSettings { reply: Some(true), ..AccountSettings::default() };
    desk.server.set_account("sandbox-auto-1", settings).unwrap();
    let id = desk.send(7, "anna").await.unwrap();

    let sent = desk.server.calls(Some("sandbox-auto-1"), 0, 100);
    let sent = sent.iter().find(|call| call.what == "send").unwrap();
    assert_eq!(sent.client_id.as_deref(), Some(Uuid::from_u128(7).to_string().as_str()));
    assert_eq!((sent.outcome.as_str(), sent.id.as_deref()), ("accepted", Some(id.as_str())));

    let mut told = Vec::new();
    let mut cursor: Option<String> = None;
    while told.len() < 3 {
        let polled = desk.channel.poller().unwrap().poll(&desk.login, cursor.as_deref()).await.unwrap();
        for event in polled.events {
            told.extend(desk.channel.parse(&desk.login.account, &event.payload).unwrap());
        }
        cursor = Some(polled.cursor);
    }
    let [delivered, read, reply] = &told[..] else { panic!("{told:?}") };
    for (event, kind) in [(delivered, ReceiptKind::Delivered), (read, ReceiptKind::Read)] {
        let InboundKind::Receipt(receipt) = &event.kind else { panic!("{event:?}") };
        assert_eq!((&receipt.provider_id, receipt.kind), (&id, kind));
    }
    let InboundKind::Message { content, reply_to, .. } = &reply.kind else { panic!("{reply:?}") };
    assert_eq!((content, reply_to.as_ref()), (&Content::text("echo: hello"), Some(&id)));
    assert_eq!(reply.from.as_ref().unwrap().address, "anna");
}

#[tokio::test]
async fn each_misbehaviour_has_its_class() {
    let desk = Desk::new().await;
    let stopped = |reason, lasting| ErrorClass::AccountStopped { reason, lasting };
    let cases = [
        ("fail-permanent", ErrorClass::Permanent),
        ("blocked", ErrorClass::Permanent),
        ("fail-once", ErrorClass::Retry),
        ("server-error-1", ErrorClass::Retry),
        ("rate-limited-50", ErrorClass::RecipientHeld(Duration::from_millis(50))),
        ("ambiguous", ErrorClass::Ambiguous),
        ("ambiguous-lost", ErrorClass::Ambiguous),
        ("slow-5000", ErrorClass::Ambiguous),
        ("campaign-capped", ErrorClass::Permanent),
        ("banned", stopped("banned", None)),
        ("tier-limited-0", ErrorClass::BulkHeld(Duration::ZERO)),
        ("account-limited-50", ErrorClass::RetryAfter(Some(Duration::from_millis(50)))),
    ];
    for (n, (chat, class)) in cases.into_iter().enumerate() {
        assert_eq!(desk.send(n as u128, chat).await, Err(class), "{chat}");
    }
    let report = desk.server.report().total;
    // Of those without an answer, `ambiguous` and `slow` were taken all the same.
    assert_eq!((report.calls, report.accepted, report.dropped, report.rejected), (12, 2, 2, 9));
    assert_eq!(report.limit_violations, 0);
    for (chat, reason) in [("banned-5000", "banned"), ("timelocked-5000", "timelocked")] {
        desk.server.reset();
        let class = stopped(reason, Some(Duration::from_secs(5)));
        assert_eq!(desk.send(20, chat).await, Err(class), "{chat}");
    }
}
