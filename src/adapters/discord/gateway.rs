//! The Gateway: the connection over which Discord tells of messages. Ordinary messages come this way and no other, so an
//! account has one owner who keeps it, as the contract's [`Sessions`] asks; calls go over REST all the same.
//!
//! twilight-gateway keeps the line: hello, heartbeats, identify within its rate, reconnecting, resuming. Here its dispatches
//! become events. Nothing is acknowledged to Discord: who resumes says where it goes on. So a session's place (which session,
//! and the last dispatch that is committed) is what must survive, by [`Session::cursor`]; without it, as after a long absence,
//! Discord begins a new session and what happened in between is not told.
//!
//! Dedupe keys: `message:<id>`, `edited:<id>:<time>`, `deleted:<id>`, `interaction:<id>`; for what has no id of its own
//! (reactions, bulk deletions), the session and the dispatch's number, by which a resumed session repeats it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use channel::{ChannelError, ErrorClass, Login, Session, SessionEnd, SessionEvent, Sessions, WebhookEvent};
use futures::Stream;
use model::AccountId;
use outbound::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use twilight_gateway::error::ReceiveMessageErrorType;
use twilight_gateway::{
    CloseFrame, ConfigBuilder, Intents, Message, MessageSender, Shard, ShardId, ShardState,
};

use super::api::Call;
use super::snowflake::id;
use super::{Discord, MESSAGE_CONTENT, TOKEN, parse};

/// What was read and not yet taken. When it is full, the line waits, and Discord keeps the rest for a resumption.
const WAITING: usize = 1_024;
/// Events in one commit.
const BATCH: usize = 200;
/// So many connections in a row that do not come about are an outage to be told.
const TRIES: u32 = 3;
/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Where a session goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    session: String,
    url: String,
    sequence: u64,
}

/// The places of this process's sessions: a cache for whoever opens one again without a cursor.
pub(super) type Places = Arc<Mutex<HashMap<AccountId, Place>>>;

/// What the line tells.
#[derive(Debug)]
enum Told {
    /// It is up, as a new session or as the one before.
    Up { place: Place, account: Option<String>, name: Option<String> },
    /// Something was dispatched, of concern or not.
    Dispatched { sequence: u64, event: Option<WebhookEvent> },
    /// It is over.
    Ended(SessionEnd),
}

#[async_trait]
impl Sessions for Discord {
    /// Unless its settings say that the account wants to send and to be called by commands only.
    fn keeps(&self, settings: &Value) -> bool {
        settings["gateway"] != false
    }

    fn pairs(&self) -> bool {
        false
    }

    async fn open(&self, login: &Login) -> Result<Box<dyn Session>, ChannelError> {
        self.open_at(login, None).await
    }

    async fn open_at(&self, login: &Login, cursor: Option<&str>) -> Result<Box<dyn Session>, ChannelError> {
        let token = login.credentials.get(TOKEN);
        let call = Call::of_bot(Method::GET, "gateway", "/gateway/bot");
        let gateway = self.api.call(token, call).await?;
        let url = gateway["url"].as_str().unwrap_or_default();
        let is_clear = self.api.is_clear();
        if !is_gateway(url, is_clear) {
            return Err(ChannelError::retry("gateway", "Discord names no Gateway that can be connected to"));
        }
        let account = login.account.id;
        let cached = || self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&account).cloned();
        let place: Option<Place> =
            cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).or_else(cached);
        let place = place.filter(|place| is_gateway(&place.url, is_clear));
        let starts = &gateway["session_start_limit"];
        if place.is_none() && starts["remaining"].as_u64() == Some(0) {
            let wait = starts["reset_after"].as_u64().map(Duration::from_millis);
            let message = "the bot began as many sessions as Discord takes in a day";
            return Err(ChannelError::new(ErrorClass::RetryAfter(wait), "session_start_limit", message));
        }
        let me = login.account.settings["bot_id"].as_str().map(str::to_owned);
        let line = Line::new(token, intents(&login.account.settings), url, place.clone(), me);
        Ok(Box::new(Connection {
            line,
            account,
            external_id: login.account.external_id.clone(),
            places: Arc::clone(&self.places),
            place,
            kept: None,
            is_online: false,
        }))
    }
}

/// What the bot asks to be told. The content of messages only where Discord lets it: asking for it without leave ends the
/// session (4014).
fn intents(settings: &Value) -> Intents {
    let asked = Intents::GUILD_MESSAGES
        | Intents::GUILD_MESSAGE_REACTIONS
        | Intents::DIRECT_MESSAGES
        | Intents::DIRECT_MESSAGE_REACTIONS;
    if settings[MESSAGE_CONTENT] == true { asked | Intents::MESSAGE_CONTENT } else { asked }
}

/// Whether a URL can be connected to; the token goes there, so in clear only where the whole API is.
fn is_gateway(url: &str, is_clear: bool) -> bool {
    let rest = url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://").filter(|_| is_clear));
    rest.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphanumeric())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:/".contains(&byte))
    })
}

/// An open session.
struct Connection {
    line: Line,
    account: AccountId,
    external_id: Option<String>,
    places: Places,
    /// Behind everything that was told.
    place: Option<Place>,
    /// Told by the line, and not yet by us.
    kept: Option<Told>,
    is_online: bool,
}

#[async_trait]
impl Session for Connection {
    async fn next(&mut self) -> SessionEvent {
        // What was told is committed.
        if let Some(place) = &self.place {
            self.places().insert(self.account, place.clone());
        }
        loop {
            let told = match self.kept.take() {
                Some(told) => told,
                None => match self.line.told.recv().await {
                    Some(told) => told,
                    None => {
                        return SessionEvent::Ended(SessionEnd::Offline(
                            "the connection was closed".to_owned(),
                        ));
                    }
                },
            };
            match told {
                Told::Up { place, account, name } => {
                    self.place = Some(place);
                    let Some(external_id) = account.or_else(|| self.external_id.clone()) else { continue };
                    if !self.is_online {
                        self.is_online = true;
                        return SessionEvent::Online { external_id, name };
                    }
                }
                Told::Dispatched { sequence, event } => {
                    let events = self.gather(sequence, event);
                    if !events.is_empty() {
                        return SessionEvent::Events(events);
                    }
                }
                Told::Ended(end) => {
                    if !matches!(end, SessionEnd::Offline(_)) {
                        self.places().remove(&self.account);
                    }
                    return SessionEvent::Ended(end);
                }
            }
        }
    }

    fn cursor(&self) -> Option<String> {
        self.place.as_ref().and_then(|place| serde_json::to_string(place).ok())
    }

    async fn log_out(&mut self) -> Result<(), ChannelError> {
        let message = "a bot has no device to log out: reset its token in Discord's Developer Portal";
        Err(ChannelError::permanent("unsupported", message))
    }

    async fn close(mut self: Box<Self>) {
        self.line.close().await;
    }
}

impl Connection {
    fn places(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come by now, to be committed as one.
    fn gather(&mut self, sequence: u64, event: Option<WebhookEvent>) -> Vec<WebhookEvent> {
        let mut last = sequence;
        let mut events: Vec<_> = event.into_iter().collect();
        while events.len() < BATCH {
            match self.line.told.try_recv() {
                Ok(Told::Dispatched { sequence, event }) => {
                    last = sequence;
                    events.extend(event);
                }
                Ok(other) => {
                    self.kept = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        if let Some(place) = &mut self.place {
            place.sequence = last;
        }
        events
    }
}

/// The line, kept by a task of its own: heartbeats go on while the session's owner commits. Dropping it cuts the connection.
struct Line {
    told: mpsc::Receiver<Told>,
    sender: MessageSender,
    is_closing: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Line {
    fn new(token: &str, intents: Intents, url: &str, place: Option<Place>, me: Option<String>) -> Self {
        let config = ConfigBuilder::new(token.to_owned(), intents).proxy_url(url.to_owned());
        let session = place.as_ref().map_or_else(String::new, |place| place.session.clone());
        let config = match place {
            Some(place) => config
                .session(twilight_gateway::Session::new(place.sequence, place.session))
                .resume_url(place.url),
            None => config,
        };
        let shard = Shard::with_config(ShardId::ONE, config.build());
        let sender = shard.sender();
        let (tell, told) = mpsc::channel(WAITING);
        let is_closing = Arc::new(AtomicBool::new(false));
        let reader = Reader { shard, tell, session, me, is_closing: Arc::clone(&is_closing) };
        Self { told, sender, is_closing, task: tokio::spawn(reader.run()) }
    }

    /// Closes so that the session can be resumed.
    async fn close(&mut self) {
        self.is_closing.store(true, Ordering::Release);
        self.told.close();
        if self.sender.close(CloseFrame::RESUME).is_ok() {
            drop(tokio::time::timeout(CLOSING, &mut self.task).await);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Reader {
    shard: Shard,
    tell: mpsc::Sender<Told>,
    /// The session's id, for keys.
    session: String,
    /// The bot's own user.
    me: Option<String>,
    is_closing: Arc<AtomicBool>,
}

impl Reader {
    async fn run(mut self) {
        let (mut closed, mut failures) = (None, 0);
        loop {
            let said = poll_fn(|context| {
                let said = Pin::new(&mut self.shard).poll_next(context);
                // It said that it closes; left alone, twilight would connect again.
                let is_down = matches!(self.shard.state(), ShardState::Disconnected { .. });
                if said.is_pending() && is_down && self.is_closing.load(Ordering::Acquire) {
                    return Poll::Ready(None);
                }
                said.map(Some)
            });
            let Some(said) = said.await else { return };
            let told = match said {
                // Closed for good.
                None => Some(Told::Ended(end(closed))),
                Some(Ok(Message::Close(frame))) => {
                    if self.is_closing.load(Ordering::Acquire) {
                        return;
                    }
                    closed = frame.map(|frame| frame.code);
                    tracing::debug!(code = closed, "the Gateway closed the connection");
                    None
                }
                Some(Ok(Message::Text(text))) => {
                    failures = 0;
                    self.read(&text)
                }
                Some(Err(error)) if matches!(error.kind(), ReceiveMessageErrorType::Reconnect) => {
                    failures += 1;
                    let why = "the Gateway cannot be reached".to_owned();
                    (failures >= TRIES).then_some(Told::Ended(SessionEnd::Offline(why)))
                }
                // Its words would quote the event.
                Some(Err(_)) => {
                    tracing::warn!("the Gateway said something that cannot be read");
                    None
                }
            };
            let is_over = matches!(told, Some(Told::Ended(_)));
            if let Some(told) = told
                && (self.tell.send(told).await.is_err() || is_over)
                && !self.is_closing.load(Ordering::Acquire)
            {
                return;
            }
        }
    }

    /// What a payload tells, if it is a dispatch.
    fn read(&mut self, text: &str) -> Option<Told> {
        let mut payload: Value = serde_json::from_str(text).ok()?;
        let sequence = payload["s"].as_u64()?;
        let what = payload["t"].as_str()?.to_owned();
        let body = payload["d"].take();
        if let "READY" | "RESUMED" = what.as_str() {
            let session = self.shard.session()?;
            let place = Place {
                session: session.id().to_owned(),
                url: self.shard.resume_url()?.to_owned(),
                sequence,
            };
            if what == "READY" && !self.session.is_empty() {
                tracing::warn!("Discord began a new session: what happened since the one before is not told");
            }
            self.session.clone_from(&place.session);
            self.me = id(&body["user"]["id"]).or_else(|| self.me.take());
            let name = body["user"]["username"].as_str().map(str::to_owned);
            return Some(Told::Up { place, account: id(&body["application"]["id"]), name });
        }
        let event = self.event(&what, sequence, &body);
        Some(Told::Dispatched { sequence, event })
    }

    /// The event to be kept, unless it is about a message of our own or of another machine.
    fn event(&self, what: &str, sequence: u64, body: &Value) -> Option<WebhookEvent> {
        if what.starts_with("MESSAGE_") && parse::machine(self.me.as_deref(), body).is_some() {
            return None;
        }
        let own_id = id(&body["id"]);
        let edited = body["edited_timestamp"].as_str();
        let dedupe_key = match (what, own_id, edited) {
            ("MESSAGE_CREATE", Some(id), _) => format!("message:{id}"),
            ("MESSAGE_UPDATE", Some(id), Some(edited)) => format!("edited:{id}:{edited}"),
            ("MESSAGE_DELETE", Some(id), _) => format!("deleted:{id}"),
            ("INTERACTION_CREATE", Some(id), _) => format!("interaction:{id}"),
            _ => format!("{}:{sequence}", self.session),
        };
        Some(WebhookEvent { dedupe_key, account: None, payload: json!({ "t": what, "d": body }) })
    }
}

/// What a close for good means.
fn end(code: Option<u16>) -> SessionEnd {
    let why = match code {
        Some(4004) => {
            "4004: the bot token is wrong or was reset: get the one of today from the Developer Portal"
        }
        Some(4010 | 4011) => {
            "the bot is in so many servers that it needs several sessions (shards): not supported"
        }
        Some(4013) => "4013: Discord does not know an intent that was asked for",
        Some(4014) => {
            "4014: the bot asks for the content of messages and may not have it: switch on the message content intent \
             in the Developer Portal, then connect the account again"
        }
        Some(code) => {
            return SessionEnd::Refused(format!("{code}: the Gateway closed the connection for good"));
        }
        None => return SessionEnd::Offline("the Gateway closed the connection".to_owned()),
    };
    SessionEnd::Refused(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_over_tls_unless_the_whole_api_is_in_clear() {
        assert!(is_gateway("wss://gateway.discord.gg", false));
        assert!(is_gateway("wss://gateway-us-east1-b.discord.gg:443/", false));
        assert!(is_gateway("ws://127.0.0.1:9", true));
        for odd in
            ["ws://gateway.discord.gg", "https://x", "wss://", "wss://a b", "wss://a@b", "wss://a?b", ""]
        {
            assert!(!is_gateway(odd, false), "{odd}");
        }
    }

    #[test]
    fn content_is_asked_for_only_with_leave() {
        assert!(intents(&json!({"message_content": true})).contains(Intents::MESSAGE_CONTENT));
        for without in [json!({}), json!({"message_content": false}), json!(null)] {
            let asked = intents(&without);
            assert!(!asked.contains(Intents::MESSAGE_CONTENT));
            assert!(asked.contains(Intents::DIRECT_MESSAGES | Intents::GUILD_MESSAGES));
        }
    }

    #[test]
    fn a_close_for_good_says_what_to_do() {
        for (code, words) in
            [(4004, "token"), (4011, "shards"), (4013, "intent"), (4014, "Portal"), (4012, "4012")]
        {
            assert!(matches!(end(Some(code)), SessionEnd::Refused(why) if why.contains(words)), "{code}");
        }
        assert!(matches!(end(None), SessionEnd::Offline(_)));
    }
}
