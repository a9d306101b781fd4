//! An account's lane played forward from what is known now: why each message waits, and when it will be out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use channel::{Capabilities, Pacing};
use model::{
    Account, Class, ConversationId, ConversationKind, HoldReach, Job, MessageId, Pace, Purpose, Scope,
    Timestamp, Wait, Zone,
};
use pacing::{Chat, HoldOn, Overhead, PastSend, Planned, Play, Profile, Reasons, Response, State, Step};
use queue::{JobId, LaneId, LaneState, LaneView};
use store::{LaneAhead, QueuedMessage};
use uuid::Uuid;

use crate::Front;
use crate::problem::{Kind, Problem};
use crate::{rules, waiting};

/// Messages of a lane that are played one by one. What stands behind them is reckoned from their pace.
const PLAYED: u32 = 5_000;
/// Questions to the rules that one play may cost; each takes microseconds.
const ASKS: u64 = 20_000;
/// How often a lane is looked at until nothing happened meanwhile.
const LOOKS: u32 = 4;
/// What a call to the provider takes where none was made yet; and where pacing is scaled, which is at a sandbox nearby.
const FIRST_CALL: Duration = Duration::from_millis(150);
const FIRST_CALL_NEARBY: Duration = Duration::from_millis(10);
/// From when a message may go until it is granted, and from the answer to one until the next is, where nobody knows yet.
const FIRST_WAKE: Duration = Duration::from_millis(3);
const FIRST_TURN: Duration = Duration::from_millis(12);

/// How an account is paced now.
#[derive(Debug)]
pub(crate) struct LanePace {
    pub(crate) pacing: Pacing,
    pub(crate) profile: Profile,
    pub(crate) state: State,
    pub(crate) response: Option<Response>,
    /// Lane time.
    pub(crate) now: Timestamp,
    width: u32,
    /// What the queue holds the whole lane by.
    held: Vec<Wait>,
    /// That of the lane's state.
    version: u64,
}

/// What a play says of one message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlook {
    /// What it is told when it is asked for; none for one that stands behind others, or goes at once.
    pub(crate) wait: Option<Wait>,
    /// When it leaves; none when nobody can say.
    pub(crate) expected_at: Option<Timestamp>,
    /// How many of the account leave before it.
    pub(crate) ahead: u64,
    /// Which rule makes it wait for the most part, be it that it holds those before it.
    pub(crate) reason: Option<Arc<Wait>>,
    /// It will be refused: by which rule, and why.
    pub(crate) refused: Option<(&'static str, String)>,
    /// Its call was granted and is about to be made, or under way.
    pub(crate) is_granted: bool,
}

/// The lane of an account, played forward.
#[derive(Debug, Default)]
pub(crate) struct Forecast {
    outlooks: HashMap<MessageId, Outlook>,
    /// Those that left while they were asked about.
    left: HashSet<MessageId>,
    /// What is known of those that were not played.
    played: Option<Reasons>,
    /// Names of the rules of the account: what they hold goes when their time has come.
    rules: HashSet<String>,
}

impl Front {
    /// The account's rules and their state: the lane's own, or from the send ledger where the lane has none.
    pub(crate) async fn lane_pace(&self, account: &Account) -> Result<LanePace, Problem> {
        let channel = self.channels.get(&account.channel).ok_or_else(|| {
            Problem::new(Kind::Conflict).because("its channel is switched off in this installation")
        })?;
        let capabilities: &Capabilities = channel.capabilities();
        let profile = rules::profile(capabilities, account)?;
        let view = self.lanes.peek(LaneId::send(account.id)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the queue cannot say how an account's lane is");
            LaneView {
                now: self.clock.now(),
                state: LaneState::default(),
                claimed: Vec::new(),
                held: Vec::new(),
            }
        });
        let now = view.now;
        let kept = view.state.bytes.as_deref().and_then(|bytes| State::from_bytes(&profile, bytes).ok());
        let state = match kept {
            Some(mut state) => {
                // Of a worker that is gone: the next one will date it.
                let lost = state.open_grants().iter().filter(|grant| !is_claimed(&view.claimed, grant.id));
                for token in lost.map(|grant| grant.token).collect::<Vec<_>>() {
                    state.expire_grant(&profile, token, now);
                }
                state
            }
            None => self.rebuilt(&profile, capabilities.width, account, now).await?,
        };
        let response = match profile.response_rate(now) {
            None => None,
            Some(days) => {
                let rate = self
                    .store
                    .response_rate(account.id, days.since, days.until, account.campaigns_resumed_at)
                    .await?;
                Some(Response { recipients: rate.recipients, wrote: rate.wrote })
            }
        };
        let held = view.held.into_iter().filter(|wait| wait.scope == Scope::Lane).collect();
        let (pacing, width) = (capabilities.pacing, capabilities.width);
        Ok(LanePace { pacing, profile, state, response, now, width, held, version: view.state.version })
    }

    /// How an account is paced, and what stands in its lane at that time, `most` messages at most. Between two looks a send
    /// may begin or end: then neither of them knows it, or both do, so they are repeated.
    pub(crate) async fn lane(&self, account: &Account, most: u32) -> Result<(LanePace, LaneAhead), Problem> {
        let mut looks = 0;
        loop {
            looks += 1;
            let pace = self.lane_pace(account).await?;
            let ahead = self.store.lane_ahead(account.id, most).await?;
            let then = self.lanes.peek(LaneId::send(account.id)).await;
            if looks == LOOKS || then.is_ok_and(|then| then.state.version == pace.version) {
                return Ok((pace, ahead));
            }
        }
    }

    async fn rebuilt(
        &self,
        profile: &Profile,
        width: u32,
        account: &Account,
        now: Timestamp,
    ) -> Result<State, Problem> {
        let past = self.store.past_attempts(account.id, now - profile.horizon()).await?;
        let past = past.into_iter().map(|attempt| PastSend {
            chat: attempt.conversation_id.to_string(),
            is_group: attempt.chat_kind != ConversationKind::Direct,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            purpose: attempt.purpose,
            text: attempt.text_hash,
            is_new: attempt.is_new,
            was_accepted: attempt.was_accepted,
        });
        Ok(State::rebuild(profile, width, past, now))
    }

    /// The account's lane as it is, ready to be played; `with_campaigns` if some will be added.
    pub(crate) async fn play(
        &self,
        account: &Account,
        pace: &LanePace,
        ahead: &LaneAhead,
        with_campaigns: bool,
    ) -> Result<Play, Problem> {
        let times = self.store.send_times(account.id).await?;
        let is_nearby = account.pace_scale > 1.0;
        let call = times.call.unwrap_or(if is_nearby { FIRST_CALL_NEARBY } else { FIRST_CALL });
        let mut play = Play::new(pace.profile.clone(), pace.state.clone(), pace.width, call, 0, pace.now);
        let wake = times.wake.unwrap_or(FIRST_WAKE);
        play.take(Overhead { wake, settle: times.turn.unwrap_or(FIRST_TURN) });
        let campaigns = with_campaigns || ahead.messages.iter().any(|it| it.purpose == Purpose::Campaign);
        self.remember_campaigns(account, pace, campaigns, &mut play).await?;
        for (hold, until) in pace.held.iter().filter_map(|hold| Some((hold, hold.until?))) {
            play.hold(&HoldOn::Lane, until, &hold.rule);
        }
        let bulk = account.held(HoldReach::Bulk, pace.now);
        for (hold, on) in [
            (account.held(HoldReach::Account, pace.now), HoldOn::Lane),
            (bulk, HoldOn::Class(Class::Normal)),
            (bulk, HoldOn::Class(Class::Bulk)),
            (account.held(HoldReach::Campaigns, pace.now), HoldOn::Campaigns),
        ] {
            if let Some(hold) = hold {
                play.hold(&on, hold.until, &hold.rule);
            }
        }
        // One without an end is a matter of its own: nothing leaves then.
        if let Some(until) = waiting::stopped(account, pace.now).and_then(|stop| stop.until) {
            play.hold(&HoldOn::Lane, until, "stopped");
        }
        let granted: HashSet<_> = pace.state.open_grants().iter().map(|grant| grant.id).collect();
        for message in in_turn(ahead) {
            if granted.contains(&message.id.0) {
                continue;
            }
            let chat = message.conversation_id.to_string();
            if let Some(until) = message.held_until.filter(|until| *until > pace.now) {
                play.hold(&HoldOn::Chat(chat.clone()), until, "provider");
            }
            let mut planned = planned(message, chat, pace.now);
            if let Some(hold) = bulk
                && message.purpose.pace(message.last_inbound_at, pace.now) == Pace::Bulk
            {
                planned.after = planned.after.max(Some(hold.until));
            }
            play.add(planned);
        }
        Ok(play)
    }

    /// Tells a play who got campaigns lately, and lets as many answer those to come as answered so far: of those who had time
    /// to, or of all as long as these are too few.
    async fn remember_campaigns(
        &self,
        account: &Account,
        pace: &LanePace,
        campaigns: bool,
        play: &mut Play,
    ) -> Result<(), Problem> {
        let (Some(response), Some(days)) = (pace.response, pace.profile.response_rate(pace.now)) else {
            return Ok(());
        };
        if !campaigns {
            // Who they are makes no difference then, and they may be many.
            for n in 0..response.recipients {
                let wrote = (n < response.wrote).then_some(pace.now);
                play.reached(&format!("reached {n}"), days.until, wrote);
            }
            return Ok(());
        }
        let resumed_at = account.campaigns_resumed_at;
        let reached = self.store.response_facts(account.id, days.since, pace.now, resumed_at).await?;
        for chat in &reached {
            play.reached(&chat.conversation_id.to_string(), chat.last_sent_at, chat.last_inbound_at);
        }
        let wrote = reached.iter().filter(|chat| chat.last_inbound_at > Some(chat.last_sent_at)).count();
        let (wrote, of) = if response.recipients >= days.recipients {
            (f64::from(response.wrote), f64::from(response.recipients))
        } else {
            (count(wrote), count(reached.len()))
        };
        play.expect_answers(if of > 0.0 { wrote / of } else { 0.0 });
        Ok(())
    }

    /// Plays an account's lane until it is known when these messages leave.
    pub(crate) async fn forecast(
        &self,
        account: &Account,
        wanted: &[MessageId],
    ) -> Result<Forecast, Problem> {
        let (pace, ahead) = self.lane(account, PLAYED).await?;
        let play = self.play(account, &pace, &ahead, false).await?;
        let mut forecast = Forecast {
            rules: pace.profile.rules().iter().map(|rule| rule.name.to_string()).collect(),
            ..Forecast::default()
        };
        for grant in pace.state.open_grants() {
            let outlook = Outlook {
                expected_at: Some(grant.call_at(&pace.profile)),
                is_granted: true,
                ..Outlook::default()
            };
            forecast.outlooks.insert(grant.id.into(), outlook);
        }
        let mut wanted: HashSet<_> =
            wanted.iter().filter(|id| !forecast.outlooks.contains_key(*id)).copied().collect();
        if ahead.total <= u64::from(PLAYED) {
            let there: HashSet<_> = ahead.messages.iter().map(|message| message.id).collect();
            forecast.left = wanted.difference(&there).copied().collect();
            wanted.retain(|id| there.contains(id));
        }
        // Some milliseconds of pure reckoning, which other requests need not wait for.
        let played = tokio::task::spawn_blocking(move || forecast.played(play, wanted)).await;
        played.map_err(|error| {
            tracing::error!(%error, "a lane could not be played forward");
            Problem::new(Kind::Internal)
        })
    }
}

impl Forecast {
    /// What is known of a message that was asked for.
    pub(crate) fn outlook(&self, id: MessageId) -> Option<&Outlook> {
        self.outlooks.get(&id)
    }

    /// Whether a message that was asked for waits no more.
    pub(crate) fn has_left(&self, id: MessageId) -> bool {
        self.left.contains(&id)
    }

    /// When a message leaves that stands so far behind that it was not played, at the pace of what was.
    pub(crate) fn beyond(&self, ahead: u32) -> Option<Timestamp> {
        let (sent, from, until) = self.played.as_ref()?.span();
        let share = f64::from(ahead) / count(sent);
        (sent > 0).then(|| from + until.since(from).mul_f64(share.max(1.0)))
    }

    /// The rule that held those that were played longest.
    pub(crate) fn most(&self) -> Option<Arc<Wait>> {
        self.played.as_ref()?.most()
    }

    /// Whether a wait is one of the account's rules, and no word of the provider, of a person or of the queue.
    pub(crate) fn is_rule(&self, wait: &Wait) -> bool {
        self.rules.contains(&wait.rule)
    }

    fn played(mut self, mut play: Play, mut wanted: HashSet<MessageId>) -> Self {
        let from = play.now();
        let mut sent = 0_u64;
        let mut reasons = Reasons::new(from);
        while !wanted.is_empty() && play.asks() < ASKS {
            let Some(step) = play.next() else { break };
            match step {
                Step::Waits { id, at, wait } if wanted.contains(&id.into()) => {
                    let outlook = self.outlooks.entry(id.into()).or_default();
                    // What it is told first is true now; what it will be told later is not.
                    if at == from && outlook.wait.is_none() {
                        outlook.wait = Some(wait);
                    }
                }
                Step::Sent { id, at, held, .. } => {
                    reasons.sent(at, &held);
                    if wanted.remove(&id.into()) {
                        let outlook = self.outlooks.entry(id.into()).or_default();
                        outlook.expected_at = Some(at);
                        outlook.ahead = sent;
                        outlook.reason = reasons.why(&held);
                    }
                    sent += 1;
                }
                Step::Refused { id, at, rule, reason } if wanted.remove(&id.into()) => {
                    let outlook = self.outlooks.entry(id.into()).or_default();
                    outlook.expected_at = Some(at);
                    outlook.refused = Some((rule, reason));
                }
                Step::Waits { .. } | Step::Refused { .. } => {}
            }
        }
        self.played = Some(reasons);
        self
    }
}

/// Whether a worker has the job of a message or an action.
fn is_claimed(claimed: &[JobId], id: Uuid) -> bool {
    [Job::SendMessage(id.into()), Job::PerformAction(id.into())]
        .into_iter()
        .any(|job| claimed.contains(&job.into()))
}

/// What waits in the order of the lane's turns: a chat has its turn since it was served last, or since its first message came.
fn in_turn(ahead: &LaneAhead) -> Vec<&QueuedMessage> {
    let mut turns: HashMap<ConversationId, Timestamp> = HashMap::new();
    let mut waiting: Vec<_> = ahead.messages.iter().filter(|message| !message.is_sending).collect();
    for message in &waiting {
        let queued = message.queued_at.unwrap_or_default();
        let turn = turns.entry(message.conversation_id).or_insert(queued);
        *turn = queued.min(*turn);
    }
    for (chat, served) in &ahead.served {
        if let Some(turn) = turns.get_mut(chat) {
            *turn = (*turn).max(*served);
        }
    }
    // A key's messages keep their order.
    waiting.sort_by_key(|message| (turns[&message.conversation_id], message.queued_at, message.id));
    waiting
}

#[expect(clippy::cast_precision_loss, reason = "for a share")]
fn count(count: usize) -> f64 {
    count as f64
}

fn planned(message: &QueuedMessage, chat: String, now: Timestamp) -> Planned {
    let zone = message.contact.timezone.as_deref().and_then(|name| name.parse::<Zone>().ok());
    Planned {
        id: message.id.0,
        chat,
        is_group: message.chat_kind != ConversationKind::Direct,
        purpose: message.purpose,
        origin: message.origin,
        class: message.class,
        chars: message.chars,
        text: message.text_hash,
        contact: Chat {
            is_new: message.is_new_contact(),
            last_inbound_at: message.last_inbound_at,
            first_sent_at: message.first_sent_at,
            opted_out: message.contact.opted_out,
            zone,
        },
        at: now,
        after: message.next_attempt_at.filter(|at| *at > now),
    }
}
