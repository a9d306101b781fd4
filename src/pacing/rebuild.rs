//! The state again from the send ledger, when the lane lost it or its rules changed.

use std::collections::BTreeMap;

use model::{Purpose, Timestamp};
use uuid::Uuid;

use crate::rule::with_slack;
use crate::state::{OpenGrant, Token};
use crate::{Kind, Profile, Reach, State, spacing};

/// One attempt of the ledger whose call was made, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastSend {
    /// Its chat, named as in [`Ask`](crate::Ask).
    pub chat: String,
    /// Whether that is a group.
    pub is_group: bool,
    /// When the call began, or could have at the earliest.
    pub started_at: Timestamp,
    /// When the provider answered; none while nobody knows: it counts as `now` then.
    pub ended_at: Option<Timestamp>,
    /// What it was for.
    pub purpose: Purpose,
    /// Names its final words; given for campaigns.
    pub text: Option<u64>,
    /// Whether it counted as a new contact.
    pub is_new: bool,
}

impl State {
    /// Derives the state from the account's attempts of the last [`Profile::horizon`] (older ones do no harm), in any
    /// order. Call it only when no call of the account is under way that is not in `history`. Which gap was drawn
    /// after the last send is unknown, so the longest is taken.
    pub fn rebuild(
        profile: &Profile,
        width: u32,
        history: impl Iterator<Item = PastSend>,
        now: Timestamp,
    ) -> Self {
        let wide = width > 1;
        let mut sends: Vec<_> = history
            .map(|send| {
                let at = match send.ended_at {
                    None => now,
                    Some(_) if wide => send.started_at,
                    Some(ended_at) => ended_at.max(send.started_at),
                };
                // A send of the future was dated by a clock that ran ahead. It is no younger than now.
                (at.min(now), send)
            })
            .filter(|(at, _)| *at + profile.horizon() > now)
            .collect();
        sends.sort_by_key(|(at, _)| *at);
        let sends: Vec<_> = sends.into_iter().map(|(at, send)| grant(send, at, wide)).collect();
        let mut state = Self::new(profile);
        state.wide = wide;
        for send in &sends {
            state.record(profile, send, send.call_at);
        }
        state.refill_buckets(profile, &sends, now);
        state
    }

    /// A bucket that saves up remembers more than its sends since the horizon: it may have been empty then. At worst it
    /// is as full by now as if it had been full and all of them had been sent just now.
    fn refill_buckets(&mut self, profile: &Profile, sends: &[OpenGrant], now: Timestamp) {
        for rule in profile.rules() {
            let Kind::Bucket { every, burst: burst @ 2.. } = rule.kind else {
                continue;
            };
            for track in self.chats.values_mut().chain([&mut self.account]) {
                track.arrivals.remove(rule.key.as_ref());
            }
            let recent = sends.iter().filter(|send| send.call_at + rule.memory() > now);
            for send in recent.filter(|send| rule.reach.covers(send.is_group)) {
                let track = match rule.reach {
                    Reach::Account => &mut self.account,
                    Reach::Chat | Reach::Group => self.chat(send),
                };
                let arrival = spacing::quota(with_slack(every, send.wide), burst)
                    .and_then(|quota| spacing::charge(quota, track.arrival(&rule.key), now));
                track.arrivals.extend(arrival.map(|arrival| (rule.key.to_string(), arrival)));
            }
        }
    }
}

fn grant(send: PastSend, at: Timestamp, wide: bool) -> OpenGrant {
    OpenGrant {
        token: Token(0),
        id: Uuid::nil(),
        call_at: at,
        chat: send.chat,
        is_group: send.is_group,
        wide,
        gaps: BTreeMap::new(),
    }
}
