//! What Telegram remembers: bots, their chats, messages and files, and the updates that wait for them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Refusal, bad_request, forbidden};
use super::faults::Fault;
use super::params::Params;

/// Everything. One lock holds it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub bots: HashMap<String, Bot>,
    pub next_bot: i64,
}

/// A bot and its view of the world.
#[derive(Debug)]
pub(crate) struct Bot {
    pub id: i64,
    pub username: String,
    /// The token was taken back.
    pub revoked: bool,
    pub chats: BTreeMap<i64, Chat>,
    pub files: HashMap<String, StoredFile>,
    /// Files on the web, by address, as far as the test told about them.
    pub web: HashMap<String, StoredFile>,
    /// Updates that are not confirmed yet, oldest first.
    pub updates: VecDeque<(i64, Value)>,
    /// Every update that there ever was.
    pub history: Vec<Value>,
    pub next_update: i64,
    pub allowed: Option<BTreeSet<String>>,
    pub webhook: Option<Webhook>,
    /// Rises with every poll: the older of two learns by it that it is not alone.
    pub poll: u64,
    pub polling: u64,
    /// Pressed buttons that wait for an answer.
    pub callbacks: BTreeMap<String, Option<Params>>,
    pub faults: Vec<(String, Fault)>,
    pub calls: Vec<Call>,
    pub sends: VecDeque<Instant>,
    pub next_id: i64,
}

/// Where updates are delivered.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub url: String,
    pub secret: Option<String>,
    pub max_connections: i64,
    /// When it was set: rises, so that a delivery under way knows that it is not meant any more.
    pub generation: u64,
    pub last_error: Option<String>,
}

/// A chat.
#[derive(Debug)]
pub(crate) struct Chat {
    pub id: i64,
    /// `private`, `group`, `supergroup` or `channel`.
    pub kind: &'static str,
    pub name: String,
    pub username: Option<String>,
    pub standing: Standing,
    /// Whole messages as the Bot API writes them, by `message_id`.
    pub messages: BTreeMap<i64, Value>,
    pub next_message: i64,
    pub topics: BTreeSet<i64>,
    /// Messages older than 48 hours.
    pub old: BTreeSet<i64>,
    /// The bot's own reactions, by message.
    pub reactions: BTreeMap<i64, Vec<String>>,
    /// What the bot showed in it: `typing` and the like.
    pub actions: Vec<String>,
    pub sends: VecDeque<Instant>,
}

/// Whether the bot may write to a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Open,
    /// The person never wrote to the bot.
    NeverStarted,
    /// The person blocked it.
    Blocked,
    /// The person's account is gone.
    Deactivated,
    /// It was thrown out of the group.
    Kicked,
    /// The group is a supergroup now, with this id.
    Migrated(i64),
}

/// A file that lies at Telegram.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub path: String,
    pub bytes: Bytes,
    /// What Telegram says of its size: tests need no 30 MB to have a file of 30 MB.
    pub size: u64,
    /// The key under which it stands in a message: `photo`, `voice`, …
    pub kind: String,
    pub mime: String,
    pub name: Option<String>,
}

/// One call, for tests to look at.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method, as written.
    pub method: String,
    /// Its parameters.
    pub params: Params,
    /// When it came.
    pub at: Instant,
    /// What was answered: 200, or the code of the refusal.
    pub status: u16,
    /// The result; nothing for a refusal.
    pub result: Value,
}

impl Bot {
    pub fn new(id: i64) -> Self {
        Self {
            id,
            username: format!("bot_{id}_bot"),
            revoked: false,
            chats: BTreeMap::new(),
            files: HashMap::new(),
            web: HashMap::new(),
            updates: VecDeque::new(),
            history: Vec::new(),
            next_update: 100_000_000 + id,
            allowed: None,
            webhook: None,
            poll: 0,
            polling: 0,
            callbacks: BTreeMap::new(),
            faults: Vec::new(),
            calls: Vec::new(),
            sends: VecDeque::new(),
            next_id: 1,
        }
    }

    pub fn as_user(&self) -> Value {
        json!({ "id": self.id, "is_bot": true, "first_name": "Simulated bot", "username": self.username })
    }

    /// A number that is used once.
    pub fn fresh(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// Queues an update, if the bot asked for its kind.
    pub fn tell(&mut self, kind: &str, body: Value) {
        let wanted = match &self.allowed {
            Some(allowed) => allowed.contains(kind),
            None => !["chat_member", "message_reaction", "message_reaction_count"].contains(&kind),
        };
        if wanted {
            let id = self.next_update;
            self.next_update += 1;
            let mut update = json!({ "update_id": id });
            update[kind] = body;
            self.updates.push_back((id, update.clone()));
            self.history.push(update);
        }
    }

    /// The chat that a call means, if the bot may write there.
    pub fn writable(&self, params: &Params) -> Result<i64, Refusal> {
        let given = params
            .text("chat_id")
            .filter(|id| !id.is_empty())
            .ok_or_else(|| bad_request("chat_id is empty"))?;
        let chat = match given.strip_prefix('@') {
            Some(name) => self
                .chats
                .values()
                .find(|chat| chat.kind != "private" && chat.username.as_deref() == Some(name)),
            None => given.parse().ok().and_then(|id: i64| self.chats.get(&id)),
        };
        let chat = chat.ok_or_else(|| bad_request("chat not found"))?;
        match chat.standing {
            Standing::Open => Ok(chat.id),
            Standing::NeverStarted => Err(forbidden("bot can't initiate conversation with a user")),
            Standing::Blocked => Err(forbidden("bot was blocked by the user")),
            Standing::Deactivated => Err(forbidden("user is deactivated")),
            Standing::Kicked => Err(forbidden(&format!("bot was kicked from the {} chat", chat.kind))),
            Standing::Migrated(to) => Err(Refusal {
                parameters: Some(json!({ "migrate_to_chat_id": to })),
                ..bad_request("group chat was upgraded to a supergroup chat")
            }),
        }
    }

    pub fn chat(&mut self, id: i64) -> &mut Chat {
        self.chats.get_mut(&id).expect("the chat was looked up before")
    }

    /// Adds a message to a chat and answers it as the Bot API writes it.
    pub fn post(&mut self, chat: i64, from: &Value, date: i64, content: Value) -> Value {
        let chat = self.chat(chat);
        chat.next_message += 1;
        let id = chat.next_message;
        let mut message = json!({ "message_id": id, "from": from, "chat": chat.to_json(), "date": date });
        if chat.kind == "channel" {
            message["sender_chat"] = chat.to_json();
            message.as_object_mut().and_then(|message| message.remove("from"));
        }
        if let (Some(message), Value::Object(content)) = (message.as_object_mut(), content) {
            message.extend(content);
        }
        chat.messages.insert(id, message.clone());
        message
    }

    /// A message that a call means; `words` say what is missing.
    pub fn message(&mut self, chat: i64, params: &Params, words: &str) -> Result<(i64, &mut Value), Refusal> {
        let id =
            params.int("message_id").ok_or_else(|| bad_request("message identifier is not specified"))?;
        match self.chat(chat).messages.get_mut(&id) {
            Some(message) => Ok((id, message)),
            None => Err(bad_request(words)),
        }
    }
}

impl Chat {
    pub fn new(id: i64, kind: &'static str, name: &str) -> Self {
        Self {
            id,
            kind,
            name: name.to_owned(),
            username: None,
            standing: Standing::Open,
            messages: BTreeMap::new(),
            next_message: 0,
            topics: BTreeSet::new(),
            old: BTreeSet::new(),
            reactions: BTreeMap::new(),
            actions: Vec::new(),
            sends: VecDeque::new(),
        }
    }

    pub fn to_json(&self) -> Value {
        let mut chat = json!({ "id": self.id, "type": self.kind });
        chat[if self.kind == "private" { "first_name" } else { "title" }] = self.name.as_str().into();
        if let Some(username) = &self.username {
            chat["username"] = username.as_str().into();
        }
        if !self.topics.is_empty() {
            chat["is_forum"] = true.into();
        }
        chat
    }
}

/// `true`, the answer of methods that have nothing else to say.
pub(crate) const DONE: Value = Value::Bool(true);
