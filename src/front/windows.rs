//! The time in which a provider lets one answer: what people are told of it, and messages that cannot leave any more.

use std::collections::HashMap;

use channel::{Channel, Window};
use model::{Account, AccountId, Content, Conversation, Origin, Timestamp};
use serde::Serialize;
use store::{Recipient, StoreError};

use crate::Front;
use crate::auth::Caller;
use crate::problem::Problem;

/// Whether one may write to a conversation now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CanSend {
    allowed: bool,
    until: Option<Timestamp>,
    reason: Option<&'static str>,
    template_required: bool,
}

/// A conversation as it is answered.
#[derive(Debug, Serialize)]
pub(crate) struct ConversationView {
    #[serde(flatten)]
    conversation: Conversation,
    can_send: CanSend,
}

impl CanSend {
    /// Without a window: always.
    const ALWAYS: Self = Self { allowed: true, until: None, reason: None, template_required: false };

    fn at(window: &Window, wrote_at: Option<Timestamp>, now: Timestamp) -> Self {
        let Some(wrote_at) = wrote_at else {
            // The other side may have written before this service was told of it.
            return Self { reason: Some("unknown"), ..Self::ALWAYS };
        };
        let open = |by_person| Some(window.closes(wrote_at, by_person)).filter(|closes| *closes > now);
        match (open(false), open(true)) {
            (until @ Some(_), _) => Self { until, ..Self::ALWAYS },
            (None, until @ Some(_)) => Self { until, reason: Some("person_only"), ..Self::ALWAYS },
            (None, None) => Self {
                allowed: false,
                until: None,
                reason: Some("window_closed"),
                template_required: window.templates_after,
            },
        }
    }
}

impl Front {
    /// Conversations of a workspace as they are answered, in their order.
    pub(crate) async fn conversation_views(
        &self,
        caller: &Caller,
        conversations: Vec<Conversation>,
    ) -> Result<Vec<ConversationView>, Problem> {
        let now = self.clock.now();
        let mut windows: HashMap<AccountId, Option<Window>> = HashMap::new();
        let any = self.channels.iter().any(|channel| channel.capabilities().window.is_some());
        let mut views = Vec::with_capacity(conversations.len());
        for conversation in conversations {
            let id = conversation.account_id;
            if any && !windows.contains_key(&id) {
                let account = match self.store.account(caller.workspace, id).await {
                    // Its history stays.
                    Err(StoreError::NotFound(_)) => None,
                    account => Some(account?),
                };
                let channel = account.and_then(|account| self.channels.get(&account.channel));
                windows.insert(id, channel.and_then(|channel| channel.capabilities().window.clone()));
            }
            let window = windows.get(&id).and_then(Option::as_ref);
            let can_send = window
                .map_or(CanSend::ALWAYS, |window| CanSend::at(window, conversation.last_inbound_at, now));
            views.push(ConversationView { conversation, can_send });
        }
        Ok(views)
    }

    /// The same of one.
    pub(crate) async fn conversation_view(
        &self,
        caller: &Caller,
        conversation: Conversation,
    ) -> Result<ConversationView, Problem> {
        let mut views = self.conversation_views(caller, vec![conversation]).await?;
        views.pop().ok_or_else(|| Problem::not_found("conversation"))
    }

    /// Refuses what the provider would refuse, because its window is closed. What is scheduled is judged when its time has come.
    pub(crate) async fn check_window(
        &self,
        account: &Account,
        channel: &dyn Channel,
        to: &Recipient,
        said: &Content,
        origin: Origin,
        send_at: Option<Timestamp>,
    ) -> Result<(), Problem> {
        let Some(window) = &channel.capabilities().window else { return Ok(()) };
        let now = self.clock.now();
        if window.admits_after(said) || send_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        let way_out = if window.templates_after {
            "send a template of the provider (content of type `provider_template`) instead"
        } else {
            "wait until they write"
        };
        let message = match self.store.last_inbound(account.workspace_id, account.id, to).await? {
            None => {
                format!("they never wrote to this account, so the provider takes no such message: {way_out}")
            }
            // Nobody here knows what was before: the provider does.
            Some(None) => return Ok(()),
            Some(Some(wrote_at)) => {
                let closed = window.closes(wrote_at, origin == Origin::Agent);
                if closed > now {
                    return Ok(());
                }
                format!(
                    "they last wrote at {wrote_at}, and the provider's window closed at {closed}: {way_out}"
                )
            }
        };
        Err(Problem::field("to", "window_closed", message))
    }
}
