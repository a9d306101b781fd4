//! Everything an account does but sending: it is recorded, and refused where a provider would refuse it.

use std::sync::Arc;

use serde::Deserialize;

use crate::clock::wall_micros;
use crate::report::{Call, Example};
use crate::wire::{Content, Refusal};
use crate::world::{State, World, keep};

/// An action on a chat, or on a message in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    /// The chat.
    #[serde(default)]
    pub(crate) chat: Option<String>,
    /// The message, where the path does not name it.
    #[serde(default)]
    pub(crate) message_id: Option<String>,
    /// What it says now.
    #[serde(default)]
    pub(crate) content: Option<Content>,
    /// A reaction; none takes it back.
    #[serde(default)]
    pub(crate) emoji: Option<String>,
    /// Whether typing is shown.
    #[serde(default)]
    pub(crate) on: Option<bool>,
}

/// Does `what` (`edit`, `delete`, `react`, `typing`, `read`) for an account, with the message `id` if it is about one.
pub(crate) fn act(
    world: &Arc<World>,
    token: &str,
    what: &str,
    id: Option<String>,
    action: Action,
) -> Result<(), Refusal> {
    let mut state = world.lock();
    let result = stopped(world, &mut state, token, what, &action)
        .and_then(|()| check(world, &mut state, token, what, id.as_deref(), &action));
    let id = id.or(action.message_id);
    let outcome = result.as_ref().map_or_else(|refusal| refusal.code, |()| "accepted");
    let call = Call {
        chat: action.chat,
        content: action.content,
        emoji: action.emoji,
        id,
        ..call(world, &state, token, what, outcome)
    };
    note(world, &mut state, token, call);
    result
}

/// A stopped account changes nothing that others see. Typing and reading go unnoticed.
fn stopped(
    world: &World,
    state: &mut State,
    token: &str,
    what: &str,
    action: &Action,
) -> Result<(), Refusal> {
    if what == "typing" || what == "read" {
        return Ok(());
    }
    let now = world.clock.micros();
    let State { accounts, violations, next_call, .. } = state;
    let Some(account) = accounts.get_mut(token) else { return Ok(()) };
    let Some((refusal, broken)) = account.told.stopped(now) else { return Ok(()) };
    if let Some(detail) = broken {
        account.counts.limit_violations += 1;
        keep(violations, || Example {
            account: account.id.clone(),
            chat: action.chat.clone().unwrap_or_default(),
            call: *next_call,
            at_us: now,
            detail,
        });
    }
    Err(refusal)
}

fn check(
    world: &World,
    state: &mut State,
    token: &str,
    what: &str,
    id: Option<&str>,
    action: &Action,
) -> Result<(), Refusal> {
    let Some(chat) = action.chat.as_deref() else {
        return Err(Refusal::new(400, "invalid_request", "chat is missing"));
    };
    let told = match what {
        "typing" => action.on.is_some(),
        "read" => action.message_id.is_some(),
        _ => true,
    };
    if !told {
        return Err(Refusal::new(400, "invalid_request", "on or message_id is missing"));
    }
    if what == "typing" || what == "read" {
        return Ok(());
    }
    // A reaction goes to the contact's messages too, and those are not kept here.
    if what == "react" {
        return Ok(());
    }
    let content = action.content.as_ref();
    if what == "edit" && content.is_none_or(|content| content.problem().is_some()) {
        return Err(Refusal::new(400, "invalid_content", "an edit needs valid content"));
    }
    let account = state.account(token, &world.config)?;
    let chat = world.keys.key(&[chat]);
    let number = id.and_then(|id| id.strip_prefix('m')?.parse().ok());
    let missing = || Refusal::new(404, "message_not_found", "this account sent no such message to this chat");
    let kept = number.and_then(|id| account.messages.get_mut(id)).ok_or_else(missing)?;
    if kept.chat != chat || kept.deleted {
        return Err(missing());
    }
    kept.deleted = what == "delete";
    Ok(())
}

/// A record of `what`, arrived and answered now.
pub(crate) fn call(world: &World, state: &State, token: &str, what: &str, outcome: &str) -> Call {
    let now = world.clock.micros();
    Call {
        n: 0,
        what: what.to_owned(),
        account: state.accounts.get(token).map(|account| account.id.clone()).unwrap_or_default(),
        chat: None,
        thread: None,
        reply_to: None,
        client_id: None,
        content: None,
        emoji: None,
        id: None,
        outcome: outcome.to_owned(),
        arrived_us: now,
        answered_us: Some(now),
        arrived_at_us: wall_micros(),
    }
}

/// Counts and records a call that is no send.
pub(crate) fn note(world: &World, state: &mut State, token: &str, call: Call) {
    if let Some(account) = state.accounts.get_mut(token) {
        account.counts.other_calls += 1;
    }
    state.record(call, world.config.record_cap);
}
