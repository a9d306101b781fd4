//! Why a message is not out yet, and when it will be: every wait has a reason and a time.

use std::time::Duration;

use model::{Account, Connection, HoldReach, Job, Message, MessageId, Scope, Sending, Status, Timestamp, Wait};
use queue::{JobPlace, LaneId};
use store::StoreError;

use crate::Front;
use crate::problem::Problem;

/// The sweep finds a lost push within this.
const SWEEP: Duration = Duration::from_secs(10);

/// What a message waits for.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The reason that ends last; none when it waits for nothing (any more).
    pub(crate) wait: Option<Wait>,
    /// When it is expected to leave, by what is known now.
    pub(crate) expected_at: Option<Timestamp>,
}

fn wait(rule: impl Into<String>, scope: Scope, until: Option<Timestamp>, detail: Option<String>) -> Wait {
    Wait { rule: rule.into(), scope, until, detail }
}

impl Front {
    /// What an outgoing message waits for now.
    pub(crate) async fn waiting(&self, message: &Message) -> Result<Waiting, Problem> {
        if !matches!(message.status, Status::Scheduled | Status::Queued) {
            return Ok(Waiting::default());
        }
        let now = self.clock.now();
        if let (Status::Scheduled, Some(at)) = (message.status, message.send_at) {
            let detail = Some("it was asked to be sent then".to_owned());
            return Ok(Waiting {
                wait: Some(wait("scheduled", Scope::Job, Some(at), detail)),
                expected_at: Some(at),
            });
        }
        let account = match self.store.account(message.workspace_id, message.account_id).await {
            Err(StoreError::NotFound(_)) => return Ok(Waiting::default()),
            account => account?,
        };
        if let Some(stop) = stopped(&account, now) {
            return Ok(Waiting { expected_at: stop.until, wait: Some(stop) });
        }
        let mut behind = 0;
        let mut waits = Vec::new();
        if let (Some(until), rule) = (message.next_attempt_at.filter(|at| *at > now), "retry") {
            let detail = Some("the provider did not take it last time".to_owned());
            waits.push(wait(rule, Scope::Job, Some(until), detail));
        }
        let conversation = self.store.conversation(message.workspace_id, message.conversation_id).await?;
        if let Some(until) = conversation.held_until.filter(|until| *until > now) {
            let rule = conversation.held_rule.clone().unwrap_or_else(|| "provider".to_owned());
            waits.push(wait(rule, Scope::Recipient, Some(until), None));
        }
        match self.place(message.id, &account).await {
            Some(JobPlace::Waiting { held: Some(held), .. }) if held.until.is_none() => {
                return Ok(Waiting { wait: Some(held), expected_at: None });
            }
            Some(JobPlace::Waiting { behind: before, held }) => {
                behind = before;
                waits.extend(held);
                if before > 0 {
                    let detail = Some(format!("{before} messages of its conversation go first"));
                    waits.push(wait("order", Scope::Job, None, detail));
                }
            }
            Some(JobPlace::Future { ready_at }) => {
                waits.push(wait("retry", Scope::Job, Some(ready_at), None));
            }
            Some(JobPlace::Absent) => {
                let detail = Some("the queue does not hold it (yet); the sweep pushes it again".to_owned());
                waits.push(wait("queue", Scope::Job, Some(now + SWEEP), detail));
            }
            Some(JobPlace::Claimed { .. }) | None => {}
        }
        // The wait that ends last decides; one without an end only when there is no other.
        let wait = waits.into_iter().max_by_key(|wait| wait.until);
        let after = wait.as_ref().and_then(|wait| wait.until).unwrap_or(now).max(now);
        let expected_at =
            self.expected(&account, message, conversation.last_inbound_at, after, behind).await?;
        let wait = wait.or_else(|| {
            let detail = Some("it is its lane's turn next, as the account's pace allows".to_owned());
            Some(self::wait("turn", Scope::Lane, Some(expected_at), detail))
        });
        Ok(Waiting { wait, expected_at: Some(expected_at) })
    }

    async fn place(&self, message: MessageId, account: &Account) -> Option<JobPlace> {
        let job = Job::SendMessage(message).into();
        match self.lanes.find(job, LaneId::send(account.id)).await {
            Ok(place) => Some(place),
            Err(error) => {
                tracing::warn!(%error, "the queue cannot say where a message is");
                None
            }
        }
    }

    async fn expected(
        &self,
        account: &Account,
        message: &Message,
        last_inbound: Option<Timestamp>,
        after: Timestamp,
        behind: usize,
    ) -> Result<Timestamp, Problem> {
        let now = self.clock.now();
        let ahead = self.store.sends_ahead(message).await?;
        let pace = self.pace_of(account).await?;
        let behind = u32::try_from(behind).unwrap_or(u32::MAX);
        Ok(pace.foresee(message.purpose.pace(last_inbound, now), after, now, ahead, behind))
    }
}

/// The stop or hold of the whole account.
pub(crate) fn stopped(account: &Account, now: Timestamp) -> Option<Wait> {
    let reason = account.sending_reason.clone();
    match account.sending {
        Sending::Paused => {
            let detail =
                reason.or_else(|| Some("a person paused the account; a person resumes it".to_owned()));
            Some(wait("paused", Scope::Lane, None, detail))
        }
        Sending::Stopped if account.sending_until.is_none_or(|until| until > now) => {
            Some(wait("stopped", Scope::Lane, account.sending_until, reason))
        }
        Sending::Stopped | Sending::Active if account.connection != Connection::Connected => {
            let detail = account.connection_detail.clone();
            Some(wait("disconnected", Scope::Lane, None, detail))
        }
        Sending::Stopped | Sending::Active => {
            let hold = account.held(HoldReach::Account, now)?;
            Some(wait(hold.rule.clone(), Scope::Lane, Some(hold.until), hold.detail.clone()))
        }
    }
}
