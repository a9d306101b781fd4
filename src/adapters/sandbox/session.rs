//! Accounts of mode `session`: devices of the sandbox, as an account of WhatsApp Web is one. The rehearsal for those.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use channel::{
    ChannelError, Credentials, Login, Pairing, Session, SessionEnd, SessionEvent, Sessions, WebhookEvent,
};
use model::{Account, AccountId};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::Sandbox;
use super::event;
use super::session_line::{Out, Wire};

/// The credential that pairing brings.
pub(super) const SECRET: &str = "device_secret";
/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Whether an account with these settings is a device.
pub(super) fn is_device(settings: &Value) -> bool {
    settings["mode"] == "session"
}

/// The sessions that are open in this process, for calls to find them.
#[derive(Debug, Clone, Default)]
pub(super) struct Open(Arc<Mutex<HashMap<AccountId, mpsc::UnboundedSender<Out>>>>);

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, mpsc::UnboundedSender<Out>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls over the account's session, and waits for the answer no longer than `patience`.
    pub(super) async fn call(
        &self,
        account: &Account,
        what: &str,
        id: Option<&str>,
        body: &Value,
        patience: Duration,
    ) -> Result<Value, ChannelError> {
        let closed = || ChannelError::retry("no_session", "the account's session is not open here");
        let line = self.lock().get(&account.id).cloned().ok_or_else(closed)?;
        let call = json!({"type": "call", "what": what, "id": id, "body": body});
        let (answer, answered) = oneshot::channel();
        line.send(Out::Call { call, answer }).map_err(|_| closed())?;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            // It was taken to be written; how far it came nobody says.
            Ok(Err(_)) => Err(ChannelError::ambiguous("session_closed", "the session was closed meanwhile")),
            Err(_) => Err(ChannelError::ambiguous("timeout", "the sandbox did not answer in time")),
        }
    }
}

#[async_trait]
impl Sessions for Sandbox {
    fn keeps(&self, settings: &Value) -> bool {
        is_device(settings)
    }

    async fn open(&self, login: &Login) -> Result<Box<dyn Session>, ChannelError> {
        let wire = Wire::new(self.api.session().await?);
        let secret = Some(login.credentials.get(SECRET)).filter(|secret| !secret.is_empty());
        let phone = login.account.settings["phone"].as_str();
        let hello = json!({"type": "hello", "secret": secret, "phone": phone.filter(|_| secret.is_none())});
        // If the connection broke already, the session tells.
        drop(wire.out.send(Out::Say(hello)));
        Ok(Box::new(Device { wire, open: self.open.clone(), account: login.account.id, unconfirmed: None }))
    }
}

/// One open session.
struct Device {
    wire: Wire,
    open: Open,
    account: AccountId,
    /// What was told and is confirmed by asking for more.
    unconfirmed: Option<u64>,
}

#[async_trait]
impl Session for Device {
    async fn next(&mut self) -> SessionEvent {
        if let Some(cursor) = self.unconfirmed.take() {
            drop(self.wire.out.send(Out::Say(json!({"type": "ack", "cursor": cursor}))));
        }
        loop {
            let Some(told) = self.wire.told.recv().await else {
                self.leave();
                return SessionEvent::Ended(SessionEnd::Offline("the connection was closed".to_owned()));
            };
            let Some((event, cursor)) = meaning(told) else {
                tracing::debug!("the sandbox said something that is not known");
                continue;
            };
            self.unconfirmed = cursor;
            match &event {
                SessionEvent::Online { .. } => {
                    self.open.lock().insert(self.account, self.wire.out.clone());
                }
                SessionEvent::Ended(_) => self.leave(),
                _ => {}
            }
            return event;
        }
    }

    async fn log_out(&mut self) -> Result<(), ChannelError> {
        let (answer, answered) = oneshot::channel();
        let call = json!({"type": "call", "what": "log_out"});
        let gone = || ChannelError::retry("no_session", "the session was closed meanwhile");
        self.wire.out.send(Out::Call { call, answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map(drop)
    }

    async fn close(mut self: Box<Self>) {
        self.leave();
        self.wire.close(CLOSING).await;
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Device {
    /// Calls do not find it any more. Another session of the account may have taken its place.
    fn leave(&self) {
        let mut open = self.open.lock();
        if open.get(&self.account).is_some_and(|line| line.same_channel(&self.wire.out)) {
            open.remove(&self.account);
        }
    }
}

/// What the provider says means, and the cursor that it is confirmed by.
fn meaning(mut told: Value) -> Option<(SessionEvent, Option<u64>)> {
    let millis = |field: &Value| field.as_u64().map(Duration::from_millis);
    let text = |field: &Value| field.as_str().map(str::to_owned);
    let event = match told["type"].as_str()? {
        "pairing" => SessionEvent::Pairing {
            how: if told["how"] == "code" { Pairing::Code } else { Pairing::Qr },
            code: text(&told["code"])?,
            lasting: millis(&told["ttl_ms"])?,
        },
        "paired" => SessionEvent::Credentials(Credentials::default().with(SECRET, told["secret"].as_str()?)),
        "online" => SessionEvent::Online { external_id: text(&told["id"])?, name: text(&told["name"]) },
        "events" => {
            let cursor = told["cursor"].as_u64();
            let events: Vec<WebhookEvent> = event::split(told.take())?;
            return Some((SessionEvent::Events(events), cursor));
        }
        "bye" => SessionEvent::Ended(match told["reason"].as_str()? {
            "logged_out" => SessionEnd::LoggedOut,
            "replaced" => SessionEnd::Replaced,
            "banned" => SessionEnd::Banned { lasting: millis(&told["ms"]) },
            "not_paired" => SessionEnd::NotPaired,
            other => SessionEnd::Refused(other.to_owned()),
        }),
        _ => return None,
    };
    Some((event, None))
}
