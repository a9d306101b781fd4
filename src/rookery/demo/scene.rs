//! What happens in the demo: who sends what to whom.

use ::sandbox::{AccountSettings, InboundEvent, Limit, Scope};
use serde_json::json;

use super::client::Client;
use super::tally::{Received, Tally};
use crate::Failure;
use crate::serve::Server;

/// What every time of the pacing rules is divided by, so that minutes pass in seconds.
pub(super) const SCALE: f64 = 20.0;
const ACCOUNTS: usize = 3;
/// Recipients of the broadcast, an account.
const RECIPIENTS: usize = 40;
/// Messages of the broadcast to each recipient.
const ROUNDS: usize = 3;
/// Contacts that write while the broadcast runs.
pub(super) const CHATS: usize = 9;
/// All that is sent: the broadcast, the answers, two odd recipients, a picture and a typo.
pub(super) const MESSAGES: usize = ACCOUNTS * RECIPIENTS * ROUNDS + CHATS + 4;
/// The smallest picture there is: one transparent dot.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82";

#[derive(Debug, Clone)]
pub(super) struct DemoAccount {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) token: String,
}

/// Connects the accounts, and tells the sandbox what to count: the rules of the table, with their times divided.
pub(super) async fn connect(server: &Server, client: &Client) -> Result<Vec<DemoAccount>, Failure> {
    let Some(sandbox) = server.sandbox() else {
        return Err(Failure::Other("the demo needs its own sandbox: unset ROOKERY_SANDBOX_URL".to_owned()));
    };
    let mut accounts = Vec::new();
    for (n, name) in ["Bakery", "Garage", "Clinic"].iter().enumerate().take(ACCOUNTS) {
        let token = format!("sandbox-auto-demo-{n}");
        let limit = |name: &str, scope, count: Option<usize>, window: Option<f64>, gap: Option<f64>| Limit {
            name: Some(name.to_owned()),
            scope,
            count,
            window_ms: window.map(scaled_ms),
            min_gap_ms: gap.map(scaled_ms),
            ..Limit::default()
        };
        let limits = vec![
            limit("per minute", Scope::Account, Some(15), Some(60_000.0), None),
            limit("same recipient", Scope::Chat, None, None, Some(6_000.0)),
            limit("gap", Scope::Account, None, None, Some(300.0)),
        ];
        let settings =
            AccountSettings { limits: Some(limits), reply: Some(false), ..AccountSettings::default() };
        sandbox.set_account(&token, settings).map_err(Failure::Other)?;
        let made = client
            .post(
                "/v1/accounts",
                &json!({
                    "channel": "sandbox", "name": name, "credentials": {"token": token}, "pace_scale": SCALE,
                }),
            )
            .await?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        accounts.push(DemoAccount { id, name: (*name).to_owned(), token });
    }
    Ok(accounts)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand positive milliseconds"
)]
fn scaled_ms(ms: f64) -> u64 {
    (ms / SCALE) as u64
}

/// Hands over the whole broadcast at once, as callers do; each message with a key, so that a repeated call is harmless.
pub(super) async fn broadcast(client: Client, accounts: Vec<DemoAccount>) -> Result<(), Failure> {
    for round in 0..ROUNDS {
        for recipient in 0..RECIPIENTS {
            for account in &accounts {
                let body = json!({
                    "account_id": account.id,
                    "to": {"address": format!("customer-{recipient}")},
                    "content": {"type": "text", "text": format!("Offer {} of the week. #offers:{round}", round + 1)},
                    "purpose": "campaign",
                });
                let key = format!("offer-{round}-{recipient}-{}", account.id);
                client.post_once("/v1/messages", &body, &key).await?;
            }
        }
    }
    Ok(())
}

/// One recipient that cannot be reached and one that the provider holds back for a moment.
pub(super) async fn odd_recipients(client: &Client, account: &str) -> Result<(), Failure> {
    for address in ["fail-permanent", "rate-limited-1500"] {
        let body = json!({
            "account_id": account,
            "to": {"address": address},
            "content": {"type": "text", "text": "Your parcel has arrived."},
            "purpose": "transactional",
        });
        client.post("/v1/messages", &body).await?;
    }
    Ok(())
}

pub(super) fn contact_writes(server: &Server, token: &str, contact: &str) -> Result<(), Failure> {
    let fields = json!({"content": {"type": "text", "text": "Is my order on its way?"}});
    let event = InboundEvent {
        token: token.to_owned(),
        chat: contact.to_owned(),
        from: Some(json!({"id": contact, "name": contact})),
        kind: Some("message".to_owned()),
        fields: fields.as_object().cloned().unwrap_or_default(),
    };
    let sandbox = server.sandbox().ok_or_else(|| Failure::Other("the sandbox is gone".to_owned()))?;
    sandbox.inbound(event).map(drop).map_err(Failure::Other)
}

/// Answers somebody with a quote of what they wrote, and a reaction to it.
pub(super) async fn answer(client: &Client, inbound: &Received) -> Result<(), Failure> {
    let body = json!({
        "account_id": inbound.account_id,
        "to": {"conversation_id": inbound.conversation_id},
        "content": {"type": "text", "text": "It is: you have it tomorrow."},
        "purpose": "conversation",
        "reply_to": inbound.id,
    });
    client.post("/v1/messages", &body).await?;
    client.call("PUT", &format!("/v1/messages/{}/reaction", inbound.id), &json!({"emoji": "👍"})).await?;
    Ok(())
}

/// A picture, and a text with a typo that is mended once it was sent.
pub(super) struct Showcase {
    typo: String,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Sent,
    Read,
    Mended,
}

impl Showcase {
    pub(super) async fn open(client: &Client, account: &str) -> Result<Self, Failure> {
        let picture = client.upload("/v1/media?name=dot.png", "image/png", PICTURE).await?;
        let image =
            json!({"type": "image", "media": {"media_id": picture["id"]}, "caption": "Our new cake."});
        let send = |to: &str, content| json!({"account_id": account, "to": {"address": to}, "content": content, "purpose": "transactional"});
        client.post("/v1/messages", &send("gallery", image)).await?;
        let typo = json!({"type": "text", "text": "Your parcel arives today."});
        let typo = client.post("/v1/messages", &send("typo", typo)).await?;
        Ok(Self { typo: typo["id"].as_str().unwrap_or_default().to_owned(), state: State::Sent })
    }

    pub(super) fn look(&mut self, tally: &Tally) {
        let read = tally.messages.get(&self.typo).is_some_and(|message| message.status == "read");
        if read && self.state == State::Sent {
            self.state = State::Read;
        }
    }

    pub(super) async fn go_on(&mut self, client: &Client) -> Result<(), Failure> {
        if self.state == State::Read {
            let mended = json!({"content": {"type": "text", "text": "Your parcel arrives today."}});
            client.call("PATCH", &format!("/v1/messages/{}", self.typo), &mended).await?;
            self.state = State::Mended;
        }
        Ok(())
    }
}

/// Edits and reactions that reached the provider.
pub(super) fn actions(server: &Server) -> (usize, usize) {
    let calls = server.sandbox().map(|sandbox| sandbox.calls(None, 0, usize::MAX)).unwrap_or_default();
    let count =
        |what: &str| calls.iter().filter(|call| call.what == what && call.outcome == "accepted").count();
    (count("edit"), count("react"))
}
