//! Telegram as far as bots see it: a Bot API server that answers as the documentation of 10.3 says, in the words of
//! Telegram's own open source server, whatever our adapter expects.
//!
//! It checks tokens, methods, parameters, bodies, lengths, HTML, keyboards, reactions, file types and sizes; keeps
//! chats, messages and files; enforces the limits; delivers updates by `getUpdates` or webhook; and misbehaves on
//! demand ([`Fault`]). Tests drive its people ([`Person`]).
//!
//! Left out: albums, rich messages, `editMessageMedia`, business connections, payments, inline mode, and the
//! administration of groups.

#[cfg(test)]
mod adapter;
mod answer;
mod change;
mod faults;
mod files;
mod limits;
mod markup;
mod methods;
mod params;
mod person;
#[cfg(test)]
mod protocol;
mod send;
mod server;
mod state;
mod text;
mod updates;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use change::REACTIONS;
pub use faults::Fault;
pub use params::{Params, Upload};
pub use person::Person;
pub use state::{Call, Standing};
pub use text::{Entity, Formatted, parse_html};

use answer::Refusal;
use state::{Bot, Chat, State};

/// How strict the simulator is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether to refuse what goes over the limits.
    pub enforce_limits: bool,
    /// Divides the windows of the limits, so that a test need not last a minute.
    pub time_scale: f64,
    /// Whether webhooks may be at plain HTTP and on any port, as with one's own Bot API server.
    pub http_webhooks: bool,
    /// How long a webhook that was not answered with 2xx is left alone.
    pub webhook_retry: Duration,
    /// Dates messages.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enforce_limits: true,
            time_scale: 1.0,
            http_webhooks: true,
            webhook_retry: Duration::from_millis(50),
            clock: Arc::new(SystemClock),
        }
    }
}

/// What the server and its people share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Something happened: a call, an update, a webhook set.
    news: Notify,
    options: Options,
}

impl Shared {
    /// Acts on the bot with this token, or refuses as Telegram does.
    fn with_bot<T>(
        &self,
        token: &str,
        act: impl FnOnce(&mut Bot) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.bots.get_mut(token) {
            Some(bot) if !bot.revoked => act(bot),
            _ if token.contains(':') => Err(Refusal::new(401, "Unauthorized")),
            _ => Err(Refusal::new(404, "Not Found")),
        }
    }

    /// Acts on a bot that is known to exist.
    fn bot<T>(&self, token: &str, act: impl FnOnce(&mut Bot) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        act(state.bots.get_mut(token).expect("the bot was made by this simulator"))
    }

    fn date(&self) -> i64 {
        self.options.clock.now().as_micros() / 1_000_000
    }
}

/// A running simulator. Ends with the value.
#[derive(Debug)]
pub struct Telegram {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Telegram {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new(), options });
        let server = tokio::spawn(server::serve(Arc::clone(&shared), listener));
        Self { shared, address, tasks: Mutex::new(vec![server]) }
    }

    /// What to give as the Bot API's address.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bot.
    pub fn bot(&self) -> BotHandle {
        let token = {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.next_bot += 1;
            let id = 7_000_000_000 + state.next_bot;
            let token = format!("{id}:simulated-token-{id}");
            state.bots.insert(token.clone(), Bot::new(id));
            token
        };
        let delivery = tokio::spawn(updates::deliver(Arc::clone(&self.shared), token.clone()));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
        BotHandle { shared: Arc::clone(&self.shared), token }
    }
}

impl Drop for Telegram {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            task.abort();
        }
    }
}

/// A bot, seen from Telegram's side.
#[derive(Debug, Clone)]
pub struct BotHandle {
    shared: Arc<Shared>,
    /// The secret of the bot.
    pub token: String,
}

impl BotHandle {
    /// The bot's id.
    pub fn id(&self) -> i64 {
        self.shared.bot(&self.token, |bot| bot.id)
    }

    /// A person who has written `/start` once.
    pub fn person(&self, name: &str) -> Person {
        let id = self.add("private", name, |id| 1_000 + id);
        Person {
            shared: Arc::clone(&self.shared),
            token: self.token.clone(),
            id,
            name: name.to_owned(),
            chat: id,
            topic: None,
        }
    }

    /// A group that the bot is in: `group`, `supergroup` or `channel`. Answers the chat's id.
    pub fn group(&self, kind: &'static str, title: &str) -> i64 {
        self.add(kind, title, |id| if kind == "group" { -id } else { -1_001_000_000_000 - id })
    }

    /// Gives a group or channel a user name.
    pub fn name_chat(&self, chat: i64, username: &str) {
        self.shared.bot(&self.token, |bot| bot.chat(chat).username = Some(username.to_owned()));
    }

    /// Adds a topic to a group; answers its id.
    pub fn topic(&self, chat: i64, name: &str) -> i64 {
        let date = self.shared.date();
        self.shared.bot(&self.token, |bot| {
            let from = bot.as_user();
            let message = bot.post(chat, &from, date, json!({ "forum_topic_created": { "name": name } }));
            let topic = message["message_id"].as_i64().unwrap_or_default();
            bot.chat(chat).topics.insert(topic);
            topic
        })
    }

    /// Makes a chat refuse (or take) what the bot writes, without telling the bot.
    pub fn set_standing(&self, chat: i64, standing: Standing) {
        self.shared.bot(&self.token, |bot| bot.chat(chat).standing = standing);
    }

    /// Turns a group into a supergroup and tells the bot, in both chats; answers the new id.
    pub fn migrate(&self, chat: i64) -> i64 {
        let title = self.shared.bot(&self.token, |bot| bot.chat(chat).name.clone());
        let new = self.group("supergroup", &title);
        let date = self.shared.date();
        self.shared.bot(&self.token, |bot| {
            let from = bot.as_user();
            let left = bot.post(chat, &from, date, json!({ "migrate_to_chat_id": new }));
            bot.tell("message", left);
            let joined = bot.post(new, &from, date, json!({ "migrate_from_chat_id": chat }));
            bot.tell("message", joined);
            bot.chat(chat).standing = Standing::Migrated(new);
        });
        self.shared.news.notify_waiters();
        new
    }

    /// Takes the token back.
    pub fn revoke(&self) {
        self.shared.bot(&self.token, |bot| bot.revoked = true);
    }

    /// The next call of `method` (`*` for any) meets this.
    pub fn meets(&self, method: &str, fault: Fault) {
        self.shared.bot(&self.token, |bot| bot.faults.push((method.to_owned(), fault)));
    }

    /// Calls no fault has met yet will meet none.
    pub fn calm(&self) {
        self.shared.bot(&self.token, |bot| bot.faults.clear());
    }

    /// Says what lies at an address on the web.
    pub fn web_file(&self, url: &str, kind: &str, mime: &str, size: u64) {
        let file = files::stored(kind, mime, None, Bytes::from_static(b"from the web"), size);
        self.shared.bot(&self.token, |bot| bot.web.insert(url.to_owned(), file));
    }

    /// Makes a message older than 48 hours.
    pub fn make_old(&self, chat: i64, message: i64) {
        self.shared.bot(&self.token, |bot| bot.chat(chat).old.insert(message));
    }

    /// Delivers an update of any form.
    pub fn tell(&self, kind: &str, body: Value) {
        self.shared.bot(&self.token, |bot| bot.tell(kind, body));
        self.shared.news.notify_waiters();
    }

    /// A quiet week went by: what happens from now on is numbered from here.
    pub fn renumber(&self, next_update: i64) {
        self.shared.bot(&self.token, |bot| bot.next_update = next_update);
    }

    /// Parameters that no method has, as `method.parameter`: Telegram passes over them, but nobody means to send them.
    pub fn unknown_parameters(&self) -> Vec<String> {
        self.calls().iter().flat_map(|call| methods::unknown(&call.method, &call.params)).collect()
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.bot(&self.token, |bot| bot.calls.clone())
    }

    /// The messages in a chat as the Bot API writes them, oldest first.
    pub fn messages(&self, chat: i64) -> Vec<Value> {
        self.shared.bot(&self.token, |bot| bot.chat(chat).messages.values().cloned().collect())
    }

    /// The bytes behind a file id.
    pub fn file(&self, file_id: &str) -> Option<Bytes> {
        self.shared.bot(&self.token, |bot| bot.files.get(file_id).map(|file| file.bytes.clone()))
    }

    /// The bot's own reactions to a message.
    pub fn reactions(&self, chat: i64, message: i64) -> Vec<String> {
        self.shared.bot(&self.token, |bot| {
            let reactions = &bot.chat(chat).reactions;
            reactions.get(&message).cloned().unwrap_or_default()
        })
    }

    /// What the bot showed in a chat: `typing` and the like.
    pub fn actions(&self, chat: i64) -> Vec<String> {
        self.shared.bot(&self.token, |bot| bot.chat(chat).actions.clone())
    }

    /// How a callback was answered, once it was.
    pub fn callback_answer(&self, id: &str) -> Option<Params> {
        self.shared.bot(&self.token, |bot| bot.callbacks.get(id).cloned().flatten())
    }

    /// Every update that there ever was, to be posted again and in any order.
    pub fn history(&self) -> Vec<Value> {
        self.shared.bot(&self.token, |bot| bot.history.clone())
    }

    /// How many updates are not confirmed yet.
    pub fn pending(&self) -> usize {
        self.shared.bot(&self.token, |bot| bot.updates.len())
    }

    /// The webhook's address and secret, if one is set.
    pub fn webhook(&self) -> Option<(String, Option<String>)> {
        self.shared.bot(&self.token, |bot| bot.webhook.clone().map(|hook| (hook.url, hook.secret)))
    }

    /// Returns once `check` holds. It is asked again whenever something happened.
    pub async fn until(&self, check: impl Fn(&Self) -> bool) {
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if check(self) {
                return;
            }
            news.await;
        }
    }

    /// How many calls of `getUpdates` are waiting.
    pub fn polling(&self) -> u64 {
        self.shared.bot(&self.token, |bot| bot.polling)
    }

    fn add(&self, kind: &'static str, name: &str, id: impl FnOnce(i64) -> i64) -> i64 {
        self.shared.bot(&self.token, |bot| {
            let id = id(bot.fresh());
            bot.chats.insert(id, Chat::new(id, kind, name));
            id
        })
    }
}
