//! What the simulator remembers.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::faults::Fault;
use super::gateway::Kept;

/// The first id that is given: a time in 2024, as ids hold theirs.
const FIRST_ID: u64 = 1_250_000_000_000_000_000;
/// A second in an id.
const SECOND: u64 = 1_000 << 22;

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method and path, without the API's version.
    pub what: String,
    /// The JSON body, or the JSON part of a form.
    pub body: Value,
    /// What it was answered with.
    pub status: u16,
}

/// A channel, a thread or direct messages.
#[derive(Debug, Clone, Default)]
pub struct Chat {
    /// Discord's number of the kind: 0 text, 1 direct, 11 thread.
    pub kind: u64,
    /// The server it is in.
    pub guild: Option<u64>,
    /// Whom the bot writes to there.
    pub recipient: Option<u64>,
    /// Whether the recipient takes no direct messages.
    pub is_closed: bool,
    /// Messages by id.
    pub messages: BTreeMap<u64, Value>,
    /// How often typing was shown.
    pub typing: usize,
}

/// An interaction that was begun.
#[derive(Debug, Clone, Default)]
pub struct Interaction {
    /// Its key.
    pub token: String,
    /// What it was answered with, by a call or by the endpoint.
    pub answer: Option<Value>,
    /// What stands in the place of "is thinking…"; none once it is deleted.
    pub original: Option<Value>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub last_id: u64,
    pub token: String,
    pub is_revoked: bool,
    pub bot: u64,
    pub app: u64,
    pub flags: u64,
    pub public_key: String,
    pub chats: BTreeMap<u64, Chat>,
    /// People by id, with their names.
    pub people: BTreeMap<u64, String>,
    /// Files by path, with the end of their links (a number that is counted up by tests).
    pub files: HashMap<String, Bytes>,
    /// Links with another number lead nowhere.
    pub link_age: u64,
    /// Nonces that were seen, with chat and message.
    pub nonces: HashMap<String, (u64, u64)>,
    pub commands: Value,
    pub interactions: BTreeMap<u64, Interaction>,
    pub faults: Vec<(String, Fault)>,
    pub calls: Vec<Call>,
    pub unknown_fields: BTreeSet<String>,
    pub windows: HashMap<String, VecDeque<Instant>>,
    pub busy_until: Option<Instant>,
    pub gateway: Kept,
}

impl State {
    /// An id that no other thing has, later than all before.
    pub fn fresh(&mut self) -> u64 {
        self.last_id = if self.last_id == 0 { FIRST_ID } else { self.last_id + SECOND };
        self.last_id
    }

    pub fn bot_user(&self) -> Value {
        json!({ "id": self.bot.to_string(), "username": "shop", "discriminator": "0", "global_name": null, "bot": true })
    }

    pub fn person(&self, id: u64) -> Value {
        let name = self.people.get(&id).map_or("nobody", String::as_str);
        json!({
            "id": id.to_string(), "username": name.to_lowercase(), "global_name": name, "discriminator": "0",
        })
    }

    /// A message's fields as everybody sees them, kept in its chat.
    pub fn post(&mut self, chat: u64, author: Value, fields: &Value) -> Value {
        let id = self.fresh();
        let guild = self.chats.get(&chat).and_then(|chat| chat.guild);
        let mut message = json!({
            "id": id.to_string(), "channel_id": chat.to_string(), "type": 0, "content": "",
            "timestamp": "2024-06-11T00:00:00.000000+00:00", "edited_timestamp": null, "tts": false,
            "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
            "components": [], "pinned": false, "flags": 0,
        });
        message["author"] = author;
        for (name, value) in fields.as_object().into_iter().flatten() {
            message[name] = value.clone();
        }
        if let Some(chat) = self.chats.get_mut(&chat) {
            chat.messages.insert(id, message.clone());
        }
        let mut told = message.clone();
        if let Some(guild) = guild {
            told["guild_id"] = guild.to_string().into();
        }
        self.gateway.dispatch("MESSAGE_CREATE", &told);
        message
    }
}
