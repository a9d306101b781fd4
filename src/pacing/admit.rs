//! The decision: may this message start now?

use std::time::Duration;

use model::{Pace, Purpose, Scope, Timestamp, Wait};

use crate::state::{OpenGrant, Token, Track};
use crate::typing::{Seed, typing, uniform};
use crate::{Ask, Decision, Grant, Kind, Profile, Reach, Rule, State};

/// Rules that look at the calendar may send a message on from one to the other so often before it is asked again.
const ROUNDS: u32 = 16;
/// How soon one looks again where only the end of an open send can tell.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Decides at `now` (lane time). `random` gives uniform numbers; it is asked only when the answer is yes, for the grant's
/// name. The gaps after this send are drawn from its id, so that whoever plays it ahead agrees.
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
    let look = Look::new(profile, state, ask, now);
    if let Some((rule, reason)) = look.refusal() {
        return Decision::Refuse { rule, reason };
    }
    let mut at = look.now;
    let mut last = None;
    for _ in 0..ROUNDS {
        let Some(hold) = look.last_hold(at) else { break };
        at = hold.until;
        // Nobody knows what the end of an open send will change, or whether more contacts will have answered.
        let is_guess = !state.open.is_empty() || hold.is_for_answers();
        last = Some(hold);
        if is_guess {
            break;
        }
    }
    if let Some(hold) = last {
        let until = profile.tempo().outside(hold.until);
        return Decision::Wait(Wait { until: Some(until), ..look.wait(&hold) });
    }
    let mut next = state.clone();
    next.prune_inside(profile, look.now);
    next.wide = look.wide;
    let token = Token(random());
    let mut drawn = Seed::of_gaps(ask.id);
    let gaps = profile.rules().iter().filter_map(|rule| match rule.kind {
        Kind::Gap(_, gap) => {
            let gap = uniform(gap.min, gap.max, drawn.next());
            Some((rule.key.to_string(), u64::try_from(gap.as_micros()).unwrap_or(u64::MAX)))
        }
        _ => None,
    });
    next.open.push(OpenGrant {
        token,
        id: ask.id,
        call_at: look.now + look.typing,
        chat: ask.chat.to_owned(),
        is_group: ask.is_group,
        wide: look.wide,
        is_new: ask.contact.is_new,
        text: look.text(),
        gaps: gaps.collect(),
    });
    let call_at = profile.tempo().outside(look.now + look.typing).max(now);
    let typing = call_at.since(now);
    let (pace, is_new) = (look.pace, ask.contact.is_new);
    Decision::Go(Grant { token, call_at, typing, pace, is_new, state: next })
}

/// The rules that hold a message at `now`, each by itself, and until when: it is the same for others that are like this one,
/// so they need not be asked about. Where open sends make it a guess it is left out.
pub(crate) fn held_by<'a>(
    profile: &'a Profile,
    state: &State,
    ask: &Ask<'_>,
    now: Timestamp,
) -> Vec<(&'a Rule, Timestamp)> {
    let look = Look::new(profile, state, ask, now);
    let held = profile.rules().iter().filter_map(|rule| {
        let free = look.free(rule, look.now).filter(|free| !free.open)?;
        let start = free.at - look.typing;
        (start > look.now).then(|| (rule, profile.tempo().outside(start)))
    });
    held.collect()
}

/// When a rule lets a message go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Free {
    /// Its call may start then, not before; may lie in the past.
    pub(crate) at: Timestamp,
    /// An open send is the reason, so the time is the earliest possible one.
    pub(crate) open: bool,
    /// How much waits, where the rule knows better than its kind.
    pub(crate) scope: Option<Scope>,
}

impl Free {
    pub(crate) const fn at(at: Timestamp) -> Self {
        Self { at, open: false, scope: None }
    }

    pub(crate) const fn after_open(at: Timestamp) -> Self {
        Self { at, open: true, scope: None }
    }
}

/// What holds a message.
struct Hold<'a> {
    until: Timestamp,
    scope: Scope,
    by: By<'a>,
}

impl Hold<'_> {
    fn is_for_answers(&self) -> bool {
        matches!(self.by, By::Rule(Rule { kind: Kind::ResponseRate(_), .. }))
    }
}

enum By<'a> {
    Rule(&'a Rule),
    Clock,
    Probe,
}

/// One look at a message; its times are the account's own.
struct Look<'a> {
    profile: &'a Profile,
    state: &'a State,
    ask: &'a Ask<'a>,
    now: Timestamp,
    pace: Pace,
    typing: Duration,
    wide: bool,
    /// 2 where a poor response rate doubles the gap.
    times: u32,
}

impl<'a> Look<'a> {
    fn new(profile: &'a Profile, state: &'a State, ask: &'a Ask<'a>, now: Timestamp) -> Self {
        let inside = |at| profile.tempo().inside(at);
        let now = inside(now);
        let pace = ask.purpose.pace(ask.contact.last_inbound_at.map(inside), now);
        let slow = profile.response_share().is_some_and(|share| share.slows(ask.response, pace));
        Self {
            profile,
            state,
            ask,
            now,
            pace,
            typing: typing(profile, ask),
            wide: ask.width > 1,
            times: if slow { 2 } else { 1 },
        }
    }

    fn is_campaign(&self) -> bool {
        self.ask.purpose == Purpose::Campaign
    }

    /// The words that rows of identical text count.
    fn text(&self) -> Option<u64> {
        self.ask.text.filter(|_| self.is_campaign())
    }

    /// What forbids the message for good.
    fn refusal(&self) -> Option<(&'static str, String)> {
        if !self.is_campaign() {
            return None;
        }
        let chat = &self.ask.contact;
        self.profile.rules().iter().find_map(|rule| match &rule.kind {
            Kind::OptOut(_) if chat.opted_out => {
                Some(("opted_out", "the contact asked for no more campaigns".to_owned()))
            }
            Kind::StaleContact(stale) => {
                let since = stale.silent_since(chat, |at| self.profile.tempo().inside(at), self.now)?;
                Some(("stale_contact", format!("the contact is silent since {since}: {stale}")))
            }
            _ => None,
        })
    }

    /// The hold that ends last, of those that a message started at `at` would meet; none where it may start. A pause for want
    /// of answers is told before all others: when it ends is asked anew then, so what ends after it says nothing.
    fn last_hold(&self, at: Timestamp) -> Option<Hold<'a>> {
        let mut last: Option<Hold<'a>> = None;
        let mut hold = |until: Timestamp, scope: Scope, by: By<'a>| {
            let hold = Hold { until, scope, by };
            let rank = |hold: &Hold<'_>| (hold.is_for_answers(), hold.until);
            if until > at && last.as_ref().is_none_or(|last| rank(&hold) > rank(last)) {
                last = Some(hold);
            }
        };
        // What was pruned cannot be asked any more; by then none of it binds.
        hold(self.state.forgotten - self.typing, Scope::Lane, By::Clock);
        if self.ask.probing && !self.state.open.is_empty() {
            hold(at + LOOK_AGAIN, Scope::Lane, By::Probe);
        }
        for rule in self.profile.rules() {
            if let Some(free) = self.free(rule, at) {
                // Nobody knows when an open send will end: typing towards a guess could end in a call that is too early.
                let start = if free.open { free.at } else { free.at - self.typing };
                hold(start, free.scope.unwrap_or_else(|| rule.scope(self.ask)), By::Rule(rule));
            }
        }
        last
    }

    /// When a rule lets the message go that would start at `at`; none where it does not bind it.
    fn free(&self, rule: &Rule, at: Timestamp) -> Option<Free> {
        let (state, ask) = (self.state, self.ask);
        let call = at + self.typing;
        let open = || state.open.iter().collect::<Vec<_>>();
        Some(match &rule.kind {
            Kind::Gap(pace, gap) if *pace == self.pace => {
                gap.free(&rule.key, self.times, state.last.as_ref(), &open(), self.wide, at)
            }
            Kind::Bucket(_) | Kind::Cap(_) if rule.reach.covers(ask.is_group) => {
                let none = Track::default();
                if rule.reach == Reach::Account {
                    rule.free_in(&state.account, &open(), self.wide, at)
                } else {
                    let track = state.chats.get(ask.chat).unwrap_or(&none);
                    let same = state.open.iter().filter(|grant| grant.chat == ask.chat).collect::<Vec<_>>();
                    rule.free_in(track, &same, self.wide, at)
                }
            }
            Kind::Batch(batch) => batch.free(state.batch.as_ref(), &open(), self.wide, at),
            Kind::NewContacts(rule) if ask.contact.is_new => {
                let connected = self.profile.facts().first_connected_at;
                state.days_of(self.profile).free(call, |at| rule.cap(connected, at))
            }
            Kind::WarmUp(rule) => {
                let registered = self.profile.facts().registered_at?;
                rule.free(registered, ask, state.days_of(self.profile), call)
            }
            Kind::IdenticalText(rule) => rule.free(self.text()?, &state.rows, &open(), self.wide, at),
            Kind::ResponseRate(share) => share.free(ask, self.now),
            Kind::QuietHours(hours) if self.is_campaign() => {
                let zone = ask.contact.zone.unwrap_or(self.profile.facts().zone);
                Free::at(hours.free(zone, call))
            }
            _ => return None,
        })
    }

    /// What a person reads of a hold.
    fn wait(&self, hold: &Hold<'_>) -> Wait {
        let (rule, detail) = match hold.by {
            By::Rule(rule) => (rule.name.to_string(), self.detail(rule)),
            By::Clock => {
                let text = "The clock stepped back; sending goes on when it has caught up.";
                ("clock".to_owned(), text.to_owned())
            }
            By::Probe => {
                let text = "The account failed too often in a row; it is tried with one message at a time.";
                ("probe".to_owned(), text.to_owned())
            }
        };
        Wait { rule, scope: hold.scope, until: None, detail: Some(detail) }
    }

    fn detail(&self, rule: &Rule) -> String {
        let mut text = rule.words();
        let answers = self.ask.response.filter(|_| match rule.kind {
            Kind::Gap(..) => self.times > 1,
            ref kind => matches!(kind, Kind::ResponseRate(_)),
        });
        if let Some(answers) = answers {
            let (wrote, of) = (answers.wrote, answers.recipients);
            let doubled = if self.times > 1 && matches!(rule.kind, Kind::Gap(..)) { " Doubled:" } else { "" };
            text.extend([format!("{doubled} {wrote} of {of} recipients of campaigns answered.")]);
        }
        text
    }
}

impl Rule {
    /// When a bucket or a cap lets the next send go, for one track and the open grants that count in it.
    pub(crate) fn free_in(&self, track: &Track, open: &[&OpenGrant], wide: bool, now: Timestamp) -> Free {
        match &self.kind {
            Kind::Bucket(bucket) => bucket.free(track.arrival(&self.key), open, wide, now),
            Kind::Cap(cap) => cap.free(&track.sends, open, wide, now),
            _ => Free::at(Timestamp::ZERO),
        }
    }
}
