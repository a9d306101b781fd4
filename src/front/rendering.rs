//! Texts of messages: from a template or with variables, rendered when the message is accepted, so that its row says what
//! is really sent.

use std::collections::HashMap;

use model::{Account, Content, Template, TemplateId};
use serde_json::{Map, Value, json};
use store::Recipient;
use templates::{Mistake, TemplateError};
use uuid::Uuid;

use crate::Front;
use crate::auth::Caller;
use crate::problem::Problem;

/// The templates that a request uses, each looked up once.
#[derive(Debug, Default)]
pub(crate) struct Templates(HashMap<TemplateId, Result<Template, Problem>>);

impl Templates {
    pub(crate) async fn get(
        &mut self,
        front: &Front,
        caller: &Caller,
        id: TemplateId,
    ) -> Result<Template, Problem> {
        if let Some(known) = self.0.get(&id) {
            return known.clone();
        }
        let template = front.store.template(caller.workspace, id).await.map_err(|error| {
            let problem = Problem::from(error);
            if problem.is_not_found() {
                Problem::field("template_id", "not_found", "there is no such template")
            } else {
                problem
            }
        });
        self.0.insert(id, template.clone());
        template
    }
}

/// What is wrong with a text at `field`, or with the variables given for it.
pub(crate) fn problem(field: &str, error: &TemplateError) -> Problem {
    match &error.mistake {
        Mistake::UnknownVariable { name, .. } => {
            Problem::field(format!("variables.{name}"), "required", error)
        }
        Mistake::Variables(_) => Problem::field("variables", "too_long", error),
        Mistake::Text(_) => Problem::field(field, "invalid", error),
    }
}

/// The same message always chooses the same alternatives. The half of an id that is its time and the half that is chance.
pub(crate) const fn seed(id: Uuid) -> u64 {
    let (time, chance) = id.as_u64_pair();
    time ^ chance
}

/// Adds what we know ourselves to what was given. What was given goes first: a caller may know better.
pub(crate) fn add(variables: &mut Map<String, Value>, name: &str, known: Value) {
    match (variables.get_mut(name), known) {
        (Some(Value::Object(given)), Value::Object(known)) => {
            for (name, value) in known {
                given.entry(name).or_insert(value);
            }
        }
        (Some(_), _) => {}
        (None, known) => drop(variables.insert(name.to_owned(), known)),
    }
}

/// What a text becomes a message of.
pub(crate) struct Draft<'a> {
    pub(crate) account: &'a Account,
    pub(crate) recipient: &'a Recipient,
    /// The message's id, which chooses among alternatives.
    pub(crate) id: Uuid,
}

impl Front {
    /// Renders a text, which the request has at `field`, with the variables given and those that we know: `contact.name`,
    /// `contact.address`, `account.name`.
    pub(crate) async fn render(
        &self,
        caller: &Caller,
        draft: &Draft<'_>,
        field: &str,
        text: &str,
        mut given: Map<String, Value>,
    ) -> Result<String, Problem> {
        let Draft { account, recipient, id } = *draft;
        add(&mut given, "account", json!({"name": account.name}));
        if text.contains("contact") {
            let known = self.store.addressee(caller.workspace, account.id, recipient).await?;
            let contact = match (known, recipient) {
                (Some(known), _) => json!({"name": known.name, "address": known.address}),
                (None, Recipient::Address(address)) => json!({"address": address}),
                // It is refused when it is to be written.
                (None, _) => json!({}),
            };
            add(&mut given, "contact", contact);
        }
        let rendered = templates::render(text, &given, seed(id)).map_err(|error| problem(field, &error))?;
        Ok(rendered.text)
    }

    /// The content with its text or caption rendered; as it is, without variables.
    pub(crate) async fn with_variables(
        &self,
        caller: &Caller,
        draft: &Draft<'_>,
        mut said: Content,
        given: Option<Map<String, Value>>,
    ) -> Result<Content, Problem> {
        let Some(given) = given else { return Ok(said) };
        let (field, text) = words(&mut said).ok_or_else(|| {
            Problem::field("variables", "unsupported", "this content has no text and no caption")
        })?;
        *text = self.render(caller, draft, field, text, given).await?;
        Ok(said)
    }
}

/// The words of a content that can be rendered, and where a request has them.
fn words(content: &mut Content) -> Option<(&'static str, &mut String)> {
    match content {
        Content::Text { text, .. } => Some(("content.text", text)),
        Content::Image { caption, .. }
        | Content::Video { caption, .. }
        | Content::Audio { caption, .. }
        | Content::Document { caption, .. } => caption.as_mut().map(|caption| ("content.caption", caption)),
        _ => None,
    }
}
