//! Questions, and what is done with the answers.

use std::time::Duration;

use model::{Class, Origin, Pace, Purpose, Timestamp, Wait};
use pacing::{Ask, Chat, Decision, Grant, Limit, PastSend, Profile, Reach, State, admit};
use serde_json::json;
use uuid::Uuid;

/// 2023-11-14T22:13:20Z, a Tuesday.
pub const T: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn ask(chat: &str, class: Class, pace: Pace) -> Ask<'_> {
    let (purpose, wrote) = match (class, pace) {
        (Class::Interactive, Pace::Reply) => (Purpose::Conversation, Some(T)),
        (Class::Interactive, Pace::Bulk) => (Purpose::Conversation, None),
        _ => (Purpose::Transactional, None),
    };
    Ask {
        id: Uuid::from_u128(7),
        chat,
        is_group: false,
        purpose,
        origin: Origin::Api,
        class,
        chars: 20,
        text: None,
        width: 1,
        contact: Chat { last_inbound_at: wrote, ..Chat::default() },
        response: None,
        probing: false,
    }
}

pub fn bulk(chat: &str) -> Ask<'_> {
    ask(chat, Class::Bulk, Pace::Bulk)
}

/// The first tokens.
pub fn decide(profile: &Profile, state: &State, ask: &Ask<'_>, now: Timestamp) -> Decision {
    admit(profile, state, ask, now, &mut || 0)
}

pub fn go(decision: Decision) -> Grant {
    match decision {
        Decision::Go(grant) => grant,
        other => panic!("not admitted: {other:?}"),
    }
}

pub fn wait(decision: Decision) -> Wait {
    match decision {
        Decision::Wait(wait) => wait,
        other => panic!("not held: {other:?}"),
    }
}

/// Sends one message whose call takes 100 ms; answers the state and the time of the answer.
pub fn send(profile: &Profile, state: &State, ask: &Ask<'_>, now: Timestamp) -> (State, Timestamp) {
    let mut grant = go(decide(profile, state, ask, now));
    let answered = grant.call_at + ms(100);
    assert!(grant.state.settle(profile, grant.token, grant.call_at, answered));
    (grant.state, answered)
}

pub fn one(name: &str, scope: Reach, count: u32, window: Duration) -> Profile {
    Profile::provider(&[Limit {
        name: name.to_owned(),
        scope,
        count,
        window,
        burst: None,
        source: String::new(),
    }])
    .expect("a sensible limit")
}

/// Like a person whose gaps are always the shortest.
pub fn person() -> Profile {
    let gaps = json!({"gap_reply": {"max_s": 0.3}, "gap_bulk": {"max_s": 2}});
    Profile::person().with(&gaps).expect("sensible gaps")
}

/// A notice that left and was answered at an instant.
pub fn past(chat: &str, at: Timestamp) -> PastSend {
    PastSend {
        chat: chat.to_owned(),
        is_group: false,
        started_at: at,
        ended_at: Some(at),
        purpose: Purpose::Transactional,
        text: None,
        is_new: false,
        was_accepted: true,
    }
}
