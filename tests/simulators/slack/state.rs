//! What Slack remembers.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::faults::Fault;

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method's name.
    pub method: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

/// A message in a channel.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Who wrote it.
    pub user: String,
    /// With `&`, `<` and `>` escaped.
    pub text: String,
    /// Block Kit.
    pub blocks: Vec<Value>,
    /// The first message of the thread that it stands in.
    pub thread_ts: Option<String>,
    /// Ids of its files.
    pub files: Vec<String>,
    /// Name and user of each reaction.
    pub reactions: Vec<(String, String)>,
    /// Whether its marks are marks.
    pub mrkdwn: bool,
}

impl Message {
    pub(super) fn by(user: &str, text: &str) -> Self {
        Self { user: user.to_owned(), text: text.to_owned(), mrkdwn: true, ..Self::default() }
    }
}

/// A channel.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub messages: BTreeMap<String, Message>,
    pub archived: bool,
    pub read_until: Option<String>,
    /// When the bot last posted.
    pub posted: Option<Instant>,
}

/// A file.
#[derive(Debug)]
pub(super) struct File {
    pub name: String,
    pub bytes: Bytes,
    /// How many bytes were announced.
    pub length: usize,
    /// Whether the bytes came.
    pub uploaded: bool,
    /// The channel that it is or will be shared in, with its message.
    pub shared: Option<(String, Message)>,
    /// Its message, once it is shared.
    pub ts: Option<String>,
    /// How often it was asked for.
    pub asked: u32,
    /// What is told of it, where that is special.
    pub told: Option<Value>,
}

impl File {
    pub fn new(name: &str, bytes: Bytes) -> Self {
        Self {
            name: name.to_owned(),
            length: bytes.len(),
            bytes,
            uploaded: true,
            shared: None,
            ts: None,
            asked: 0,
            told: None,
        }
    }
}

/// The bot of the app in the workspace.
#[derive(Debug)]
pub struct Bot {
    /// Its token.
    pub token: String,
    /// What renews it.
    pub refresh_token: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The word that every call is refused with.
    pub standing: Option<&'static str>,
    /// Whether the token is a person's and not the bot's.
    pub is_person: bool,
    /// Whether the app is in the whole organisation.
    pub everywhere: bool,
    /// Whether `auth.test` tells the app's id, as it does to some.
    pub tells_app: bool,
}

/// The app.
#[derive(Debug)]
pub struct App {
    /// Shown to everybody.
    pub client_id: String,
    /// Known to Slack and the app.
    pub client_secret: String,
    /// What webhooks are signed with.
    pub signing_secret: String,
    /// Whether its tokens end after twelve hours.
    pub rotation: bool,
}

/// Everything.
#[derive(Debug)]
pub(super) struct State {
    pub bot: Bot,
    pub app: App,
    pub rooms: BTreeMap<String, Room>,
    pub files: BTreeMap<String, File>,
    pub faults: Vec<(String, Fault)>,
    pub calls: Vec<Call>,
    /// Codes that can be turned into a token once, each with its redirect.
    pub codes: BTreeMap<String, String>,
    next: u64,
}

impl State {
    pub fn new() -> Self {
        let scopes = [
            "chat:write",
            "files:read",
            "files:write",
            "im:write",
            "channels:write",
            "reactions:read",
            "reactions:write",
            "users:read",
        ];
        Self {
            bot: Bot {
                token: "xoxb-simulated-1".to_owned(),
                refresh_token: None,
                scopes: scopes.map(str::to_owned).to_vec(),
                standing: None,
                is_person: false,
                everywhere: false,
                tells_app: false,
            },
            app: App {
                client_id: "1234.5678".to_owned(),
                client_secret: "simulated-client-secret".to_owned(),
                signing_secret: "simulated-signing-secret".to_owned(),
                rotation: false,
            },
            rooms: BTreeMap::new(),
            files: BTreeMap::new(),
            faults: Vec::new(),
            calls: Vec::new(),
            codes: BTreeMap::new(),
            next: 0,
        }
    }

    /// An id that nothing has yet.
    pub fn fresh(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}{:08}", self.next)
    }

    /// Adds a message; answers its `ts`.
    pub fn post(&mut self, room: &str, message: Message) -> String {
        self.next += 1;
        let ts = format!("1790000000.{:06}", self.next);
        self.rooms.entry(room.to_owned()).or_default().messages.insert(ts.clone(), message);
        ts
    }

    pub fn message(&mut self, room: &str, ts: &str) -> Option<&mut Message> {
        self.rooms.get_mut(room)?.messages.get_mut(ts)
    }

    /// The first fault that is meant for this method.
    pub fn take_fault(&mut self, method: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(meant, _)| meant == "*" || meant == method)?;
        Some(self.faults.remove(at).1)
    }
}

/// A refusal: Slack's word, with what goes along.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub word: String,
    pub more: Value,
    /// Seconds, with status 429.
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn with(word: &str, more: Value) -> Self {
        Self { word: word.to_owned(), more, retry_after: None }
    }
}

impl From<&str> for Refusal {
    fn from(word: &str) -> Self {
        Self::with(word, json!({}))
    }
}

/// What a method answers.
pub(super) type Reply = Result<Value, Refusal>;
