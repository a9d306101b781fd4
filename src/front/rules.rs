//! An account's rules: its channel's profile with the account's own numbers, and who may loosen them.

use std::time::Duration;

use channel::{Capabilities, LimitScope, Pacing};
use model::{Account, AccountId, ConversationId, Job, Message, MessageId, Status, Timestamp};
use pacing::{Limit, Profile, Reach};
use queue::{HoldTarget, JobId, LaneId, Op};
use serde_json::{Map, Value};
use store::Patch;

use crate::Front;
use crate::problem::{Kind, Problem};

/// By how much another's clock may be ahead of ours.
const FAST: Duration = Duration::from_mins(5);

/// Messages of a lane that are asked anew at most; those behind them stand in line anyway.
const WAITING: u32 = 100_000;
/// Messages that are asked anew in one word to the queue.
const AT_ONCE: usize = 250;

/// What a request says about an account's rules.
#[derive(Debug, Default, Clone)]
pub(crate) struct Rules {
    /// Its own numbers, by rule; null goes back to the profile.
    pub(crate) pacing: Option<Map<String, Value>>,
    /// When its number was registered.
    pub(crate) registered_at: Patch<Timestamp>,
    /// Somebody answers for rules that are looser than the profile.
    pub(crate) accepts_the_risk: bool,
}

/// What a request makes of an account's rules.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RulesChange {
    /// All of its own numbers; none when they stay.
    pub(crate) pacing: Option<Value>,
    /// The rules that are looser now than the profile has them, and were not before.
    pub(crate) loosened: Vec<String>,
}

/// The rules of an account as they are now.
pub(crate) fn profile(capabilities: &Capabilities, account: &Account) -> Result<Profile, Problem> {
    let person = capabilities.pacing == Pacing::Person;
    Profile::of_account(account, person, &limits(capabilities)).map_err(|error| {
        tracing::error!(account.id = %account.id, %error, "an account's pacing makes no sense");
        Problem::new(Kind::Internal)
    })
}

impl Front {
    /// What a request makes of an account's rules as they are now.
    pub(crate) fn rules_change(&self, account: &Account, asked: &Rules) -> Result<RulesChange, Problem> {
        match self.channels.get(&account.channel) {
            Some(channel) => asked.change(channel.capabilities(), &Before::from(account), self.clock.now()),
            None if asked.says_something() => {
                Err(Problem::new(Kind::Conflict).because("its channel is switched off in this installation"))
            }
            None => Ok(RulesChange::default()),
        }
    }

    /// Has everything that waits in an account's lane asked anew: what held it may hold it no more. What does, by a rule
    /// or a row, holds it again at the next look. Goes on by itself, since there may be a hundred thousand of them.
    pub(crate) fn look_again(&self, account: AccountId) {
        let front = self.clone();
        tokio::spawn(async move {
            if let Err(problem) = front.look_at_lane(account).await {
                tracing::warn!(account.id = %account, ?problem, "what waits was not asked anew; it waits on");
            }
        });
    }

    /// Has these messages asked anew, as far as they wait: what is known of them or of their contact has changed.
    pub(crate) async fn look_again_at(&self, messages: &[Message]) {
        let waiting = messages.iter().filter(|message| message.status == Status::Queued);
        let targets = waiting.flat_map(|message| {
            resumed(&LaneId::send(message.account_id), message.conversation_id, message.id)
        });
        let resume: Vec<_> = targets.map(|target| Op::Resume { target }).collect();
        if let Err(error) = self.lanes.apply(resume).await {
            tracing::warn!(%error, "what waits was not asked anew; it waits on");
        }
    }

    async fn look_at_lane(&self, account: AccountId) -> Result<(), Problem> {
        let lane = LaneId::send(account);
        self.lanes.resume(HoldTarget::Lane(lane.clone())).await?;
        let waiting = self.store.lane_ahead(account, WAITING).await?.messages;
        for some in waiting.chunks(AT_ONCE) {
            let targets = some.iter().flat_map(|message| resumed(&lane, message.conversation_id, message.id));
            self.lanes.apply(targets.map(|target| Op::Resume { target }).collect()).await?;
        }
        Ok(())
    }
}

/// What may hold a message and no other chat.
fn resumed(lane: &LaneId, chat: ConversationId, message: MessageId) -> [HoldTarget; 2] {
    let job = JobId::from(Job::SendMessage(message));
    [HoldTarget::Key(lane.clone(), chat.to_string()), HoldTarget::Job(lane.clone(), job)]
}

impl Rules {
    /// Whether anything is asked.
    pub(crate) const fn says_something(&self) -> bool {
        self.pacing.is_some() || self.registered_at.is_change()
    }

    /// Checks what is asked for an account against its channel's profile, and makes it into all that changes.
    pub(crate) fn change(
        &self,
        capabilities: &Capabilities,
        account: &Before<'_>,
        now: Timestamp,
    ) -> Result<RulesChange, Problem> {
        if self.registered_at.value().is_some_and(|at| *at > now + FAST) {
            return Err(Problem::field("registered_at", "out_of_range", "lies in the future"));
        }
        let mut change = RulesChange::default();
        if let Some(patch) = &self.pacing {
            let base = base(capabilities)?;
            known(&base, patch)?;
            let pacing = model::patched_pacing(account.pacing, patch);
            let profile = base.clone().with(&pacing).map_err(|problems| {
                problems.into_iter().fold(Problem::new(Kind::Validation), |problem, found| {
                    problem.and(found.field, "invalid", found.problem)
                })
            })?;
            let before = base.clone().with(account.pacing).unwrap_or_else(|_| base.clone());
            let now_looser = profile.looser_than(&before);
            change.loosened =
                profile.looser_than(&base).into_iter().filter(|rule| now_looser.contains(rule)).collect();
            change.pacing = Some(pacing);
        }
        if self.warms_up_less(account.registered_at) {
            change.loosened.push("warm_up".to_owned());
        }
        if !change.loosened.is_empty() && !self.accepts_the_risk {
            let rules = change.loosened.join(", ");
            return Err(Problem::field(
                "i_accept_the_risk",
                "required",
                format!(
                    "{rules}: looser than the channel's profile, which may cost the account; say \
                     `\"i_accept_the_risk\": true` to have it so"
                ),
            ));
        }
        Ok(change)
    }

    /// Whether a number would be past more of its warm-up than it was said to be.
    fn warms_up_less(&self, before: Option<Timestamp>) -> bool {
        match (before, self.registered_at) {
            (Some(_), Patch::Clear) => true,
            (Some(before), Patch::To(at)) => at < before,
            (None | Some(_), _) => false,
        }
    }
}

/// What decided an account's rules before.
#[derive(Debug)]
pub(crate) struct Before<'a> {
    pub(crate) pacing: &'a Value,
    pub(crate) registered_at: Option<Timestamp>,
}

impl<'a> From<&'a Account> for Before<'a> {
    fn from(account: &'a Account) -> Self {
        Self { pacing: &account.pacing, registered_at: account.registered_at }
    }
}

/// The channel's profile, of no account in particular.
fn base(capabilities: &Capabilities) -> Result<Profile, Problem> {
    match capabilities.pacing {
        Pacing::Person => Ok(Profile::person()),
        Pacing::Provider => Profile::provider(&limits(capabilities)).map_err(|error| {
            tracing::error!(%error, "a channel's limits make no sense");
            Problem::new(Kind::Internal)
        }),
    }
}

/// Going back to the profile needs a rule of it, too.
fn known(base: &Profile, patch: &Map<String, Value>) -> Result<(), Problem> {
    let unknown = patch.keys().filter(|name| base.rules().iter().all(|rule| rule.key != name.as_str()));
    unknown
        .fold(Problem::new(Kind::Validation), |problem, name| {
            problem.and(format!("pacing.{name}"), "unknown_field", "there is no such rule")
        })
        .or_ok()
}

fn limits(capabilities: &Capabilities) -> Vec<Limit> {
    let limit = |limit: &channel::Limit| Limit {
        name: limit.name.to_owned(),
        scope: match limit.scope {
            LimitScope::Account => Reach::Account,
            LimitScope::Chat => Reach::Chat,
            LimitScope::Group => Reach::Group,
        },
        count: limit.count,
        window: Duration::try_from_secs_f64(limit.seconds).unwrap_or_default(),
        burst: limit.burst,
        source: format!("{}, read on {}", limit.source, limit.read_on),
    };
    capabilities.limits.iter().map(limit).collect()
}
