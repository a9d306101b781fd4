//! One account of the sandbox: its settings, what it has promised, and what is counted for it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::SandboxConfig;
use crate::event::Event;
use crate::memory::Memory;
use crate::report::Counts;
use crate::told::Told;
use crate::watch::Watches;

/// How many client ids, streams and messages an account remembers.
const REMEMBERED: usize = 500_000;

/// Where an account's events go, and the key they are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) secret: String,
}

/// What may be set for an account: by `PUT /control/accounts/{token}`, by connecting, by the sandbox's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Whether each message is answered with `echo: …`.
    pub(crate) reply: bool,
    /// Whether a repeated client id is answered with the first message's id.
    pub(crate) dedupe: bool,
    /// From taking a message to its delivered receipt, ms.
    pub(crate) delivered_ms: u64,
    /// From there to its read receipt, ms.
    pub(crate) read_ms: u64,
    /// From there to the reply, ms.
    pub(crate) reply_ms: u64,
    /// How often each webhook is delivered, for receivers that must not mind.
    pub(crate) webhook_repeat: u32,
    pub(crate) webhook: Option<Webhook>,
    /// For how long after a contact wrote what is sent to it is a reply, ms.
    #[serde(default = "reply_window_ms")]
    pub(crate) reply_window_ms: u64,
    /// The app that it belongs to.
    #[serde(default)]
    pub(crate) app: Option<String>,
    /// The secret of its device, if one was paired with it.
    #[serde(default)]
    pub(crate) device: Option<String>,
}

const fn reply_window_ms() -> u64 {
    24 * 60 * 60 * 1_000
}

/// The last message taken in a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub(crate) n: u64,
    pub(crate) client: Option<u64>,
}

/// A message that was taken.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) chat: u64,
    pub(crate) deleted: bool,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) counts: Counts,
    pub(crate) limits: Watches,
    /// Client ids that were taken, with the id of the first message.
    pub(crate) clients: Memory<u64, u64>,
    /// Streams, by chat and name.
    pub(crate) streams: Memory<u64, Last>,
    pub(crate) messages: Memory<u64, Kept>,
    /// Calls to recipients that misbehave, by chat and client id.
    pub(crate) tries: Memory<u64, u64>,
    pub(crate) told: Told,
    /// Chats that it sent to or that wrote to it, with when they last wrote.
    pub(crate) chats: Memory<u64, Option<u64>>,
    /// Events that wait for a poll.
    pub(crate) updates: VecDeque<Event>,
    pub(crate) news: Arc<Notify>,
    /// Events that wait for their webhook, oldest first, and whether somebody is at it.
    pub(crate) outbox: VecDeque<Event>,
    pub(crate) delivering: bool,
}

impl Account {
    pub(crate) fn new(id: String, name: String, config: &SandboxConfig) -> Self {
        Self {
            id,
            name,
            settings: Settings {
                reply: config.reply,
                dedupe: config.dedupe,
                delivered_ms: config.delivered_ms,
                read_ms: config.read_ms,
                reply_ms: config.reply_ms,
                webhook_repeat: 1,
                webhook: None,
                reply_window_ms: reply_window_ms(),
                app: None,
                device: None,
            },
            counts: Counts::default(),
            limits: Watches::default(),
            clients: Memory::new(REMEMBERED),
            streams: Memory::new(REMEMBERED),
            messages: Memory::new(REMEMBERED),
            tries: Memory::new(REMEMBERED),
            told: Told::default(),
            chats: Memory::new(REMEMBERED),
            updates: VecDeque::new(),
            news: Arc::new(Notify::new()),
            outbox: VecDeque::new(),
            delivering: false,
        }
    }

    /// Begins anew, with the same settings and limits.
    pub(crate) fn forget(&mut self, config: &SandboxConfig) {
        let fresh = Self::new(self.id.clone(), self.name.clone(), config);
        let old = std::mem::replace(self, fresh);
        self.settings = old.settings;
        self.limits = old.limits;
        self.limits.forget();
        self.news = old.news;
        self.delivering = old.delivering;
    }

    /// Remembers that `chat` is written to, and answers whether it was not known before.
    pub(crate) fn meets(&mut self, chat: u64) -> bool {
        let is_new = self.chats.get(chat).is_none();
        if is_new {
            self.chats.insert(chat, None);
        }
        is_new
    }

    /// Takes note that `chat` writes.
    pub(crate) fn hears(&mut self, chat: u64, now: u64) {
        self.counts.inbound += 1;
        self.chats.insert(chat, Some(now));
    }

    /// Whether a message to `chat` would be a reply.
    pub(crate) fn replies(&self, chat: u64, now: u64) -> bool {
        let wrote = self.chats.get(chat).copied().flatten();
        wrote.is_some_and(|at| now - at < self.settings.reply_window_ms * 1_000)
    }

    /// Sends the events that wait the way that is set now. Answers whether somebody has to start delivering.
    pub(crate) fn turn_events(&mut self) -> bool {
        if self.settings.webhook.is_none() {
            self.updates.append(&mut self.outbox);
            self.news.notify_waiters();
            return false;
        }
        self.outbox.append(&mut self.updates);
        !self.outbox.is_empty() && !std::mem::replace(&mut self.delivering, true)
    }

    /// Takes an event on its way: to the webhook if there is one, else to whoever polls. Answers whether
    /// somebody has to start delivering.
    pub(crate) fn take_event(&mut self, event: Event, cap: usize) -> bool {
        self.counts.events += 1;
        let line = if self.settings.webhook.is_some() { &mut self.outbox } else { &mut self.updates };
        line.push_back(event);
        if line.len() > cap {
            line.pop_front();
            self.counts.events_lost += 1;
        }
        if self.settings.webhook.is_none() {
            self.news.notify_waiters();
            return false;
        }
        !std::mem::replace(&mut self.delivering, true)
    }

    /// How often this was asked for before, and takes note of this time.
    pub(crate) fn tried(&mut self, key: u64) -> u64 {
        if let Some(times) = self.tries.get_mut(key) {
            *times += 1;
            return *times - 1;
        }
        self.tries.insert(key, 1);
        0
    }
}
