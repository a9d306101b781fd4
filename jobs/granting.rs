//! Leave to call: pacing gives it, the lane keeps it while the call is open, and the end of the claim dates it.

use model::{AccountId, ConversationKind, Job, Pace, Scope, Timestamp, Wait, Zone};
use pacing::{Ask, Chat, Decision, Grant, Kind, Profile, State};
use queue::{Claimed, Grant as Granted, HoldTarget, JobId, LaneError, LaneId, Op, Settle, StateGuard};
use store::SendView;

use crate::lane_pace::{Known, StateUnknown};
use crate::outcome::LOOK_AGAIN;
use crate::{App, JobError, failing, lane_pace, responses};

/// Pacing's answer, as the lane has it.
pub(crate) enum Admitted {
    Go(Box<Grant>),
    Park(Wait),
    /// Never; the reason begins with the rule.
    Refused(String),
}

/// Asks pacing, and commits its yes with the lane.
pub(crate) async fn admit(
    app: &App,
    claimed: &Claimed,
    view: &SendView,
    profile: &Profile,
    width: u32,
) -> Result<Admitted, JobError> {
    let message = &view.message;
    let chat = message.conversation_id.to_string();
    // Nobody types before an action.
    let words = if view.action.is_none() { message.content.words() } else { None };
    let chars = words.map_or(0, |words| words.chars().count());
    let probing = failing::is_probe(&view.account, profile.failures().as_ref());
    let response = match lane_pace::pace(view, claimed.now()) {
        Pace::Reply => None,
        Pace::Bulk => responses::of(app, &view.account, profile, claimed.now()).await?,
    };
    let mut guard = claimed.state().await;
    loop {
        let now = claimed.now();
        let Known { state, is_new } =
            match lane_pace::state(app, profile, &view.account, width, &guard, now).await {
                Ok(known) => known,
                Err(StateUnknown::OpenCall { until }) => {
                    return Ok(Admitted::Park(Wait::new("open_attempt", Scope::Lane, until)));
                }
                Err(StateUnknown::Store(error)) => return Err(error.into()),
            };
        let ask = Ask {
            id: view.subject().id(),
            chat: &chat,
            is_group: view.chat_kind != ConversationKind::Direct,
            purpose: lane_pace::purpose(view),
            origin: message.origin,
            class: claimed.claim().class,
            chars: u32::try_from(chars).unwrap_or(u32::MAX),
            text: lane_pace::text(view),
            width,
            contact: contact(view),
            response,
            probing,
        };
        let grant = match pacing::admit(profile, &state, &ask, now, &mut || app.ids.number()) {
            Decision::Go(grant) => grant,
            Decision::Wait(wait) => {
                if is_new {
                    let binds_until = state.binds_until(profile);
                    match claimed.grant(&mut guard, state.to_bytes(), binds_until).await {
                        Ok(Granted::Stale(_)) => continue,
                        // A hold in between changes nothing: it waits in any case.
                        Ok(_) => {}
                        Err(LaneError::Lost) => return Err(queue::Lost.into()),
                        Err(LaneError::Queue(error)) => return Err(error.into()),
                    }
                }
                return Ok(Admitted::Park(ending(wait, now)));
            }
            Decision::Refuse { rule, reason } => return Ok(Admitted::Refused(format!("{rule}: {reason}"))),
        };
        let binds_until = grant.state.binds_until(profile);
        match claimed.grant(&mut guard, grant.state.to_bytes(), binds_until).await {
            Ok(Granted::Granted) => {
                app.hold_grant(grant.token);
                return Ok(Admitted::Go(Box::new(grant)));
            }
            Ok(Granted::Held(wait)) => return Ok(Admitted::Park(ending(wait, now))),
            Ok(Granted::Stale(_)) => {}
            Err(LaneError::Lost) => return Err(queue::Lost.into()),
            Err(LaneError::Queue(error)) => return Err(error.into()),
        }
    }
}

/// What is known of the other side.
fn contact(view: &SendView) -> Chat {
    Chat {
        is_new: view.is_new_contact(),
        last_inbound_at: view.last_inbound_at,
        first_sent_at: view.first_sent_at,
        opted_out: view.contact.opted_out,
        // One that nobody knows (any more) is none: the account's stands in.
        zone: view.contact.timezone.as_deref().and_then(|name| name.parse::<Zone>().ok()),
    }
}

/// A wait without an end is looked at again, in case its end goes unheard.
fn ending(wait: Wait, now: Timestamp) -> Wait {
    Wait { until: wait.until.or(Some(now + LOOK_AGAIN)), ..wait }
}

/// Ends a claim whose call was certainly not made: its grant counts for nothing.
pub(crate) async fn give_back(
    app: &App,
    claimed: Claimed,
    profile: &Profile,
    account: AccountId,
    grant: &Grant,
    settle: Settle,
) -> Result<(), JobError> {
    let withdraw = |state: &mut State| state.withdraw(grant.token);
    end_grant(app, claimed, profile, account, grant, settle, withdraw).await
}

/// Ends a claim and, in the lane's state, its grant.
pub(crate) async fn end_grant(
    app: &App,
    claimed: Claimed,
    profile: &Profile,
    account: AccountId,
    grant: &Grant,
    settle: Settle,
    end: impl FnOnce(&mut State) -> bool + Send,
) -> Result<(), JobError> {
    let (lane, now) = (claimed.claim().ticket.lane.clone(), claimed.now());
    let guard = claimed.state().await;
    let mut state = known_state(profile, &guard);
    app.drop_grant(grant.token);
    let worn = state.as_ref().map(|state| state.worn_texts(profile, now)).unwrap_or_default();
    let changed = state.as_mut().is_some_and(end);
    let Some(state) = state.filter(|_| changed) else {
        drop(guard);
        return Ok(claimed.settle(settle).await?);
    };
    let (bytes, binds_until) = (state.to_bytes(), state.binds_until(profile));
    claimed.settle_with(settle, guard, bytes, binds_until).await?;
    let still = state.worn_texts(profile, now);
    for text in worn.into_iter().filter(|text| !still.contains(text)) {
        free_text(app, profile, account, &lane, text).await?;
    }
    Ok(())
}

/// Another text was said: those that waited because theirs was said too often in a row may go, as many as the rule lets.
async fn free_text(
    app: &App,
    profile: &Profile,
    account: AccountId,
    lane: &LaneId,
    text: u64,
) -> Result<(), JobError> {
    let most = profile.rules().iter().find_map(|rule| match &rule.kind {
        Kind::IdenticalText(rule) => Some(rule.in_a_row),
        _ => None,
    });
    let waiting = app.store.queued_with_text(account, text, most.unwrap_or(0)).await?;
    let job = |message| JobId::from(Job::SendMessage(message));
    let resume = |message| Op::Resume { target: HoldTarget::Job(lane.clone(), job(message)) };
    let ops: Vec<_> = waiting.into_iter().map(resume).collect();
    if !ops.is_empty() {
        app.lanes.apply(ops).await?;
    }
    Ok(())
}

/// The lane's state, if it is one of these rules; else the next claim makes it from the ledger, which knows this call.
fn known_state(profile: &Profile, guard: &StateGuard) -> Option<State> {
    guard.state().bytes.as_deref().and_then(|bytes| State::from_bytes(profile, bytes).ok())
}
