//! Pacing of one account's lane: its profile, and its state in the lane's bytes or from the send ledger.

use std::time::Duration;

use channel::{Capabilities, LimitScope, Pacing};
use model::{Account, ConversationKind, Pace, Purpose, Timestamp};
use pacing::{Limit, PastSend, Profile, ProfileError, Reach, State};
use queue::{LEASE, StateGuard};
use store::{SendView, StoreError};

use crate::App;

/// How soon a lane looks again whether a call that may be under way has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The rules of an account: its channel's, with its own numbers, every time divided by its scale.
pub(crate) fn profile(capabilities: &Capabilities, account: &Account) -> Result<Profile, ProfileError> {
    let limits: Vec<Limit> = capabilities.limits.iter().map(limit).collect();
    Profile::of_account(account, capabilities.pacing == Pacing::Person, &limits)
}

fn limit(limit: &channel::Limit) -> Limit {
    Limit {
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
    }
}

/// What a send is for. What is done to a message of a campaign afterwards is none itself.
pub(crate) fn purpose(view: &SendView) -> Purpose {
    match (view.message.purpose, &view.action) {
        (Purpose::Campaign, Some(_)) => Purpose::Transactional,
        (purpose, _) => purpose,
    }
}

/// Which gap lies before a send, in the account's own time.
pub(crate) fn pace(view: &SendView, now: Timestamp) -> Pace {
    let Some(wrote) = view.last_inbound_at else { return Pace::Bulk };
    let since = now.since(wrote).mul_f64(view.account.pace_scale);
    purpose(view).pace(Some(wrote), wrote + since)
}

/// Names the words of a campaign message, for the rule about identical texts.
pub(crate) fn text(view: &SendView) -> Option<u64> {
    let is_message = view.action.is_none() && purpose(view) == Purpose::Campaign;
    store::text_hash(&view.message.content).filter(|_| is_message)
}

/// Why there is no state to decide over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateUnknown {
    /// The ledger could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A call of the account may be under way at a worker that nobody hears of. Its end counts, so it is waited for.
    #[error("a call may still be under way")]
    OpenCall {
        /// When to look again.
        until: Timestamp,
    },
}

/// The lane's pacing state as it is now.
pub(crate) struct Known {
    pub(crate) state: State,
    /// It is not what the lane has: it must be committed, also when the answer is to wait. Otherwise the next look would
    /// date what happened by its own now, and the wait would never end.
    pub(crate) is_new: bool,
}

/// The lane's pacing state as it is now: its bytes, or the ledger where those are missing or belong to other rules.
/// Grants of workers that are gone are dated now: their calls may have been made.
pub(crate) async fn state(
    app: &App,
    profile: &Profile,
    account: &Account,
    width: u32,
    guard: &StateGuard,
    now: Timestamp,
) -> Result<Known, StateUnknown> {
    let kept = guard.state().bytes.as_deref().map(|bytes| State::from_bytes(profile, bytes));
    let (mut state, rebuilt) = match kept {
        Some(Ok(state)) => (state, false),
        Some(Err(error)) => {
            tracing::info!(account.id = %account.id, %error, "pacing starts from the send ledger");
            (rebuild(app, profile, account, width, now).await?, true)
        }
        None => (rebuild(app, profile, account, width, now).await?, true),
    };
    let gone: Vec<_> = state
        .open_grants()
        .iter()
        .map(|grant| grant.token)
        .filter(|token| !app.holds_grant(*token))
        .collect();
    let is_new = rebuilt || !gone.is_empty();
    for token in gone {
        state.expire_grant(profile, token, now);
    }
    Ok(Known { state, is_new })
}

async fn rebuild(
    app: &App,
    profile: &Profile,
    account: &Account,
    width: u32,
    now: Timestamp,
) -> Result<State, StateUnknown> {
    // A call counts from its answer, or as long as it is open, so it may have started that much earlier.
    let reach = profile.horizon() + app.timing.call + LEASE;
    let past = app.store.past_attempts(account.id, now - reach).await?;
    // In a lane of width 1 a call counts from its answer, and the answer of this one is still to come.
    let open = past.iter().filter(|attempt| width == 1 && attempt.ended_at.is_none());
    let over =
        open.map(|attempt| app.call_is_over(attempt.worker, attempt.started_at, app.timing.call)).max();
    if let Some(over) = over.filter(|over| *over > now) {
        return Err(StateUnknown::OpenCall { until: over.min(now + LOOK_AGAIN) });
    }
    let past = past.into_iter().map(|attempt| PastSend {
        chat: attempt.conversation_id.to_string(),
        is_group: attempt.chat_kind != ConversationKind::Direct,
        started_at: attempt.started_at,
        ended_at: Some(
            attempt
                .ended_at
                .unwrap_or_else(|| app.call_ended_by(attempt.worker, attempt.started_at).min(now)),
        ),
        purpose: attempt.purpose,
        text: attempt.text_hash,
        is_new: attempt.is_new,
        was_accepted: attempt.was_accepted,
    });
    Ok(State::rebuild(profile, width, past, now))
}
