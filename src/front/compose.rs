//! What a client says when it sends: read, checked, and made into what the store accepts.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use channel::{Channel, ContentProblem};
use model::{
    Account, AccountId, ContactId, Content, ConversationId, MessageId, Origin, Purpose, TemplateId, Timestamp,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::{NewMessage, Recipient, StoreError};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::problem::{Kind, Problem};
use crate::rendering::{Draft, Templates};
use crate::{Front, content, schema};

/// The realtime connection that a request comes from.
pub(crate) const CONNECTION_HEADER: &str = "x-socket-id";
/// The field that names a template.
const TEMPLATE: &str = "template_id";
/// Longest `client_id`, `thread` and address.
const WORD_MAX: usize = 255;

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessage {
    /// The account to send from.
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    /// Who it is for.
    to: To,
    /// What it says; this or `template_id`.
    #[schema(value_type = Option<schema::Content>)]
    content: Option<Value>,
    /// The template it is made of.
    #[schema(value_type = Option<Uuid>)]
    template_id: Option<TemplateId>,
    /// Values for `{{ variables }}`. With them (`{}` will do) the text or caption of `content` is rendered as a template is;
    /// without them it is sent as it stands, braces and all. `contact.name` (where it is known), `contact.address` and
    /// `account.name` are there by themselves.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
    /// What it is for; `transactional` if not given.
    #[schema(value_type = Option<schema::Purpose>)]
    purpose: Option<Purpose>,
    /// What makes it: `agent` for a person at a frontend, else `api`, which it is if not given. A number that is being
    /// warmed up lets persons write first.
    #[schema(value_type = Option<schema::Origin>)]
    origin: Option<Origin>,
    /// The message it answers; of the same conversation.
    #[schema(value_type = Option<Uuid>)]
    reply_to: Option<MessageId>,
    /// Your own id of it, given back in answers and events; at most 255 characters.
    client_id: Option<String>,
    /// When to send it; at once if not given or past.
    #[schema(value_type = Option<schema::Timestamp>)]
    send_at: Option<Timestamp>,
}

/// Who a message is for: exactly one of `conversation_id`, `contact_id` and `address`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct To {
    /// A conversation of the account.
    #[schema(value_type = Option<Uuid>)]
    conversation_id: Option<ConversationId>,
    /// A contact that the account knows.
    #[schema(value_type = Option<Uuid>)]
    contact_id: Option<ContactId>,
    /// An address at the provider; contact and conversation are made if need be.
    address: Option<String>,
    /// A thread or topic within the chat.
    thread: Option<String>,
}

impl To {
    fn recipient(&self) -> Result<Recipient, Problem> {
        match (self.conversation_id, self.contact_id, &self.address) {
            (Some(id), None, None) => Ok(Recipient::Conversation(id)),
            (None, Some(id), None) => Ok(Recipient::Contact(id)),
            (None, None, Some(address)) => Ok(Recipient::Address(address.trim().to_owned())),
            _ => Err(Problem::field(
                "to",
                "invalid",
                "give exactly one of `conversation_id`, `contact_id` and `address`",
            )),
        }
    }
}

impl SendMessage {
    fn check(&self) -> Result<(), Problem> {
        let mut problem = Problem::new(Kind::Validation);
        for (field, word) in
            [("to.address", &self.to.address), ("to.thread", &self.to.thread), ("client_id", &self.client_id)]
        {
            if word.as_ref().is_some_and(|word| word.trim().is_empty() || word.chars().count() > WORD_MAX) {
                problem = problem.and(field, "invalid", format!("1 to {WORD_MAX} characters"));
            }
        }
        if self.origin.is_some_and(|origin| !matches!(origin, Origin::Agent | Origin::Api)) {
            problem = problem.and("origin", "invalid", "`agent` or `api`; the others are this service's own");
        }
        problem.or_ok()
    }
}

impl From<ContentProblem> for Problem {
    fn from(problem: ContentProblem) -> Self {
        Self::field(format!("content.{}", problem.field), problem.code, problem.message)
    }
}

/// The accounts that a request sends from and the templates that it uses, each looked up once.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    accounts: HashMap<AccountId, Result<Sender, Problem>>,
    templates: Templates,
}

/// An account, and the network that it is on.
type Sender = (Account, Arc<dyn Channel>);

impl Senders {
    /// An account that the caller sees.
    pub(crate) async fn get(
        &mut self,
        front: &Front,
        caller: &Caller,
        id: AccountId,
    ) -> Result<Sender, Problem> {
        if let Some(known) = self.accounts.get(&id) {
            return known.clone();
        }
        let sender = front.sender(caller, id).await;
        self.accounts.insert(id, sender.clone());
        sender
    }
}

impl Front {
    async fn sender(&self, caller: &Caller, id: AccountId) -> Result<Sender, Problem> {
        let unknown = || Problem::field("account_id", "not_found", "there is no such account");
        if !caller.sees(id) {
            return Err(unknown());
        }
        let account = match self.store.account(caller.workspace, id).await {
            Err(StoreError::NotFound(_)) => return Err(unknown()),
            account => account?,
        };
        let channel = self.channels.get(&account.channel).cloned().ok_or_else(|| {
            Problem::field("account_id", "unsupported", "its channel is switched off in this installation")
        })?;
        Ok((account, channel))
    }

    /// Makes what the client says into what the store accepts, or names what is not right.
    pub(crate) async fn compose(
        &self,
        caller: &Caller,
        senders: &mut Senders,
        body: SendMessage,
        connection: Option<String>,
    ) -> Result<NewMessage, Problem> {
        body.check()?;
        let recipient = body.to.recipient()?;
        let said = body.content.as_ref().map(|said| content::parse("content", said)).transpose()?;
        let (account, channel) = senders.get(self, caller, body.account_id).await?;
        let id: MessageId = self.ids.id(self.clock.now());
        let draft = Draft { account: &account, recipient: &recipient, id: id.0 };
        let mut said = match (said, body.template_id) {
            (Some(said), None) => {
                let said = self.with_variables(caller, &draft, said, body.variables).await?;
                channel.check(&said)?;
                said
            }
            (None, Some(template)) => {
                let template = senders.templates.get(self, caller, template).await?;
                let given = body.variables.unwrap_or_default();
                let text = template.text_for(&account.channel);
                let said = Content::text(self.render(caller, &draft, TEMPLATE, text, given).await?);
                let told = |problem: ContentProblem| Problem::field(TEMPLATE, problem.code, problem.message);
                channel.check(&said).map_err(told)?;
                said
            }
            (Some(_), Some(_)) => {
                return Err(Problem::field(TEMPLATE, "invalid", "give `content` or `template_id`, not both"));
            }
            (None, None) => {
                return Err(Problem::field("content", "required", "give `content` or `template_id`"));
            }
        };
        self.check_media(caller, channel.as_ref(), &mut said).await?;
        if body.reply_to.is_some() && !channel.capabilities().replies {
            return Err(Problem::field("reply_to", "unsupported", "this channel has no replies"));
        }
        let origin = body.origin.unwrap_or(Origin::Api);
        self.check_window(&account, channel.as_ref(), &recipient, &said, origin, body.send_at).await?;
        Ok(NewMessage {
            id: Some(id),
            account_id: account.id,
            channel: account.channel,
            recipient,
            content: said,
            purpose: body.purpose.unwrap_or(Purpose::Transactional),
            origin,
            actor: caller.actor(),
            client_id: body.client_id,
            connection,
            thread: body.to.thread,
            reply_to: body.reply_to,
            send_at: body.send_at,
        })
    }
}

/// The realtime connection that a request names.
pub(crate) fn connection(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONNECTION_HEADER)?.to_str().ok()?;
    (1..=WORD_MAX).contains(&value.len()).then(|| value.to_owned())
}
