//! What a client says when it sends: read, checked, and made into what the store accepts.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use channel::{Channel, ContentProblem};
use model::{Account, AccountId, ContactId, Content, ConversationId, MessageId, Origin, Purpose, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use store::{NewMessage, Recipient, StoreError};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::problem::{Kind, Problem};
use crate::{Front, content, schema};

/// The realtime connection that a request comes from.
pub(crate) const CONNECTION_HEADER: &str = "x-socket-id";
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
    /// What it says.
    #[schema(value_type = schema::Content)]
    content: Value,
    /// What it is for; `transactional` if not given.
    #[schema(value_type = Option<schema::Purpose>)]
    purpose: Option<Purpose>,
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
        problem.or_ok()
    }
}

impl From<ContentProblem> for Problem {
    fn from(problem: ContentProblem) -> Self {
        Self::field(format!("content.{}", problem.field), problem.code, problem.message)
    }
}

/// The accounts that a request sends from, each looked up once.
#[derive(Debug, Default)]
pub(crate) struct Senders(HashMap<AccountId, Result<Sender, Problem>>);

/// An account, and the network that it is on.
type Sender = (Account, Arc<dyn Channel>);

impl Senders {
    async fn get(&mut self, front: &Front, caller: &Caller, id: AccountId) -> Result<Sender, Problem> {
        if let Some(known) = self.0.get(&id) {
            return known.clone();
        }
        let sender = front.sender(caller, id).await;
        self.0.insert(id, sender.clone());
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
        let mut said: Content = content::parse("content", &body.content)?;
        let (account, channel) = senders.get(self, caller, body.account_id).await?;
        channel.check(&said)?;
        self.check_media(caller, channel.as_ref(), &mut said).await?;
        if body.reply_to.is_some() && !channel.capabilities().replies {
            return Err(Problem::field("reply_to", "unsupported", "this channel has no replies"));
        }
        Ok(NewMessage {
            account_id: account.id,
            channel: account.channel,
            recipient,
            content: said,
            purpose: body.purpose.unwrap_or(Purpose::Transactional),
            origin: Origin::Api,
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
