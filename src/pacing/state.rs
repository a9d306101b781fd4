//! What an account's lane remembers for pacing: dates of sends as far as a rule still counts them, and open grants.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rule::with_slack;
use crate::spacing::{self, Arrival};
use crate::{Kind, Profile, Reach};

/// The pacing state of one account. It has one writer: whoever holds the lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The fingerprint of the profile it was made under.
    #[serde(rename = "r")]
    pub(crate) rules: u64,
    #[serde(rename = "a", default)]
    pub(crate) account: Track,
    #[serde(rename = "c", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) chats: BTreeMap<String, Track>,
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) open: Vec<OpenGrant>,
    /// Whether the lane was wider than 1 when it was last asked.
    #[serde(rename = "w", default)]
    pub(crate) wide: bool,
    /// Whatever was pruned had ceased to bind by then. A clock that stepped back behind it must wait for it.
    #[serde(rename = "f", default, with = "crate::wire::micros")]
    pub(crate) forgotten: Timestamp,
}

/// What is remembered of the account, or of one chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Track {
    /// It is a chat, and a group.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_group: bool,
    /// Dates of the newest sends, rising; as many as the largest cap counts.
    #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty", with = "crate::wire::log")]
    pub(crate) sends: Vec<Timestamp>,
    /// governor's arrival times, by the rule's key.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) arrivals: BTreeMap<String, u64>,
}

/// Names a grant. Drawn at random, so that it means nothing to another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub(crate) u64);

/// A grant whose send has not ended yet, as far as the state knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGrant {
    /// Names it.
    #[serde(rename = "t")]
    pub token: Token,
    /// The message it was given for.
    #[serde(rename = "m")]
    pub id: Uuid,
    /// When its call was to start.
    #[serde(rename = "at", with = "crate::wire::micros")]
    pub call_at: Timestamp,
    #[serde(rename = "c")]
    pub(crate) chat: String,
    #[serde(rename = "p")]
    pub(crate) is_group: bool,
    #[serde(rename = "w")]
    pub(crate) wide: bool,
    /// The gaps after it, in microseconds by the rule's key: drawn at the grant, once.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) gaps: BTreeMap<String, u64>,
}

impl State {
    /// The state of an account that never sent. Where it may have, use [`State::rebuild`].
    pub fn new(profile: &Profile) -> Self {
        Self {
            rules: profile.fingerprint(),
            account: Track::default(),
            chats: BTreeMap::new(),
            open: Vec::new(),
            wide: false,
            forgotten: Timestamp::ZERO,
        }
    }

    /// Grants without an end yet. Those of a worker that is gone must be given to [`State::expire_grant`], else they
    /// count as *now* for ever.
    pub fn open_grants(&self) -> &[OpenGrant] {
        &self.open
    }

    /// Ends a grant whose call was made. It is dated at the answer in a lane of width 1, so that a counter at our
    /// call and one at the provider agree, and at the call's start in a wider one. False when the grant is unknown
    /// (expired or lost with an earlier state): nothing changes then.
    pub fn settle(
        &mut self,
        profile: &Profile,
        token: Token,
        started: Timestamp,
        answered: Timestamp,
    ) -> bool {
        self.end(profile, token, |grant| if grant.wide { started } else { answered.max(started) })
    }

    /// Ends a grant whose worker died: dated at `at` (the end of its lease), and never given back, because its call
    /// may have been made. False when the grant is unknown.
    pub fn expire_grant(&mut self, profile: &Profile, token: Token, at: Timestamp) -> bool {
        self.end(profile, token, |_| at)
    }

    /// Takes back a grant whose call was certainly not made: only the worker that holds it knows that (the row was
    /// canceled meanwhile, or the call would have started too late). False when the grant is unknown.
    pub fn withdraw(&mut self, token: Token) -> bool {
        let before = self.open.len();
        self.open.retain(|grant| grant.token != token);
        self.open.len() < before
    }

    /// Forgets what binds nobody at `now`. A grant does this by itself.
    pub fn prune(&mut self, profile: &Profile, now: Timestamp) {
        let mut forgotten = self.forgotten;
        let (most, window) = profile.log(|reach| reach == Reach::Account);
        self.account.prune(most, window, now, &mut forgotten);
        let (most, window) = profile.log(|reach| reach != Reach::Account);
        self.chats.retain(|_, track| {
            track.prune(most, window, now, &mut forgotten);
            !track.is_empty()
        });
        self.forgotten = forgotten;
    }

    /// After this the state may be thrown away. Open grants count from the start of their call.
    pub fn binds_until(&self, profile: &Profile) -> Timestamp {
        let account = profile.log(|reach| reach == Reach::Account).1;
        let chat = profile.log(|reach| reach != Reach::Account).1;
        let open = self.open.iter().map(|grant| grant.call_at + profile.horizon());
        let chats = self.chats.values().map(|track| track.binds_until(chat));
        let all = open.chain(chats).chain([self.account.binds_until(account), self.forgotten]);
        all.max().unwrap_or_default()
    }

    /// Counts a send at `at` in every rule.
    pub(crate) fn record(&mut self, profile: &Profile, send: &OpenGrant, at: Timestamp) {
        let (most, _) = profile.log(|reach| reach == Reach::Account);
        self.account.log(at, most);
        let (most, _) = profile.log(|reach| reach != Reach::Account && reach.covers(send.is_group));
        if most > 0 {
            self.chat(send).log(at, most);
        }
        for rule in profile.rules() {
            let (every, burst) = match rule.kind {
                Kind::Gap { max, .. } => (send.gap(&rule.key, max), 1),
                Kind::Bucket { every, burst } => (every, burst),
                Kind::Cap { .. } | Kind::Typing { .. } => continue,
            };
            let track = match rule.reach {
                Reach::Account => &mut self.account,
                reach if reach.covers(send.is_group) => self.chat(send),
                _ => continue,
            };
            // A gap lies between one send and the next: the one that was drawn before this send is over. (In a wide lane
            // sends may end out of order, so there the longer one stays.)
            let over = matches!(rule.kind, Kind::Gap { .. }) && !send.wide;
            let before = track.arrivals.remove(rule.key.as_ref()).filter(|_| !over);
            let after = spacing::quota(with_slack(every, send.wide), burst)
                .map_or(before, |quota| spacing::charge(quota, before, at));
            track.arrivals.extend(after.map(|after| (rule.key.to_string(), after)));
        }
    }

    /// What is remembered of the chat of a send.
    pub(crate) fn chat(&mut self, send: &OpenGrant) -> &mut Track {
        let track = self.chats.entry(send.chat.clone()).or_default();
        track.is_group = send.is_group;
        track
    }

    fn end(&mut self, profile: &Profile, token: Token, at: impl Fn(&OpenGrant) -> Timestamp) -> bool {
        let Some(place) = self.open.iter().position(|grant| grant.token == token) else {
            return false;
        };
        let grant = self.open.remove(place);
        // Never before the granted start: a clock that stepped back must not make the send look older than it is.
        let at = at(&grant).max(grant.call_at);
        self.record(profile, &grant, at);
        true
    }
}

impl OpenGrant {
    /// The gap that was drawn for a rule; the longest where none was.
    pub(crate) fn gap(&self, key: &str, longest: Duration) -> Duration {
        self.gaps.get(key).map_or(longest, |micros| Duration::from_micros(*micros).min(longest))
    }
}

impl Track {
    pub(crate) fn arrival(&self, key: &str) -> Arrival {
        self.arrivals.get(key).copied()
    }

    fn log(&mut self, at: Timestamp, most: usize) {
        // Calls of a wide lane end out of order.
        let place = self.sends.partition_point(|send| *send <= at);
        self.sends.insert(place, at);
        let surplus = self.sends.len().saturating_sub(most);
        self.sends.drain(..surplus);
    }

    fn prune(&mut self, most: usize, window: Duration, now: Timestamp, forgotten: &mut Timestamp) {
        let surplus = self.sends.len().saturating_sub(most);
        let over = self.sends.partition_point(|send| *send + window <= now).max(surplus);
        for send in self.sends.drain(..over) {
            *forgotten = (*forgotten).max((send + window).min(now));
        }
        self.arrivals.retain(|_, arrival| {
            let end = spacing::binds_until(*arrival);
            if end <= now {
                *forgotten = (*forgotten).max(end);
            }
            end > now
        });
    }

    fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.arrivals.is_empty()
    }

    fn binds_until(&self, window: Duration) -> Timestamp {
        let log = self.sends.last().map(|send| *send + window);
        let arrivals = self.arrivals.values().map(|arrival| spacing::binds_until(*arrival));
        arrivals.chain(log).max().unwrap_or_default()
    }
}
