//! WhatsApp's Cloud API as far as a business sees it, on the Graph API of [`super::meta`], written from Meta's
//! documentation: numbers of a business, messages of every kind with their limits, files in two steps, templates, the
//! 24-hour window, the limits of a number and of a pair, and the webhooks' bodies.
//!
//! Left out: flows and catalogs beyond their envelope, groups' administration, calls, and Meta's own question to a
//! webhook's address ([`Cloud::callback_answers`] says how it ends).

#[cfg(test)]
mod adapter;
mod business;
mod interactive;
mod limits;
mod media;
mod messages;
mod state;
pub mod webhooks;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::time::Instant;

pub use state::{Message, Person, Template};

use super::meta::{App, Call, Core, Grant, Meta, Product, Refusal, Reply};
use state::{Number, State};

/// How strict the simulator is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether to refuse what goes over the limits.
    pub enforce_limits: bool,
    /// Divides the windows of the limits, so that a test need not last a minute.
    pub time_scale: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { enforce_limits: true, time_scale: 1.0 }
    }
}

/// What answers beyond the Graph API's core.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    options: Options,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Product for Shared {
    fn answer(&self, core: &Core, call: &Call, grant: &Grant) -> Reply {
        let fresh = core.fresh();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        match (call.method.as_str(), call.parts().as_slice()) {
            ("GET", [business, "phone_numbers"]) => business::numbers(state, business, call, grant),
            ("POST", [business, "subscribed_apps"]) => business::subscribe(state, business, grant),
            ("GET", [business, "message_templates"]) => business::templates(state, business, call, grant),
            ("POST", [number, "register"]) => business::register(state, number, call, grant),
            ("POST", [number, "media"]) => media::upload(state, number, call, grant, fresh),
            ("POST", [number, "messages"]) => {
                let at = Instant::now();
                messages::post(state, number, call, grant, fresh, at, self.options)
            }
            ("POST", [number]) => business::configure(state, number, call, grant),
            ("GET", [id]) if state.media.contains_key(*id) => media::locate(state, core, id, call, grant),
            ("GET", [id]) => business::number(state, id, grant),
            (_, path) => Err(Refusal::unknown(path.first().copied().unwrap_or_default())),
        }
    }
}

/// A running simulator with one business and one number. Ends with the value.
#[derive(Debug)]
pub struct Cloud {
    /// The Graph API under it.
    pub meta: Meta,
    shared: Arc<Shared>,
    /// The app that the business let in.
    pub app: App,
    /// The id of the WhatsApp Business Account.
    pub business: String,
    /// The id of its number.
    pub number: String,
    /// A token for both.
    pub token: String,
}

impl Cloud {
    /// Starts one.
    pub async fn start(options: Options) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), options });
        let meta = Meta::start(Arc::clone(&shared) as Arc<dyn Product>).await;
        let app = meta.core.app();
        let business = meta.core.fresh().to_string();
        let (number, token) = (String::new(), meta.core.token(&app, &grants(&[&business])));
        let mut cloud = Self { meta, shared, app, business, number, token };
        cloud.number = cloud.add_number("15550783881", "Jasper's Market");
        cloud
    }

    /// Adds a number to the business; answers its id.
    pub fn add_number(&self, phone: &str, name: &str) -> String {
        let id = self.meta.core.fresh().to_string();
        let number = Number::new(&self.business, phone, name);
        self.shared.with(|state| state.numbers.insert(id.clone(), number));
        id
    }

    /// Makes the number one that is used nowhere yet.
    pub fn unregister(&self) {
        self.shared.with(|state| state.number(&self.number).registered = false);
    }

    /// A token for other businesses than this one.
    pub fn foreign_token(&self) -> String {
        self.meta.core.token(&self.app, &grants(&["1"]))
    }

    /// Somebody who wrote within the last 24 hours; `id` is a phone number's digits, a BSUID or a group's id.
    pub fn person(&self, id: &str) {
        self.set_person(id, Person { window_open: true, ..Person::default() });
    }

    /// Somebody as the test likes.
    pub fn set_person(&self, id: &str, person: Person) {
        self.shared.with(|state| state.number(&self.number).people.insert(id.to_owned(), person));
    }

    /// A message that a person wrote, so that it can be marked as seen; answers its id.
    pub fn wrote(&self, from: &str) -> String {
        let id = format!("wamid.in{}", self.meta.core.fresh());
        self.shared.with(|state| state.number(&self.number).received.push((id.clone(), from.to_owned())));
        id
    }

    /// Adds a template.
    pub fn template(&self, template: Template) {
        self.shared.with(|state| state.templates.push(template));
    }

    /// Whether Meta gets its answer when it asks an address that it shall deliver to.
    pub fn callback_answers(&self, answers: bool) {
        self.shared.with(|state| state.callback_answers = answers);
    }

    /// Where a number's events go, if it has an address of its own: the address and the word.
    pub fn callback(&self) -> Option<(String, String)> {
        self.shared.with(|state| state.number(&self.number).callback.clone())
    }

    /// Whether the app is told of the business.
    pub fn is_subscribed(&self) -> bool {
        self.shared.with(|state| state.subscribed.contains(&self.business))
    }

    /// The messages that were taken, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.with(|state| state.number(&self.number).messages.clone())
    }

    /// The message that was taken as `id`.
    pub fn message(&self, id: &str) -> Option<Message> {
        self.messages().into_iter().find(|message| message.id == id)
    }

    /// What was marked as seen, each with whether typing was shown.
    pub fn seen(&self) -> Vec<(String, bool)> {
        self.shared.with(|state| state.number(&self.number).seen.clone())
    }

    /// The bytes of an uploaded file.
    pub fn file(&self, id: &str) -> Option<bytes::Bytes> {
        self.shared.with(|state| state.media.get(id).map(|file| file.bytes.clone()))
    }

    /// Puts a file there, as if a person had sent it; answers its id.
    pub fn received_file(&self, mime: &str, bytes: bytes::Bytes) -> String {
        let id = self.meta.core.fresh().to_string();
        let file = state::File { number: self.number.clone(), mime: mime.to_owned(), bytes };
        self.shared.with(|state| state.media.insert(id.clone(), file));
        id
    }

    /// From now on files are said to lie here, wherever that is.
    pub fn files_lie_at(&self, url: &str) {
        self.shared.with(|state| state.files_at = Some(url.to_owned()));
    }

    /// The `metadata` of the number's webhooks.
    pub fn metadata(&self) -> Value {
        let phone = self.shared.with(|state| state.number(&self.number).phone.clone());
        json!({ "display_phone_number": phone, "phone_number_id": self.number })
    }
}

fn grants<'a>(businesses: &'a [&'a str]) -> [(&'static str, &'a [&'a str]); 2] {
    [("whatsapp_business_management", businesses), ("whatsapp_business_messaging", businesses)]
}
