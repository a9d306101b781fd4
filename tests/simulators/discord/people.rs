//! What tests do at Discord: people who write, press and react; and a look at what the bot did.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::gateway::MAY_READ;
use super::state::{Call, Chat, Interaction, State};
use super::{Discord, Fault, Order};

impl Discord {
    /// The bot's token.
    pub fn token(&self) -> String {
        self.act(|state| state.token.clone())
    }

    /// The application's id.
    pub fn app(&self) -> String {
        self.act(|state| state.app.to_string())
    }

    /// The bot's own user id.
    pub fn bot(&self) -> String {
        self.act(|state| state.bot.to_string())
    }

    /// The application's public key, in hex.
    pub fn public_key(&self) -> String {
        self.act(|state| state.public_key.clone())
    }

    /// Takes the token's power.
    pub fn revoke(&self) {
        self.act(|state| state.is_revoked = true);
    }

    /// Whether the bot may read what people write.
    pub fn set_may_read(&self, may: bool) {
        self.act(|state| state.flags = if may { MAY_READ } else { 0 });
    }

    /// Somebody; no direct messages with them are open yet.
    pub fn person(&self, name: &str) -> u64 {
        self.act(|state| {
            let id = state.fresh();
            state.people.insert(id, name.to_owned());
            id
        })
    }

    /// Opens direct messages with a person.
    pub fn direct(&self, person: u64) -> u64 {
        self.act(|state| open(state, person))
    }

    /// A channel of a server.
    pub fn channel(&self) -> u64 {
        self.act(|state| {
            let (id, guild) = (state.fresh(), state.fresh());
            state.chats.insert(id, Chat { guild: Some(guild), ..Chat::default() });
            id
        })
    }

    /// The person takes no direct messages any more.
    pub fn close_direct(&self, chat: u64) {
        self.act(|state| state.chats.entry(chat).or_default().is_closed = true);
    }

    /// A person writes; `fields` go over what a plain message has. The message's id.
    pub fn writes(&self, chat: u64, person: u64, fields: &Value) -> u64 {
        let id = self.act(|state| {
            let author = state.person(person);
            let message = state.post(chat, author, fields);
            message["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
        });
        self.shared.has_news();
        id
    }

    /// Dispatches an event as it is.
    pub fn dispatch(&self, what: &str, body: Value) {
        self.act(move |state| state.gateway.dispatch(what, &body));
        self.shared.has_news();
    }

    /// Puts a file where links lead; the fields of its attachment.
    pub fn attachment(&self, name: &str, mime: &str, bytes: Bytes) -> Value {
        self.act(|state| {
            let id = state.fresh();
            attach(state, &self.shared.base, id, name, mime, bytes)
        })
    }

    /// Ends all links to files that were given so far.
    pub fn end_links(&self) {
        self.act(|state| state.link_age += 1);
    }

    /// Begins an interaction: what is told of it, with a key. It goes to the Gateway only by [`Discord::dispatch`].
    pub fn interaction(&self, kind: u64, chat: u64, person: u64, data: Value) -> Value {
        self.act(|state| {
            let id = state.fresh();
            let token = format!("interaction-key-{id}");
            state.interactions.insert(id, Interaction { token: token.clone(), ..Interaction::default() });
            let mut told = json!({
                "id": id.to_string(), "application_id": state.app.to_string(), "type": kind, "token": token,
                "version": 1, "channel_id": chat.to_string(), "channel": { "id": chat.to_string(), "type": 1 },
            });
            told["data"] = data;
            match state.chats.get(&chat).and_then(|chat| chat.guild) {
                Some(guild) => {
                    told["guild_id"] = guild.to_string().into();
                    told["channel"]["type"] = 0.into();
                    told["member"] = json!({ "user": state.person(person), "nick": null });
                }
                None => told["user"] = state.person(person),
            }
            told
        })
    }

    /// What the endpoint answered an interaction with.
    pub fn answered(&self, id: u64, answer: Value) {
        self.act(|state| {
            let interaction = state.interactions.entry(id).or_default();
            interaction.original = (answer["type"] == 5).then(|| json!({ "content": "is thinking…" }));
            interaction.answer = Some(answer);
        });
    }

    /// An interaction as it stands.
    pub fn interaction_now(&self, id: u64) -> Interaction {
        self.act(|state| state.interactions.get(&id).cloned().unwrap_or_default())
    }

    /// The next call whose method and path begin with `what` (any, if empty) meets this.
    pub fn meets(&self, what: &str, fault: Fault) {
        self.act(|state| state.faults.push((what.to_owned(), fault)));
    }

    /// Ends all misbehaviour, and waits until the times to wait that were told are over.
    pub async fn calm(&self) {
        let until = self.act(|state| {
            state.faults.clear();
            state.busy_until.take()
        });
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Gives the Gateway's connection an order.
    pub fn order(&self, order: Order) {
        self.act(|state| state.gateway.orders.push_back(order));
        self.shared.has_news();
    }

    /// Sessions begun, sessions resumed, heartbeats.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.act(|state| (state.gateway.identified, state.gateway.resumed, state.gateway.heartbeats))
    }

    /// The intents that were asked for last.
    pub fn intents(&self) -> u64 {
        self.act(|state| state.gateway.intents)
    }

    /// Whether a client closed with this code.
    pub fn was_closed_with(&self, code: u16) -> bool {
        self.act(|state| state.gateway.closed_with.contains(&code))
    }

    /// Returns once `is_so`.
    ///
    /// # Panics
    /// When it is not within ten seconds.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut news = self.shared.news();
        let wait = async {
            while !is_so(self) {
                drop(news.changed().await);
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), wait).await.is_ok(), "{what}");
    }

    /// How many connections of the Gateway are open.
    pub fn open(&self) -> usize {
        self.act(|state| state.gateway.open)
    }

    /// A message as it stands; none if it is gone.
    pub fn message(&self, chat: &str, id: &str) -> Option<Value> {
        let (chat, id): (u64, u64) = (chat.parse().ok()?, id.parse().ok()?);
        self.act(|state| state.chats.get(&chat)?.messages.get(&id).cloned())
    }

    /// A chat as it stands.
    pub fn chat(&self, chat: u64) -> Chat {
        self.act(|state| state.chats.get(&chat).cloned().unwrap_or_default())
    }

    /// The bytes behind an attachment of a message.
    pub fn file(&self, attachment: &Value) -> Option<Bytes> {
        let url = attachment["url"].as_str()?;
        let path = url.strip_prefix(&self.shared.base)?.split('?').next()?;
        self.act(|state| state.files.get(path).cloned())
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.act(|state| state.calls.clone())
    }

    /// The commands that are registered.
    pub fn commands(&self) -> Value {
        self.act(|state| state.commands.clone())
    }

    /// Fields of messages that Discord does not have.
    pub fn unknown_fields(&self) -> Vec<String> {
        self.act(|state| state.unknown_fields.iter().cloned().collect())
    }

    fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.shared.act(act)
    }
}

/// The direct messages with a person, opened if they are not yet.
pub(crate) fn open(state: &mut State, person: u64) -> u64 {
    if let Some((id, _)) = state.chats.iter().find(|(_, chat)| chat.recipient == Some(person)) {
        return *id;
    }
    let id = state.fresh();
    state.chats.insert(id, Chat { kind: 1, recipient: Some(person), ..Chat::default() });
    id
}

/// Keeps a file; the fields of its attachment.
pub(crate) fn attach(state: &mut State, base: &str, id: u64, name: &str, mime: &str, bytes: Bytes) -> Value {
    let path = format!("/attachments/{id}/file");
    let size = bytes.len();
    state.files.insert(path, bytes);
    json!({
        "id": id.to_string(), "filename": name, "size": size, "content_type": mime, "url": link(base, id, state.link_age),
    })
}

/// A link that leads to a file until links of its age end.
pub(crate) fn link(base: &str, id: u64, age: u64) -> String {
    format!("{base}/attachments/{id}/file?ex={age:x}&is=0&hm=0")
}
