//! Messenger and Instagram's messaging as far as a business sees them, on the Graph API of [`super::meta`], written from
//! Meta's documentation: pages and the accounts that are tied to them, messages with their limits, uploads, templates, the
//! window of 24 hours and the tag of 7 days, sender actions, and the webhooks' bodies.
//!
//! Left out: what a template looks like beyond its envelope, private replies to posts, and what people see.

#[cfg(test)]
mod adapter;
mod attachments;
mod business;
mod messages;
mod state;
pub mod webhooks;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

pub use state::{Kind, Message, Person, Window};

use super::meta::{App, Call, Core, Grant, Meta, Product, Refusal, Reply};
use state::{Page, State};

/// What answers beyond the Graph API's core.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Product for Shared {
    fn answer(&self, core: &Core, call: &Call, grant: &Grant) -> Reply {
        let fresh = core.fresh();
        self.with(|state| match (call.method.as_str(), call.parts().as_slice()) {
            ("GET", ["me"]) => Ok(business::me(state, call, grant)),
            ("GET", ["me", "accounts"]) => business::accounts(state, call, grant),
            ("GET", [page, "message_templates"]) => business::templates(state, page, call, grant),
            ("POST", [node, "subscribed_apps"]) => business::subscribe(state, node, call, grant),
            ("POST", [node, "messenger_profile"]) => business::profile(state, node, call, grant),
            ("POST", [node, "message_attachments"]) => attachments::upload(state, node, call, grant, fresh),
            ("POST", [node, "messages"]) => messages::post(state, node, call, grant, fresh, Instant::now()),
            (_, path) => Err(Refusal::unknown(path.first().copied().unwrap_or_default())),
        })
    }
}

/// A running simulator with one page, and one account of Instagram's that is tied to it. Ends with the value.
#[derive(Debug)]
pub struct Pages {
    /// The Graph API under it.
    pub meta: Meta,
    shared: Arc<Shared>,
    /// The app that was let in.
    pub app: App,
    /// The page's id.
    pub page: String,
    /// The id of Instagram's account.
    pub account: String,
    /// What the tests are about.
    pub kind: Kind,
    /// A token for that.
    pub token: String,
}

impl Pages {
    /// Starts one, in whose limits a second lasts so long; without, they are not enforced.
    pub async fn start(kind: Kind, second: Option<Duration>) -> Self {
        let shared = Arc::new(Shared { state: Mutex::new(State::new(kind, second)) });
        let meta = Meta::start(Arc::clone(&shared) as Arc<dyn Product>).await;
        let app = meta.core.app();
        let mut pages = Self {
            meta,
            shared,
            app,
            page: String::new(),
            account: String::new(),
            kind,
            token: String::new(),
        };
        (pages.page, pages.account) = pages.add_page("Jasper's Market");
        pages.token = match kind {
            Kind::InstagramLogin => pages.account_token(),
            Kind::Messenger | Kind::Instagram => pages.page_token(&pages.page.clone()),
        };
        pages
    }

    /// Adds a page with an account of Instagram's; answers their ids.
    pub fn add_page(&self, name: &str) -> (String, String) {
        let core = &self.meta.core;
        let (id, account) = (core.fresh().to_string(), core.fresh().to_string());
        let token = self.page_token(&id);
        let page = Page { name: name.to_owned(), token, account: account.clone() };
        self.shared.with(|state| state.pages.insert(id.clone(), page));
        (id, account)
    }

    fn page_token(&self, page: &str) -> String {
        let own: &[&str] = &[page];
        let scopes = [
            ("pages_messaging", own),
            ("pages_manage_metadata", own),
            ("pages_utility_messaging", own),
            ("instagram_manage_messages", own),
        ];
        self.meta.core.token(&self.app, &scopes)
    }

    fn account_token(&self) -> String {
        let own: &[&str] = &[&self.account];
        let scopes = [("instagram_business_basic", own), ("instagram_business_manage_messages", own)];
        self.meta.core.token(&self.app, &scopes)
    }

    /// The token of a person who has these pages.
    pub fn person_token(&self) -> String {
        self.meta.core.token(&self.app, &[("pages_show_list", &["*"])])
    }

    /// What webhooks of this are about, and whose they are: `object` and the id of the entry.
    pub fn owner(&self) -> (&'static str, &str) {
        match self.kind {
            Kind::Messenger => ("page", &self.page),
            Kind::Instagram | Kind::InstagramLogin => ("instagram", &self.account),
        }
    }

    /// Somebody who wrote within the last 24 hours.
    pub fn person(&self, id: &str) {
        self.set_person(id, Person::default());
    }

    /// Somebody as the test likes.
    pub fn set_person(&self, id: &str, person: Person) {
        self.shared.with(|state| state.people.insert(id.to_owned(), person));
    }

    /// A message that a person wrote, so that it can be answered.
    pub fn wrote(&self, id: &str) {
        self.shared.with(|state| state.received.push(id.to_owned()));
    }

    /// The message that was taken as `id`.
    pub fn message(&self, id: &str) -> Option<Message> {
        self.shared.with(|state| state.messages.iter().find(|message| message.id == id).cloned())
    }

    /// The sender actions so far, each as it was asked for.
    pub fn actions(&self) -> Vec<Value> {
        self.shared.with(|state| state.actions.clone())
    }

    /// What a page or account has the app told of.
    pub fn subscribed(&self, node: &str) -> Option<String> {
        self.shared.with(|state| state.subscribed.get(node).cloned())
    }

    /// What a page or account shows beside conversations.
    pub fn profile(&self, node: &str) -> Option<Value> {
        self.shared.with(|state| state.profiles.get(node).cloned())
    }

    /// The bytes of an uploaded file.
    pub fn file(&self, id: &str) -> Option<bytes::Bytes> {
        self.shared.with(|state| state.attachments.get(id).map(|file| file.bytes.clone()))
    }
}
