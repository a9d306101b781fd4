//! Leave to call: pacing gives it, the lane keeps it while the call is open, and the end of the claim dates it.

use model::{ConversationKind, Scope, Timestamp};
use pacing::{Ask, Chat, Decision, Grant, Profile, State};
use queue::{Claimed, Grant as Granted, LaneError, Settle, StateGuard};
use store::SendView;

use crate::lane_pace::{Known, StateUnknown};
use crate::outcome::LOOK_AGAIN;
use crate::{App, JobError, lane_pace};

/// Pacing's answer, as the lane has it.
pub(crate) enum Admitted {
    Go(Box<Grant>),
    Park { until: Timestamp, rule: String, scope: Scope },
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
    let mut guard = claimed.state().await;
    loop {
        let now = claimed.now();
        let Known { state, is_new } =
            match lane_pace::state(app, profile, &view.account, width, &guard, now).await {
                Ok(known) => known,
                Err(StateUnknown::OpenCall { until }) => {
                    return Ok(Admitted::Park { until, rule: "open_attempt".to_owned(), scope: Scope::Lane });
                }
                Err(StateUnknown::Store(error)) => return Err(error.into()),
            };
        let ask = Ask {
            id: view.subject().id(),
            chat: &chat,
            is_group: view.chat_kind != ConversationKind::Direct,
            purpose: message.purpose,
            origin: message.origin,
            class: message.class,
            chars: u32::try_from(chars).unwrap_or(u32::MAX),
            text: None,
            width,
            contact: Chat { last_inbound_at: view.last_inbound_at, ..Chat::default() },
            response: None,
            probing: false,
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
                let until = wait.until.unwrap_or(now + LOOK_AGAIN);
                return Ok(Admitted::Park { until, rule: wait.rule, scope: wait.scope });
            }
            Decision::Refuse { rule, reason } => return Ok(Admitted::Refused(format!("{rule}: {reason}"))),
        };
        let binds_until = grant.state.binds_until(profile);
        match claimed.grant(&mut guard, grant.state.to_bytes(), binds_until).await {
            Ok(Granted::Granted) => {
                app.hold_grant(grant.token);
                return Ok(Admitted::Go(Box::new(grant)));
            }
            Ok(Granted::Held(wait)) => {
                let until = wait.until.unwrap_or(now + LOOK_AGAIN);
                return Ok(Admitted::Park { until, rule: wait.rule, scope: wait.scope });
            }
            Ok(Granted::Stale(_)) => {}
            Err(LaneError::Lost) => return Err(queue::Lost.into()),
            Err(LaneError::Queue(error)) => return Err(error.into()),
        }
    }
}

/// Ends a claim whose call was certainly not made: its grant counts for nothing.
pub(crate) async fn give_back(
    app: &App,
    claimed: Claimed,
    profile: &Profile,
    grant: &Grant,
    settle: Settle,
) -> Result<(), JobError> {
    let withdraw = |state: &mut State| state.withdraw(grant.token);
    end_grant(app, claimed, profile, grant, settle, withdraw).await
}

/// Ends a claim and, in the lane's state, its grant.
pub(crate) async fn end_grant(
    app: &App,
    claimed: Claimed,
    profile: &Profile,
    grant: &Grant,
    settle: Settle,
    end: impl FnOnce(&mut State) -> bool + Send,
) -> Result<(), JobError> {
    let guard = claimed.state().await;
    let mut state = known_state(profile, &guard);
    app.drop_grant(grant.token);
    let changed = state.as_mut().is_some_and(end);
    if let Some(state) = state.filter(|_| changed) {
        let binds_until = state.binds_until(profile);
        Ok(claimed.settle_with(settle, guard, state.to_bytes(), binds_until).await?)
    } else {
        drop(guard);
        Ok(claimed.settle(settle).await?)
    }
}

/// The lane's state, if it is one of these rules; else the next claim makes it from the ledger, which knows this call.
fn known_state(profile: &Profile, guard: &StateGuard) -> Option<State> {
    guard.state().bytes.as_deref().and_then(|bytes| State::from_bytes(profile, bytes).ok())
}
