//! What TikTok knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::webhooks;

/// How long an access token lasts, in seconds.
pub(crate) const ACCESS_LASTS: i64 = 7 * 86_400;
/// How long a refresh token lasts.
pub(crate) const REFRESH_LASTS: i64 = 365 * 86_400;

/// What a call meets instead of (or after) being carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A refusal with this status, code and words; not carried out.
    Refuse(u16, i64, &'static str),
    /// Over the limit; not carried out. With a `Retry-After` if there is one.
    TooMany(Option<u64>),
    /// A gateway's page with this status; not carried out.
    Gateway(u16),
    /// The request is read whole and never answered.
    Silence {
        /// Whether it is carried out all the same.
        carried_out: bool,
    },
    /// The request is read whole and the connection closed without an answer.
    Hangup {
        /// Whether it is carried out all the same.
        carried_out: bool,
    },
    /// Carried out, answered with 200 and half of the JSON.
    Garbled,
}

impl Fault {
    pub(crate) const fn lets_it_be_carried_out(&self) -> bool {
        match self {
            Self::Refuse(..) | Self::TooMany(_) | Self::Gateway(_) => false,
            Self::Silence { carried_out } | Self::Hangup { carried_out } => *carried_out,
            Self::Garbled => true,
        }
    }
}

/// A call that was signed well.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method and path.
    pub what: String,
    /// Its parameters.
    pub query: BTreeMap<String, String>,
    /// Its body, where that was JSON.
    pub body: Value,
}

#[derive(Debug)]
pub(crate) struct App {
    pub secret: String,
    pub scopes: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct Shop {
    pub id: String,
    pub cipher: String,
    pub name: String,
    pub seller: String,
    pub is_active: bool,
    /// When it was called, for the limit.
    pub calls: VecDeque<Instant>,
}

#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub app: String,
    pub seller: String,
    pub access: String,
    pub access_ends: i64,
    pub refresh: String,
    pub refresh_ends: i64,
}

#[derive(Debug)]
pub(crate) struct Conversation {
    pub shop: String,
    pub user_id: String,
    pub nickname: String,
    pub create_time: i64,
    pub messages: Vec<Value>,
    pub unread: usize,
    pub closed: Option<(i64, &'static str)>,
    pub is_lost: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub apps: BTreeMap<String, App>,
    pub shops: Vec<Shop>,
    /// App and seller of a code that was not used yet.
    pub codes: BTreeMap<String, (String, String)>,
    pub tokens: Vec<Tokens>,
    pub chats: BTreeMap<String, Conversation>,
    /// Buyers without a conversation: shop and `user_id` to nickname.
    pub buyers: BTreeMap<(String, String), String>,
    /// Shop and topic to address.
    pub webhooks: BTreeMap<(String, String), String>,
    pub files: BTreeMap<String, Bytes>,
    /// Paths of pictures that were uploaded.
    pub pictures: BTreeSet<String>,
    pub faults: Vec<(String, Fault)>,
    pub calls: Vec<Call>,
    /// Bodies of webhooks.
    pub told: Vec<Value>,
    next: u64,
}

impl State {
    /// A number that nothing else has.
    pub fn fresh(&mut self) -> u64 {
        self.next += 1;
        74_945_600 + self.next
    }

    pub fn shop(&mut self, id: &str) -> &mut Shop {
        self.shops.iter_mut().find(|shop| shop.id == id).expect("the shop was opened here")
    }

    pub fn chat(&mut self, id: &str) -> &mut Conversation {
        self.chats.get_mut(id).expect("the conversation was begun here")
    }

    /// Gives out new tokens and takes back those before.
    pub fn issue(&mut self, app: &str, seller: &str, now: i64) -> Tokens {
        let n = self.fresh();
        self.tokens.retain(|tokens| (tokens.app.as_str(), tokens.seller.as_str()) != (app, seller));
        let tokens = Tokens {
            app: app.to_owned(),
            seller: seller.to_owned(),
            access: format!("GCP_access{n}"),
            access_ends: now + ACCESS_LASTS,
            refresh: format!("GCP_refresh{n}"),
            refresh_ends: now + REFRESH_LASTS,
        };
        self.tokens.push(tokens.clone());
        tokens
    }

    /// Begins a conversation, or opens the one that there is.
    pub fn converse(&mut self, shop: &str, user_id: &str, nickname: &str, now: i64) -> String {
        let known = self
            .chats
            .iter()
            .find(|(_, chat)| (chat.shop.as_str(), chat.user_id.as_str()) == (shop, user_id));
        if let Some((id, _)) = known {
            return id.clone();
        }
        let id = format!("5764{}", self.fresh());
        let conversation = Conversation {
            shop: shop.to_owned(),
            user_id: user_id.to_owned(),
            nickname: nickname.to_owned(),
            create_time: now,
            messages: Vec::new(),
            unread: 0,
            closed: None,
            is_lost: false,
        };
        self.chats.insert(id.clone(), conversation);
        let data = json!({ "conversation_id": id, "create_time": now });
        let body = webhooks::body(self, shop, 13, &data, now);
        self.told.push(body);
        id
    }

    /// Adds a message to a conversation and tells of it; answers its id.
    pub fn post(
        &mut self,
        chat: &str,
        role: &str,
        kind: &str,
        content: &Value,
        now: i64,
        is_visible: bool,
    ) -> String {
        let id = format!("7494{}", self.fresh());
        let index = self.fresh().to_string();
        let conversation = self.chat(chat);
        let shop = conversation.shop.clone();
        let (im_user_id, nickname) = match role {
            "BUYER" => (format!("im-{}", conversation.user_id), conversation.nickname.clone()),
            "CUSTOMER_SERVICE" => (format!("im-agent-{shop}"), "Agent".to_owned()),
            // The system and the robot speak as the shop.
            _ => (format!("im-{shop}"), "The shop".to_owned()),
        };
        // Within a conversation nothing is older than what stands before it.
        let create_time = conversation.latest().max(now);
        let content = content.to_string();
        conversation.messages.push(json!({
            "id": id, "type": kind, "content": content, "create_time": create_time, "is_visible": is_visible, "index": index,
            "sender": { "im_user_id": im_user_id, "role": role, "nickname": nickname, "avatar": "https://p16.invalid/a.png" },
        }));
        if role == "BUYER" {
            conversation.unread += 1;
        }
        let data = json!({
            "message_id": id, "index": index, "conversation_id": chat, "type": kind, "content": content,
            "create_time": create_time, "is_visible": is_visible,
            "sender": { "im_user_id": im_user_id, "role": role },
        });
        let body = webhooks::body(self, &shop, 14, &data, now);
        self.told.push(body);
        id
    }

    /// Keeps a file; answers its path.
    pub fn keep(&mut self, bytes: Bytes) -> String {
        let path = format!("/files/{}", self.fresh());
        self.files.insert(path.clone(), bytes);
        path
    }

    /// Whether a shop may be called once more now, at `limit` calls in any second.
    pub fn admits(&mut self, shop: &str, limit: usize, now: Instant) -> bool {
        let calls = &mut self.shop(shop).calls;
        while calls.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
            calls.pop_front();
        }
        let admits = calls.len() < limit;
        if admits {
            calls.push_back(now);
        }
        admits
    }
}
