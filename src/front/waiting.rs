//! Why a message is not out yet, and when it will be: every wait has a reason and a time.

use std::collections::HashMap;
use std::time::Duration;

use model::{
    Account, AccountId, Connection, HoldReach, Job, Message, MessageId, Pace, Purpose, Scope, Sending,
    Status, Timestamp, Wait, WorkspaceId,
};
use queue::{JobPlace, LaneId, Op, Outcome};
use serde_json::{Value, json};
use store::StoreError;

use crate::Front;
use crate::forecast::Forecast;
use crate::problem::Problem;

/// The sweep finds a lost push within this.
const SWEEP: Duration = Duration::from_secs(10);

/// What a message waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting {
    /// The reason that ends last; none when it waits for nothing (any more).
    pub(crate) wait: Option<Wait>,
    /// When it is expected to leave, by what is known now.
    pub(crate) expected_at: Option<Timestamp>,
}

fn wait(rule: impl Into<String>, scope: Scope, until: Option<Timestamp>, detail: Option<String>) -> Wait {
    Wait { rule: rule.into(), scope, until, detail }
}

/// A message as it is answered: with what it waits for.
pub(crate) fn with_wait(message: &Message, waiting: &Waiting) -> Value {
    let mut answer = json!(message);
    answer["waiting"] = json!(waiting.wait);
    answer["expected_at"] = json!(waiting.expected_at);
    answer
}

impl Front {
    /// Messages as a listing answers them: each with what it waits for.
    pub(crate) async fn with_waits(&self, messages: &[Message]) -> Result<Vec<Value>, Problem> {
        let waits = self.waits_of(&messages.iter().collect::<Vec<_>>()).await?;
        let none = Waiting::default();
        Ok(messages
            .iter()
            .map(|message| with_wait(message, waits.get(&message.id).unwrap_or(&none)))
            .collect())
    }

    /// What an outgoing message waits for now.
    pub(crate) async fn waiting(&self, message: &Message) -> Result<Waiting, Problem> {
        let mut all = self.waits_of(&[message]).await?;
        Ok(all.remove(&message.id).unwrap_or_default())
    }

    /// What each of these messages waits for now; those that do not wait are not among them.
    pub(crate) async fn waits_of(
        &self,
        messages: &[&Message],
    ) -> Result<HashMap<MessageId, Waiting>, Problem> {
        let mut all = HashMap::new();
        let mut lanes: HashMap<(WorkspaceId, AccountId), Vec<&Message>> = HashMap::new();
        for message in messages {
            if matches!(message.status, Status::Scheduled | Status::Queued) {
                lanes.entry((message.workspace_id, message.account_id)).or_default().push(message);
            }
        }
        for ((workspace, account), waiting) in lanes {
            let account = match self.store.account(workspace, account).await {
                Err(StoreError::NotFound(_)) => continue,
                account => account?,
            };
            let (scheduled, queued): (Vec<&Message>, Vec<&Message>) =
                waiting.into_iter().partition(|message| message.status == Status::Scheduled);
            let stop = self.stop_of(&account, self.clock.now()).await?;
            for message in scheduled {
                if let Some(at) = message.send_at {
                    let wait = Wait::new("scheduled", Scope::Job, at).because("it was asked to be sent then");
                    // Whoever is stopped by then does not send then, either.
                    let expected_at = match &stop {
                        None => Some(at),
                        Some(stop) => stop.until.map(|until| until.max(at)),
                    };
                    all.insert(message.id, Waiting { wait: Some(wait), expected_at });
                }
            }
            if !queued.is_empty() {
                self.waits_in_lane(&account, stop, &queued, &mut all).await?;
            }
        }
        Ok(all)
    }

    /// Why nothing of an account leaves now, whatever its rules say.
    async fn stop_of(&self, account: &Account, now: Timestamp) -> Result<Option<Wait>, Problem> {
        match stopped(account, now) {
            None => Ok(self.unserved(account).await?),
            stop => Ok(stop),
        }
    }

    async fn waits_in_lane(
        &self,
        account: &Account,
        stop: Option<Wait>,
        queued: &[&Message],
        all: &mut HashMap<MessageId, Waiting>,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        if let Some(stop) = stop.as_ref().filter(|stop| stop.until.is_none()) {
            let waiting = Waiting { wait: Some(stop.clone()), expected_at: None };
            all.extend(queued.iter().map(|message| (message.id, waiting.clone())));
            return Ok(());
        }
        let wanted: Vec<_> = queued.iter().map(|message| message.id).collect();
        let forecast = self.forecast(account, &wanted).await?;
        let places = self.places(account, &wanted).await;
        for (message, place) in queued.iter().zip(places) {
            if forecast.has_left(message.id) {
                continue;
            }
            let known = Known { stop: stop.as_ref(), place, now };
            all.insert(message.id, self.wait_of(account, message, &forecast, known).await?);
        }
        Ok(())
    }

    async fn wait_of(
        &self,
        account: &Account,
        message: &Message,
        forecast: &Forecast,
        known: Known<'_>,
    ) -> Result<Waiting, Problem> {
        let now = known.now;
        let outlook = forecast.outlook(message.id).cloned().unwrap_or_default();
        let mut waits: Vec<Wait> = known.stop.cloned().into_iter().chain(outlook.wait).collect();
        match known.place {
            Some(JobPlace::Waiting { held: Some(held), .. }) if held.until.is_none() => {
                return Ok(Waiting { wait: Some(held), expected_at: None });
            }
            // The play was told of what holds the lane; what it is the queue says.
            Some(JobPlace::Waiting { held, .. }) => waits.extend(held),
            Some(JobPlace::Future { ready_at }) => waits.push(Wait::new("retry", Scope::Job, ready_at)),
            Some(JobPlace::Absent) if !outlook.is_granted => {
                let detail = "the queue does not hold it (yet); the sweep pushes it again";
                waits.push(Wait::new("queue", Scope::Job, now + SWEEP).because(detail));
            }
            _ => {}
        }
        if let Some(until) = message.next_attempt_at.filter(|at| *at > now) {
            let detail = "the provider did not take it last time";
            waits.push(Wait::new("retry", Scope::Job, until).because(detail));
        }
        let conversation = self.store.conversation(message.workspace_id, message.conversation_id).await?;
        if let Some(until) = conversation.held_until.filter(|until| *until > now) {
            let rule = conversation.held_rule.unwrap_or_else(|| "provider".to_owned());
            waits.push(
                Wait::new(rule, Scope::Recipient, until).because("the provider takes nothing for this chat"),
            );
        }
        waits.extend(part_held(account, message, conversation.last_inbound_at, now));
        let foreseen = outlook.expected_at.is_some();
        let (ahead, expected_at, reason) = if foreseen {
            (outlook.ahead, outlook.expected_at, outlook.reason)
        } else {
            let ahead = self.store.sends_ahead(message).await?;
            (u64::from(ahead), forecast.beyond(ahead), forecast.most())
        };
        if let Some((rule, reason)) = outlook.refused {
            let wait =
                Wait::new(rule, Scope::Job, expected_at).because(format!("it will be skipped: {reason}"));
            return Ok(Waiting { wait: Some(wait), expected_at });
        }
        // The wait that ends last decides, unless others go first even then.
        let longest = waits.iter().max_by_key(|wait| wait.until);
        let wait = match longest {
            Some(wait) if ahead == 0 || expected_at.is_none() || wait.until >= expected_at => {
                // A rule lets it go when its call may begin: it is typed towards that.
                let until = if forecast.is_rule(wait) { wait.until.max(expected_at) } else { wait.until };
                Wait { until, ..wait.clone() }
            }
            Some(_) | None => {
                let place = match ahead {
                    _ if outlook.is_granted => "A worker has it and calls the provider then.".to_owned(),
                    0 if foreseen => "It goes next.".to_owned(),
                    0 => "Nobody can say yet when it goes.".to_owned(),
                    1 => "1 message of the account goes before it.".to_owned(),
                    ahead => format!("{ahead} messages of the account go before it."),
                };
                behind(&waits, reason.as_deref(), &place, expected_at)
            }
        };
        let expected_at = expected_at.max(wait.until);
        Ok(Waiting { wait: Some(wait), expected_at })
    }

    /// Where messages are in their account's lane; none where the queue does not say.
    async fn places(&self, account: &Account, messages: &[MessageId]) -> Vec<Option<JobPlace>> {
        let lane = LaneId::send(account.id);
        let find = |id: &MessageId| Op::Find { job: Job::SendMessage(*id).into(), lane: lane.clone() };
        match self.lanes.apply(messages.iter().map(find).collect()).await {
            Ok(answers) => {
                let place = |answer| if let Outcome::Place(place) = answer { Some(place) } else { None };
                answers.into_iter().map(place).collect()
            }
            Err(error) => {
                tracing::warn!(%error, "the queue cannot say where messages are");
                vec![None; messages.len()]
            }
        }
    }
}

/// The wait of a message that stands behind others: for the rule that holds it or them, of which one of its own waits may say
/// more.
fn behind(waits: &[Wait], reason: Option<&Wait>, place: &str, until: Option<Timestamp>) -> Wait {
    let Some(reason) = reason else {
        return Wait::new("turn", Scope::Lane, until).because(place);
    };
    let same = waits.iter().filter(|wait| wait.rule == reason.rule);
    let words = same.chain([reason]).find_map(|wait| wait.detail.as_deref());
    let detail = words.map_or_else(
        || place.to_owned(),
        |words| {
            let stop = if words.ends_with('.') { "" } else { "." };
            format!("{words}{stop} {place}")
        },
    );
    Wait::new(reason.rule.as_str(), reason.scope, until).because(detail)
}

/// What is known of a message's wait besides its forecast.
struct Known<'a> {
    /// What stops the whole account until a time.
    stop: Option<&'a Wait>,
    place: Option<JobPlace>,
    now: Timestamp,
}

/// What holds messages like this one back, but not the whole account.
fn part_held(
    account: &Account,
    message: &Message,
    last_inbound_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Wait> {
    let is_bulk = message.purpose.pace(last_inbound_at, now) == Pace::Bulk;
    let bulk = account.held(HoldReach::Bulk, now).filter(|_| is_bulk);
    let campaigns = account.held(HoldReach::Campaigns, now).filter(|_| message.purpose == Purpose::Campaign);
    let hold = bulk.into_iter().chain(campaigns).max_by_key(|hold| hold.until)?;
    Some(Wait { detail: hold.detail.clone(), ..Wait::new(hold.rule.as_str(), Scope::Class, hold.until) })
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
