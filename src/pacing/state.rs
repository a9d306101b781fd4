//! What an account's lane remembers for pacing: dates of sends as far as a rule still counts them, and open grants. Its
//! times are the account's own.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::Days;
use crate::rule::with_slack;
use crate::run::Run;
use crate::spacing::{self, Arrival};
use crate::text::Row;
use crate::{Bucket, Kind, Profile, Reach};

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
    /// The send that the next gap counts from.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<Last>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<Run>,
    /// Rows of one text that go on.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rows: Vec<Row>,
    /// New contacts by day: today's, yesterday's, and perhaps tomorrow's.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) days: Vec<(i32, u32)>,
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

/// A send and the gaps that were drawn after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    #[serde(rename = "at", with = "crate::wire::micros")]
    pub(crate) at: Timestamp,
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) gaps: BTreeMap<String, u64>,
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
    pub(crate) call_at: Timestamp,
    #[serde(rename = "c")]
    pub(crate) chat: String,
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_group: bool,
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) wide: bool,
    /// It counts as a new contact.
    #[serde(rename = "n", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_new: bool,
    /// The final words of a campaign.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<u64>,
    /// The gaps after it, in microseconds by the rule's key: drawn at the grant, once.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) gaps: BTreeMap<String, u64>,
}

/// When a call started, by a clock that may be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Not before.
    pub earliest: Timestamp,
    /// Not after.
    pub latest: Timestamp,
}

impl From<Timestamp> for Started {
    fn from(at: Timestamp) -> Self {
        Self { earliest: at, latest: at }
    }
}

/// When a send took place: its call began at `from`, and `at` is the date that windows count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dates {
    pub(crate) from: Timestamp,
    pub(crate) at: Timestamp,
    /// Somebody knows that it was made.
    pub(crate) is_certain: bool,
}

impl State {
    /// The state of an account that never sent. Where it may have, use [`State::rebuild`].
    pub fn new(profile: &Profile) -> Self {
        Self {
            rules: profile.fingerprint(),
            account: Track::default(),
            chats: BTreeMap::new(),
            last: None,
            batch: None,
            rows: Vec::new(),
            days: Vec::new(),
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
    /// call and one at the provider agree, and at the call's start, at the latest, in a wider one. No pause lay before it
    /// but what had passed when it started at the earliest. False when the grant is unknown (expired or lost with an
    /// earlier state): nothing changes then.
    pub fn settle(
        &mut self,
        profile: &Profile,
        token: Token,
        started: impl Into<Started>,
        answered: Timestamp,
    ) -> bool {
        let Started { earliest, latest } = started.into();
        let (tempo, answered) = (profile.tempo(), answered.max(latest));
        let (from, to) = (tempo.inside(earliest), tempo.inside_up(answered));
        let dates = |grant: &OpenGrant| {
            let at = if grant.wide { tempo.inside(latest) } else { to };
            Dates { from, at, is_certain: true }
        };
        self.end(profile, token, to, dates)
    }

    /// Ends a grant whose worker died: dated at `at` (the end of its lease), and never given back, because its call
    /// may have been made. False when the grant is unknown.
    pub fn expire_grant(&mut self, profile: &Profile, token: Token, at: Timestamp) -> bool {
        let at = profile.tempo().inside_up(at);
        self.end(profile, token, at, |grant| Dates { from: grant.call_at, at, is_certain: false })
    }

    /// Takes back a grant whose call was certainly not made: only the worker that holds it knows that (the row was
    /// canceled meanwhile, or the call would have started too late). It counts nowhere then. False when the grant is
    /// unknown.
    pub fn withdraw(&mut self, token: Token) -> bool {
        let before = self.open.len();
        self.open.retain(|grant| grant.token != token);
        self.open.len() < before
    }

    /// After this the state may be thrown away. Open grants count from the start of their call.
    pub fn binds_until(&self, profile: &Profile) -> Timestamp {
        let memory = profile.memory();
        let account = profile.log(|reach| reach == Reach::Account).1;
        let chat = profile.log(|reach| reach != Reach::Account).1;
        let open = self.open.iter().map(|grant| grant.call_at + memory);
        let chats = self.chats.values().map(|track| track.binds_until(chat));
        let zone = profile.facts().zone;
        let days = self.days.iter().map(|(day, _)| zone.start_of_day(day.saturating_add(1)));
        let others = [
            Some(self.account.binds_until(account)),
            Some(self.forgotten),
            self.last.as_ref().map(|last| last.at + longest_gap(profile)),
            self.batch.map(|run| run.last + batch_pause(profile, self.wide)),
            self.rows.iter().map(|row| row.run.last + text_rest(profile, self.wide)).max(),
        ];
        let all = open.chain(chats).chain(days).chain(others.into_iter().flatten());
        profile.tempo().outside(all.max().unwrap_or_default())
    }

    /// What the days count, open grants included.
    pub(crate) fn days_of(&self, profile: &Profile) -> Days<'_> {
        let open = self.open.iter().filter(|grant| grant.is_new).count();
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        Days { zone: profile.facts().zone, counted: &self.days, open }
    }

    /// Counts a send in every rule but that of new contacts.
    pub(crate) fn record(&mut self, profile: &Profile, send: &OpenGrant, dates: Dates) {
        let Dates { from, at, .. } = dates;
        let (most, _) = profile.log(|reach| reach == Reach::Account);
        self.account.log(at, most);
        let (most, _) = profile.log(|reach| reach != Reach::Account && reach.covers(send.is_group));
        if most > 0 {
            self.chat(send).log(at, most);
        }
        for rule in profile.rules() {
            match rule.kind {
                Kind::Batch(batch) => {
                    let pause = with_slack(batch.pause, send.wide);
                    self.batch = Some(Run::and(self.batch, from, at, pause));
                }
                Kind::IdenticalText(text) => {
                    let rest = with_slack(text.rest, send.wide);
                    if let Some(text) = send.text {
                        Row::count(&mut self.rows, text, dates, rest);
                    }
                }
                Kind::Bucket(Bucket { every, burst }) => {
                    let track = match rule.reach {
                        Reach::Account => &mut self.account,
                        reach if reach.covers(send.is_group) => self.chat(send),
                        _ => continue,
                    };
                    let before = track.arrivals.remove(rule.key.as_ref());
                    let after = spacing::quota(with_slack(every, send.wide), burst)
                        .map_or(before, |quota| spacing::charge(quota, before, at));
                    track.arrivals.extend(after.map(|after| (rule.key.to_string(), after)));
                }
                // A gap lies between one send and the next: the one that was drawn before this send is over. (In a wide lane
                // sends may end out of order.)
                Kind::Gap(..) if !send.wide || self.last.as_ref().is_none_or(|last| last.at < at) => {
                    self.last = Some(Last { at, gaps: send.gaps.clone() });
                }
                _ => {}
            }
        }
    }

    /// What is remembered of the chat of a send.
    pub(crate) fn chat(&mut self, send: &OpenGrant) -> &mut Track {
        let track = self.chats.entry(send.chat.clone()).or_default();
        track.is_group = send.is_group;
        track
    }

    /// Counts a new contact in every day that the call to it touched.
    pub(crate) fn count_new(&mut self, profile: &Profile, from: Timestamp, to: Timestamp) {
        let (first, last) = (profile.facts().zone.day(from), profile.facts().zone.day(to));
        self.count_day(first);
        if last != first {
            self.count_day(last);
        }
    }

    fn count_day(&mut self, day: i32) {
        match self.days.iter_mut().find(|(of, _)| *of == day) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.days.push((day, 1)),
        }
    }

    fn end(
        &mut self,
        profile: &Profile,
        token: Token,
        to: Timestamp,
        dates: impl Fn(&OpenGrant) -> Dates,
    ) -> bool {
        let Some(place) = self.open.iter().position(|grant| grant.token == token) else {
            return false;
        };
        let grant = self.open.remove(place);
        // Never before the granted start: a clock that stepped back must not make the send look older than it is.
        let late = |at: Timestamp| at.max(grant.call_at);
        let Dates { from, at, is_certain } = dates(&grant);
        if grant.is_new {
            self.count_new(profile, late(from), late(to));
        }
        self.record(profile, &grant, Dates { from: late(from), at: late(at), is_certain });
        true
    }
}

/// For how long a send may matter to the next gap.
pub(crate) fn longest_gap(profile: &Profile) -> Duration {
    let gaps = profile.rules().iter().filter(|rule| matches!(rule.kind, Kind::Gap(..)));
    gaps.map(|rule| rule.kind.memory()).max().unwrap_or_default()
}

pub(crate) fn batch_pause(profile: &Profile, wide: bool) -> Duration {
    let pause = profile.rules().iter().find_map(|rule| match rule.kind {
        Kind::Batch(batch) => Some(batch.pause),
        _ => None,
    });
    with_slack(pause.unwrap_or_default(), wide)
}

pub(crate) fn text_rest(profile: &Profile, wide: bool) -> Duration {
    let rest = profile.rules().iter().find_map(|rule| match rule.kind {
        Kind::IdenticalText(text) => Some(text.rest),
        _ => None,
    });
    with_slack(rest.unwrap_or_default(), wide)
}

impl OpenGrant {
    /// When its call was to start, in lane time.
    pub fn call_at(&self, profile: &Profile) -> Timestamp {
        profile.tempo().outside(self.call_at)
    }

    /// The gap that was drawn for a rule; the longest where none was.
    pub(crate) fn gap(&self, key: &str, longest: Duration) -> Duration {
        drawn(&self.gaps, key, longest)
    }

    /// An open send counts as now. In a wide lane it will be dated at its start once it ends, so asking again every 20th
    /// of the window finds out soon enough.
    pub(crate) fn as_of(&self, window: Duration, now: Timestamp) -> Timestamp {
        if self.wide { self.call_at.max(now - window * 19 / 20) } else { now }
    }
}

impl Last {
    /// The gap that was drawn for a rule; the longest where none was.
    pub(crate) fn gap(&self, key: &str, longest: Duration) -> Duration {
        drawn(&self.gaps, key, longest)
    }
}

fn drawn(gaps: &BTreeMap<String, u64>, key: &str, longest: Duration) -> Duration {
    gaps.get(key).map_or(longest, |micros| Duration::from_micros(*micros).min(longest))
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

    fn binds_until(&self, window: Duration) -> Timestamp {
        let log = self.sends.last().map(|send| *send + window);
        let arrivals = self.arrivals.values().map(|arrival| spacing::binds_until(*arrival));
        arrivals.chain(log).max().unwrap_or_default()
    }
}
