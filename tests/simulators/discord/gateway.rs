//! The Gateway: hello, identify, heartbeats and their acknowledgements, numbered dispatches, reconnects, invalid sessions,
//! resuming. Like Discord's it keeps what a session was not there for, and repeats it from the number that the client names.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_websockets::{CloseCode, Message, ServerBuilder, WebSocketStream};

use super::Shared;

/// The privileged intent without which words are withheld.
const MESSAGE_CONTENT: u64 = 1 << 15;
/// Leave to ask for it, among the application's flags.
pub(crate) const MAY_READ: u64 = 1 << 18;

/// What a connection is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Ask the client to come again (opcode 7).
    Reconnect,
    /// Say that the session is invalid; whether it may be resumed.
    Invalid(bool),
    /// Close with this code.
    Close(u16),
    /// Cut the connection without a word.
    Cut,
}

/// A session.
#[derive(Debug, Clone)]
struct Session {
    id: String,
    intents: u64,
    is_valid: bool,
    sequence: u64,
    /// What was dispatched, by its number.
    log: Vec<(u64, String)>,
}

/// What the Gateway remembers.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    sessions: Vec<Session>,
    pub orders: VecDeque<Order>,
    /// How often a session was begun, resumed, and how many heartbeats came.
    pub identified: usize,
    pub resumed: usize,
    pub heartbeats: usize,
    pub open: usize,
    /// The intents that were asked for last.
    pub intents: u64,
    /// Codes by which clients closed.
    pub closed_with: BTreeSet<u16>,
}

impl Kept {
    /// Tells all sessions, those that are away, too.
    pub fn dispatch(&mut self, what: &str, body: &Value) {
        for session in self.sessions.iter_mut().filter(|session| session.is_valid) {
            let mut body = body.clone();
            let is_direct = body["guild_id"].is_null();
            if what.starts_with("MESSAGE_") && !is_direct && session.intents & MESSAGE_CONTENT == 0 {
                for (field, nothing) in
                    [("content", json!("")), ("attachments", json!([])), ("embeds", json!([]))]
                {
                    if body.get(field).is_some() {
                        body[field] = nothing;
                    }
                }
            }
            session.push(what, body);
        }
    }

    fn session(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }
}

impl Session {
    fn push(&mut self, what: &str, body: Value) {
        self.sequence += 1;
        let mut payload = json!({ "op": 0, "s": self.sequence, "t": what });
        payload["d"] = body;
        self.log.push((self.sequence, payload.to_string()));
    }
}

type Line = WebSocketStream<TcpStream>;

/// Serves until the task is aborted.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, url: String) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, url) = (Arc::clone(&shared), url.clone());
        connections.spawn(async move {
            let Ok((request, line)) = ServerBuilder::new().accept(stream).await else { return };
            let asked = request.uri().query().unwrap_or_default();
            if !asked.contains("v=10") || !asked.contains("encoding=json") {
                return;
            }
            shared.act(|state| state.gateway.open += 1);
            Talk { shared: &shared, line, url, session: None, sent: 0 }.run().await;
            shared.act(|state| state.gateway.open -= 1);
            shared.has_news();
        });
        while connections.try_join_next().is_some() {}
    }
}

/// One connection.
struct Talk<'a> {
    shared: &'a Shared,
    line: Line,
    url: String,
    session: Option<String>,
    /// The last number that went out.
    sent: u64,
}

impl Talk<'_> {
    async fn run(mut self) {
        let mut news = self.shared.news();
        let interval = self.shared.options.heartbeat_interval.as_millis();
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        if self.say(&json!({ "op": 10, "d": { "heartbeat_interval": interval } })).await.is_none() {
            return;
        }
        loop {
            if self.flush().await.is_none() {
                return;
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                heard = self.line.next() => {
                    let Some(Ok(message)) = heard else { return };
                    if let Some((code, _)) = message.as_close() {
                        self.shared.act(|state| state.gateway.closed_with.insert(code.into()));
                        drop(self.line.close().await);
                        return;
                    }
                    let said = message.as_text().and_then(|text| serde_json::from_str(text).ok());
                    let Some(said) = said else { return self.close(4002).await };
                    if self.hear(&said).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    async fn say(&mut self, payload: &Value) -> Option<()> {
        self.line.send(Message::text(payload.to_string())).await.ok()
    }

    async fn close(&mut self, code: u16) {
        if let Ok(code) = CloseCode::try_from(code) {
            drop(self.line.send(Message::close(Some(code), "")).await);
        }
        // The client's own close ends it properly.
        while let Some(Ok(_)) = self.line.next().await {}
    }

    /// Sends what the session has not had, and does what was ordered.
    async fn flush(&mut self) -> Option<()> {
        let Some(id) = self.session.clone() else { return Some(()) };
        let sent = self.sent;
        let (unsent, order) = self.shared.act(|state| {
            let session = state.gateway.session(&id);
            let log = session.map(|session| session.log.iter().filter(|(n, _)| *n > sent).cloned().collect());
            (log.unwrap_or_else(Vec::new), state.gateway.orders.pop_front())
        });
        for (number, payload) in unsent {
            self.line.send(Message::text(payload)).await.ok()?;
            self.sent = number;
        }
        match order {
            None => {}
            Some(Order::Reconnect) => self.say(&json!({ "op": 7, "d": null })).await?,
            Some(Order::Invalid(resumable)) => {
                if !resumable {
                    self.shared
                        .act(|state| state.gateway.session(&id).into_iter().for_each(|s| s.is_valid = false));
                }
                self.say(&json!({ "op": 9, "d": resumable })).await?;
            }
            Some(Order::Close(code)) => {
                self.close(code).await;
                return None;
            }
            Some(Order::Cut) => return None,
        }
        Some(())
    }

    async fn hear(&mut self, said: &Value) -> Option<()> {
        let body = &said["d"];
        match said["op"].as_u64() {
            Some(1) => {
                self.shared.act(|state| state.gateway.heartbeats += 1);
                self.shared.has_news();
                self.say(&json!({ "op": 11 })).await
            }
            Some(2) => self.identify(body).await,
            Some(6) => self.resume(body).await,
            _ => {
                self.close(4001).await;
                None
            }
        }
    }

    /// The code by which a token is turned away, or an intent.
    fn objection(&self, token: &Value, intents: u64) -> Option<u16> {
        self.shared.act(|state| {
            let known = format!("Bot {}", state.token);
            let is_known = token.as_str().is_some_and(|token| token == state.token || token == known);
            if !is_known || state.is_revoked {
                return Some(4004);
            }
            (intents & MESSAGE_CONTENT != 0 && state.flags & MAY_READ == 0).then_some(4014)
        })
    }

    async fn identify(&mut self, body: &Value) -> Option<()> {
        let intents = body["intents"].as_u64().unwrap_or_default();
        let is_whole = body["properties"]["os"].is_string() && body["intents"].is_u64();
        let objection = if is_whole { self.objection(&body["token"], intents) } else { Some(4002) };
        if let Some(code) = objection {
            self.close(code).await;
            return None;
        }
        let url = self.url.clone();
        let id = self.shared.act(|state| {
            let id = format!("session-{}", state.fresh());
            state.gateway.identified += 1;
            state.gateway.intents = intents;
            let ready = json!({
                "v": 10, "user": state.bot_user(), "guilds": [], "session_id": id, "resume_gateway_url": url,
                "shard": [0, 1], "application": { "id": state.app.to_string(), "flags": state.flags },
            });
            let mut session =
                Session { id: id.clone(), intents, is_valid: true, sequence: 0, log: Vec::new() };
            session.push("READY", ready);
            state.gateway.sessions.push(session);
            id
        });
        self.session = Some(id);
        self.sent = 0;
        self.shared.has_news();
        Some(())
    }

    async fn resume(&mut self, body: &Value) -> Option<()> {
        if let Some(code) = self.objection(&body["token"], 0) {
            self.close(code).await;
            return None;
        }
        let id = body["session_id"].as_str().unwrap_or_default().to_owned();
        let from = body["seq"].as_u64().unwrap_or_default();
        let is_known = self.shared.act(|state| {
            let session =
                state.gateway.session(&id).filter(|session| session.is_valid && from <= session.sequence);
            let is_known = session.is_some();
            if let Some(session) = session {
                // It comes after everything that is repeated.
                session.push("RESUMED", json!({}));
                state.gateway.resumed += 1;
            }
            is_known
        });
        if !is_known {
            return self.say(&json!({ "op": 9, "d": false })).await;
        }
        self.session = Some(id);
        self.sent = from;
        self.shared.has_news();
        Some(())
    }
}
