//! Sessions of the adapter with the real server, on loopback.

use std::time::Duration;

use ::sandbox::{SandboxConfig, What};
use channel::{
    Channel, Credentials, ErrorClass, Login, Outgoing, Pairing, Session, SessionEnd, SessionEvent,
};
use model::{Content, Purpose};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::account;
use crate::{AdaptersConfig, channels};

const TOKEN: &str = "sandbox-auto-1";

struct Desk {
    server: ::sandbox::Sandbox,
    channel: std::sync::Arc<dyn Channel>,
    login: Login,
}

impl Desk {
    async fn new(code_ms: u64) -> Self {
        let config = SandboxConfig { code_ms, ..SandboxConfig::default() };
        let server = ::sandbox::Sandbox::start(config).await.unwrap();
        let config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap())
            .with_base_url("sandbox", server.url());
        let channel = channels(&config).get("sandbox").unwrap().clone();
        let mut account = account("");
        account.settings = json!({"mode": "session"});
        Self { server, channel, login: Login { account, credentials: Credentials::default() } }
    }

    async fn open(&self) -> Box<dyn Session> {
        self.channel.sessions().unwrap().open(&self.login).await.unwrap()
    }

    /// Opens a session, pairs it and keeps its credentials.
    async fn paired(&mut self) -> Box<dyn Session> {
        let mut session = self.open().await;
        let code = pairing(session.next().await, Pairing::Qr);
        self.server.pair(TOKEN, None, &code).unwrap();
        let SessionEvent::Credentials(credentials) = session.next().await else { panic!("no credentials") };
        self.login.credentials = credentials;
        online(&mut session).await;
        session
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

    fn writes(&self, text: &str) {
        let event = json!({"token": TOKEN, "chat": "anna", "content": {"type": "text", "text": text}});
        self.server.inbound(serde_json::from_value(event).unwrap()).unwrap();
    }
}

fn pairing(event: SessionEvent, expected: Pairing) -> String {
    let SessionEvent::Pairing { how, code, .. } = event else { panic!("{event:?}") };
    assert_eq!(how, expected);
    code
}

async fn online(session: &mut Box<dyn Session>) {
    let event = session.next().await;
    assert!(matches!(event, SessionEvent::Online { .. }), "{event:?}");
}

async fn ended(session: &mut Box<dyn Session>) -> SessionEnd {
    loop {
        if let SessionEvent::Ended(end) = session.next().await {
            return end;
        }
    }
}

/// The texts of the next messages that contacts wrote.
async fn told(session: &mut Box<dyn Session>) -> Vec<Value> {
    loop {
        let SessionEvent::Events(events) = session.next().await else { panic!("no events") };
        let texts: Vec<Value> = events
            .into_iter()
            .filter(|event| event.payload["type"] == "message")
            .map(|event| event.payload["content"]["text"].clone())
            .collect();
        if !texts.is_empty() {
            return texts;
        }
    }
}

#[tokio::test]
async fn codes_change_until_somebody_scans_one_or_nobody_does() {
    let mut desk = Desk::new(40).await;
    let mut session = desk.open().await;
    let first = pairing(session.next().await, Pairing::Qr);
    let second = pairing(session.next().await, Pairing::Qr);
    assert_ne!(first, second);
    assert!(desk.server.pair(TOKEN, None, &first).is_err(), "the first one has had its time");
    assert_eq!(ended(&mut session).await, SessionEnd::NotPaired);

    desk.login.account.settings["phone"] = json!("49301");
    let mut session = desk.open().await;
    let code = pairing(session.next().await, Pairing::Code);
    assert!(desk.server.pair(TOKEN, Some("49302"), &code).is_err(), "that is another phone");
    desk.server.pair(TOKEN, Some("49301"), &code).unwrap();
    assert!(matches!(session.next().await, SessionEvent::Credentials(_)));
    online(&mut session).await;
}

#[tokio::test]
async fn calls_pass_through_the_session_and_only_through_it() {
    let mut desk = Desk::new(20_000).await;
    assert_eq!(desk.send(1, "anna").await, Err(ErrorClass::Retry), "there is no session");
    let session = desk.paired().await;
    let id = desk.send(2, "anna").await.unwrap();
    let calls = desk.server.calls(Some(TOKEN), 0, 100);
    let sent = calls.iter().find(|call| call.what == "send").unwrap();
    assert_eq!((sent.outcome.as_str(), sent.id.as_deref()), ("accepted", Some(id.as_str())));
    assert_eq!(desk.send(3, "fail-permanent").await, Err(ErrorClass::Permanent));
    let banned = ErrorClass::AccountStopped { reason: "banned", lasting: Some(Duration::from_secs(5)) };
    assert_eq!(desk.send(4, "banned-5000").await, Err(banned));
    desk.server.reset();
    // Taken, but the connection breaks before the answer.
    assert_eq!(desk.send(5, "ambiguous").await, Err(ErrorClass::Ambiguous));
    assert_eq!(desk.send(6, "anna").await, Err(ErrorClass::Retry));
    session.close().await;
}

#[tokio::test]
async fn what_was_not_confirmed_comes_again() {
    let mut desk = Desk::new(20_000).await;
    let mut session = desk.paired().await;
    desk.writes("one");
    assert_eq!(told(&mut session).await, ["one"]);
    session.close().await;
    desk.writes("two");
    let mut session = desk.open().await;
    online(&mut session).await;
    assert_eq!(told(&mut session).await, ["one", "two"]);
    desk.writes("three");
    assert_eq!(told(&mut session).await, ["three"], "asking again confirmed what was before");
    let report = desk.server.report();
    assert_eq!((report.total.sessions, report.total.session_overlaps), (2, 0));
}

#[tokio::test]
async fn each_end_says_what_is_to_be_done() {
    let mut desk = Desk::new(20_000).await;
    let mut session = desk.paired().await;
    let mut second = desk.open().await;
    online(&mut second).await;
    assert_eq!(ended(&mut session).await, SessionEnd::Replaced);
    assert_eq!(desk.server.report().total.session_overlaps, 1, "two had the device at once");
    desk.send(1, "anna").await.expect("the second one is not touched by the end of the first");

    assert!(desk.server.end_session(TOKEN, What::Cut, None).unwrap());
    assert!(matches!(ended(&mut second).await, SessionEnd::Offline(_)));
    let mut session = desk.open().await;
    online(&mut session).await;
    assert!(desk.server.end_session(TOKEN, What::Ban, Some(5_000)).unwrap());
    let lasting = Some(Duration::from_secs(5));
    assert_eq!(ended(&mut session).await, SessionEnd::Banned { lasting });
    assert!(matches!(ended(&mut desk.open().await).await, SessionEnd::Banned { lasting: Some(_) }));

    let mut desk = Desk::new(20_000).await;
    let mut session = desk.paired().await;
    session.log_out().await.unwrap();
    assert_eq!(ended(&mut session).await, SessionEnd::LoggedOut);
    assert_eq!(ended(&mut desk.open().await).await, SessionEnd::LoggedOut, "the device is forgotten");
}
