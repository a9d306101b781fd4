//! The decision: may this message start now?

use std::time::Duration;

use model::{Scope, Timestamp, Wait};

use crate::rule::with_slack;
use crate::state::{OpenGrant, Token, Track};
use crate::typing::{typing, uniform};
use crate::{Ask, Decision, Grant, Kind, Profile, Reach, Rule, State, spacing};

/// Decides at `now` (lane time). `random` gives uniform numbers; it is asked only when the answer is yes, for the gaps
/// after this send.
pub fn admit(
    profile: &Profile,
    state: &State,
    ask: &Ask<'_>,
    now: Timestamp,
    random: &mut dyn FnMut() -> u64,
) -> Decision {
    if ask.width == 0 {
        let reason = "the account's width is 0, so nothing of it may ever be under way: make it 1 or more";
        return Decision::Refuse { rule: "width", reason: reason.to_owned() };
    }
    let pace = ask.purpose.pace(ask.contact.last_inbound_at, now);
    let typing = typing(profile, ask);
    let mut call_at = now + typing;
    let mut last: Option<(Timestamp, Wait)> = None;
    let mut hold = |until: Timestamp, wait: &dyn Fn() -> Wait| {
        if last.as_ref().is_none_or(|(latest, _)| until > *latest) {
            last = Some((until, wait()));
        }
    };
    if now < state.forgotten {
        // What was pruned cannot be asked any more; by then none of it binds.
        call_at = call_at.max(state.forgotten);
        hold(state.forgotten - typing, &|| Wait {
            rule: "clock".to_owned(),
            scope: Scope::Lane,
            until: None,
            detail: Some("The clock stepped back; sending goes on when it has caught up.".to_owned()),
        });
    }
    for rule in profile.rules().iter().filter(|rule| rule.binds(ask, pace)) {
        let free = rule.free(state, ask, now);
        // Nobody knows when an open send will end: typing towards a guess could end in a call that is too early.
        let start = if free.open { free.at } else { free.at - typing };
        if start > now {
            hold(start, &|| Wait {
                rule: rule.name.to_string(),
                scope: rule.scope(ask),
                until: None,
                detail: Some(rule.detail()),
            });
        }
        call_at = call_at.max(free.at);
    }
    if let Some((until, wait)) = last
        && until > now
    {
        return Decision::Wait(Wait { until: Some(until), ..wait });
    }
    let mut state = state.clone();
    state.prune(profile, now);
    state.wide = ask.width > 1;
    let token = Token(random());
    let gaps = profile.rules().iter().filter_map(|rule| match rule.kind {
        Kind::Gap { min, max, .. } => {
            let gap = uniform(min, max, random());
            Some((rule.key.to_string(), u64::try_from(gap.as_micros()).unwrap_or(u64::MAX)))
        }
        _ => None,
    });
    let open = OpenGrant {
        token,
        id: ask.id,
        call_at,
        chat: ask.chat.to_owned(),
        is_group: ask.is_group,
        wide: ask.width > 1,
        gaps: gaps.collect(),
    };
    state.open.push(open);
    Decision::Go(Grant { token, call_at, typing, pace, is_new: ask.contact.is_new, state })
}

/// When a rule lets a message go.
pub(crate) struct Free {
    /// Not before; may lie in the past.
    pub(crate) at: Timestamp,
    /// An open send is the reason, so the time is the earliest possible one.
    pub(crate) open: bool,
}

impl Rule {
    fn free(&self, state: &State, ask: &Ask<'_>, now: Timestamp) -> Free {
        let none = Track::default();
        let track = match self.reach {
            Reach::Account => &state.account,
            Reach::Chat | Reach::Group => state.chats.get(ask.chat).unwrap_or(&none),
        };
        let counted = |grant: &&OpenGrant| self.reach == Reach::Account || grant.chat == ask.chat;
        let open: Vec<_> = state.open.iter().filter(counted).collect();
        self.free_in(track, &open, ask.width > 1, now)
    }

    /// As [`Rule::free`], for one track and the open grants that count in it.
    pub(crate) fn free_in(&self, track: &Track, open: &[&OpenGrant], wide: bool, now: Timestamp) -> Free {
        match self.kind {
            Kind::Typing { .. } => Free { at: Timestamp::ZERO, open: false },
            Kind::Gap { max, .. } => self.bucket(track, open, now, |grant| {
                (with_slack(grant.map_or(max, |grant| grant.gap(&self.key, max)), wide), 1)
            }),
            Kind::Bucket { every, burst } => {
                self.bucket(track, open, now, |_| (with_slack(every, wide), burst))
            }
            Kind::Cap { count, window } => cap(count as usize, with_slack(window, wide), track, open, now),
        }
    }

    fn bucket(
        &self,
        track: &Track,
        open: &[&OpenGrant],
        now: Timestamp,
        numbers: impl Fn(Option<&OpenGrant>) -> (Duration, u32),
    ) -> Free {
        let with_open = |as_of: &dyn Fn(&OpenGrant, Duration) -> Timestamp| {
            open.iter().fold(track.arrival(&self.key), |arrival, grant| {
                let (every, burst) = numbers(Some(grant));
                spacing::quota(every, burst)
                    .map_or(arrival, |quota| spacing::charge(quota, arrival, as_of(grant, every)))
            })
        };
        let (every, burst) = numbers(None);
        let Some(quota) = spacing::quota(every, burst) else {
            return Free { at: now, open: false };
        };
        let at = spacing::free_at(quota, with_open(&|_, _| now), now);
        if at <= now || open.is_empty() {
            return Free { at, open: false };
        }
        let soonest = spacing::free_at(quota, with_open(&|grant, every| as_of(grant, every, now)), now);
        Free { at: soonest.max(now + every / 20), open: true }
    }

    fn detail(&self) -> String {
        let whom = match self.reach {
            Reach::Account => "this account",
            Reach::Chat => "this chat",
            Reach::Group => "this group",
        };
        format!("The rule for {whom}: {}.", self.kind)
    }
}

/// An open send counts as now. In a wide lane it will be dated at its start once it ends, so asking again every 20th
/// of the window finds out soon enough.
fn as_of(grant: &OpenGrant, window: Duration, now: Timestamp) -> Timestamp {
    if grant.wide { grant.call_at.max(now - window * 19 / 20) } else { now }
}

fn cap(count: usize, window: Duration, track: &Track, open: &[&OpenGrant], now: Timestamp) -> Free {
    // The window is full while the count-th newest send lies in it; open ones are the newest of all.
    if let Some(settled) = count.checked_sub(open.len()).filter(|settled| *settled > 0) {
        let binding = track.sends.len().checked_sub(settled).map(|place| track.sends[place]);
        return Free { at: binding.map_or(Timestamp::ZERO, |send| send + window), open: false };
    }
    let mut dates: Vec<_> = open.iter().map(|grant| as_of(grant, window, now)).collect();
    dates.sort_unstable();
    Free { at: dates[dates.len() - count] + window, open: true }
}
