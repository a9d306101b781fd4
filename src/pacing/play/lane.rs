//! The lane of the play: which message goes next, by the promises that the real lanes keep.
//!
//! As there, everything that may happen next is the first entry of some ordered set. One thing is different, and only
//! in what it costs: a wait that is the same for many recipients (the day's new contacts are used up, a text must rest)
//! is told to the first of them and kept once, for the [`Group`] of all, instead of being told to each in turn.

use std::collections::{BTreeSet, HashMap, VecDeque};

use model::{Class, Origin, Purpose, Scope, Timestamp, Wait};

use super::group::{From, Group, Sort};
use super::hold::Hold;
use super::{Held, HoldOn, Planned};
use crate::{Chat, Kind, Rule};

/// One chat, and the messages to it.
#[derive(Debug)]
pub(super) struct Key {
    /// What is known of who is written to, kept up while the play goes on.
    pub contact: Chat,
    lines: [VecDeque<usize>; 3],
    /// One of its messages is under way.
    claimed: bool,
    hold: Hold,
    /// Its place among the ready keys: lower goes first. Unique.
    turn: u64,
    place: Place,
}

/// A message, as long as it waits and after.
#[derive(Debug)]
pub(super) struct Job {
    pub planned: Planned,
    pub key: usize,
    /// When it joined its key's line.
    pub joined: Timestamp,
    wait: Hold,
    /// It was told to wait for its pace last: it does, together with the others that were.
    is_slow: bool,
    /// What it was told last.
    told: Option<(String, Option<Timestamp>)>,
}

/// Where a key is found. Kept right by [`Lane::place`].
#[derive(Debug, Clone, Copy)]
enum Place {
    Nowhere,
    Claimed,
    Ready { rank: usize, group: usize, text: Option<u64> },
    Held { rank: usize, until: Timestamp },
}

/// What the lane keeps a class.
#[derive(Debug, Default)]
struct Line {
    hold: Hold,
    /// On the slow ones.
    pace: Hold,
    groups: Vec<Group>,
    held: BTreeSet<(Timestamp, u64, usize)>,
}

/// The messages of one account that wait.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub jobs: Vec<Job>,
    pub keys: Vec<Key>,
    names: HashMap<String, usize>,
    hold: Hold,
    lines: [Line; 3],
    /// On campaigns, whatever their class.
    campaigns: Hold,
    /// Texts that rest, and the same by their ends.
    texts: HashMap<u64, Hold>,
    rests: BTreeSet<(Timestamp, u64)>,
    turns: u64,
    waiting: usize,
}

impl Lane {
    /// The key of a chat, made if it is new.
    pub fn key(&mut self, name: &str) -> usize {
        if let Some(key) = self.names.get(name) {
            return *key;
        }
        let key = self.keys.len();
        self.names.insert(name.to_owned(), key);
        self.keys.push(Key {
            contact: Chat { is_new: true, ..Chat::default() },
            lines: <[VecDeque<usize>; 3]>::default(),
            claimed: false,
            hold: Hold::default(),
            turn: 0,
            place: Place::Nowhere,
        });
        key
    }

    /// Takes a message in; it joins its key's line by [`Lane::join`].
    pub fn keep(&mut self, planned: Planned) -> usize {
        let key = self.key(&planned.chat);
        let wait =
            planned.after.map_or_else(Hold::default, |after| Hold::of(Wait::new("retry", Scope::Job, after)));
        self.jobs.push(Job { planned, key, joined: Timestamp::ZERO, wait, is_slow: false, told: None });
        self.jobs.len() - 1
    }

    /// Lets a message into its key's line, behind those of its class that are there.
    pub fn join(&mut self, job: usize, now: Timestamp) {
        let Job { planned, key, joined, .. } = &mut self.jobs[job];
        *joined = now;
        let key = *key;
        self.keys[key].lines[planned.class.rank()].push_back(job);
        self.waiting += 1;
        self.place(key, now);
    }

    /// How many messages are in a line.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// The message that a key offers: the head of its highest class.
    pub fn head(&self, key: usize) -> Option<usize> {
        self.keys[key].lines.iter().find_map(|line| line.front().copied())
    }

    /// The head of a key is under way.
    pub fn claim(&mut self, key: usize, now: Timestamp) {
        self.drop_head(key);
        self.keys[key].claimed = true;
        self.place(key, now);
    }

    /// A message of a key that is not played is under way.
    pub fn begin(&mut self, key: usize, now: Timestamp) {
        self.keys[key].claimed = true;
        self.place(key, now);
    }

    /// The message of a key that was under way is settled.
    pub fn settle(&mut self, key: usize, now: Timestamp) {
        self.turns += 1;
        let Key { claimed, turn, .. } = &mut self.keys[key];
        *claimed = false;
        *turn = self.turns;
        self.place(key, now);
    }

    /// What waited for its pace in this key may be a reply now: it waits with the others no more.
    pub fn hurry(&mut self, key: usize, now: Timestamp) {
        for line in &self.keys[key].lines {
            for job in line {
                self.jobs[*job].is_slow = false;
            }
        }
        self.place(key, now);
    }

    /// The head of a key never goes.
    pub fn skip(&mut self, key: usize, now: Timestamp) {
        self.claim(key, now);
        self.settle(key, now);
    }

    fn drop_head(&mut self, key: usize) {
        if let Some(line) = self.keys[key].lines.iter_mut().find(|line| !line.is_empty()) {
            line.pop_front();
            self.waiting -= 1;
        }
    }

    /// The head of a key must wait: sets the time on what the wait holds. `shared` are the rules that hold it, each by
    /// itself; what they say goes for its group. False when it was told just this before.
    pub fn wait(&mut self, key: usize, wait: &Wait, shared: &[(&Rule, Timestamp)], now: Timestamp) -> bool {
        let Some(job) = self.head(key) else { return false };
        let Planned { class, text, .. } = self.jobs[job].planned;
        let sort = self.sort(key, job);
        let hold = Hold::of(wait.clone());
        self.jobs[job].is_slow = wait.scope == Scope::Pace;
        let mut kept = false;
        for (rule, until) in shared {
            let hold = |scope| Hold::of(Wait::new(&*rule.name, scope, *until).because(rule.words()));
            match (&rule.kind, text) {
                (Kind::NewContacts(_), _) => {
                    self.hold_groups(class, &hold(Scope::Recipient), |group| group.is_new);
                }
                (Kind::WarmUp(_), _) => self.hold_groups(class, &hold(wait.scope), |group| {
                    group.is_new == sort.is_new && group.origin == sort.origin
                }),
                (Kind::QuietHours(_), _) => {
                    self.hold_groups(class, &hold(Scope::Job), |group| group.origin == sort.origin);
                }
                (Kind::IdenticalText(_), Some(text)) => self.rest(text, &hold(Scope::Job)),
                _ => continue,
            }
            kept = true;
        }
        match wait.scope {
            Scope::Lane => self.hold.extend(&hold),
            Scope::Class => self.lines[class.rank()].hold.extend(&hold),
            Scope::Pace => self.lines[class.rank()].pace.extend(&hold),
            // It waits with its group and is asked about again then.
            Scope::Job | Scope::Recipient if kept => {}
            Scope::Recipient => self.keys[key].hold.extend(&hold),
            Scope::Job => self.jobs[job].wait.extend(&hold),
        }
        self.place(key, now);
        if self.is_free(key, now) {
            // Its group is not the one that the rule meant. It waits all the same, else it would be asked about for ever.
            self.jobs[job].wait.extend(&hold);
            self.place(key, now);
        }
        let new = Some((wait.rule.clone(), wait.until));
        let told = &mut self.jobs[job].told;
        let changed = *told != new;
        *told = new;
        changed
    }

    /// Whether nothing holds a key as it stands.
    fn is_free(&self, key: usize, now: Timestamp) -> bool {
        let Place::Ready { rank, group, text } = self.keys[key].place else { return false };
        let line = &self.lines[rank];
        let holds = [self.hold.until, line.hold.until, self.end(line, &line.groups[group])];
        !self.rests(text, now) && holds.iter().all(|until| *until <= now)
    }

    fn rests(&self, text: Option<u64>, now: Timestamp) -> bool {
        text.and_then(|text| self.texts.get(&text)).is_some_and(|rest| rest.until > now)
    }

    fn hold_groups(&mut self, class: Class, hold: &Hold, which: impl Fn(&Sort) -> bool) {
        for group in self.lines[class.rank()].groups.iter_mut().filter(|group| which(&group.sort)) {
            group.hold.extend(hold);
        }
    }

    /// A text rests.
    fn rest(&mut self, text: u64, hold: &Hold) {
        let rest = self.texts.entry(text).or_default();
        self.rests.remove(&(rest.until, text));
        rest.extend(hold);
        self.rests.insert((rest.until, text));
        for group in self.lines.iter_mut().flat_map(|line| &mut line.groups) {
            group.rest(text);
        }
    }

    /// Another text went: those that rested may go again.
    pub fn other_text(&mut self, went: u64) {
        let over: Vec<_> = self.rests.iter().copied().filter(|(_, text)| *text != went).collect();
        for end in over {
            self.rests.remove(&end);
            self.texts.remove(&end.1);
            self.wake(end.1);
        }
    }

    fn wake(&mut self, text: u64) {
        for group in self.lines.iter_mut().flat_map(|line| &mut line.groups) {
            group.wake(text);
        }
    }

    /// Sets a hold from outside.
    pub fn hold(&mut self, on: &HoldOn, hold: &Hold, now: Timestamp) {
        match on {
            HoldOn::Lane => self.hold.extend(hold),
            HoldOn::Class(class) => self.lines[class.rank()].hold.extend(hold),
            HoldOn::Campaigns => self.campaigns.extend(hold),
            HoldOn::Chat(chat) => {
                let key = self.key(chat);
                self.keys[key].hold.extend(hold);
                self.place(key, now);
            }
        }
    }

    /// More is known of a contact: one that is new no more does not wait for another day.
    pub fn known(&mut self, key: usize, now: Timestamp) {
        let Key { contact, hold, .. } = &mut self.keys[key];
        if !contact.is_new && matches!(hold.rule(), Some("new_contacts" | "warm_up")) {
            *hold = Hold::default();
        }
        self.place(key, now);
    }

    /// Puts a key where it belongs: called after every change to it.
    pub fn place(&mut self, key: usize, now: Timestamp) {
        let Key { turn, place: before, claimed, .. } = self.keys[key];
        match before {
            Place::Ready { rank, group, text } => self.lines[rank].groups[group].remove(text, turn),
            Place::Held { rank, until } => drop(self.lines[rank].held.remove(&(until, turn, key))),
            Place::Nowhere | Place::Claimed => {}
        }
        self.keys[key].place = match self.head(key) {
            _ if claimed => Place::Claimed,
            None => Place::Nowhere,
            Some(job) => {
                if matches!(before, Place::Nowhere) {
                    self.turns += 1;
                    self.keys[key].turn = self.turns;
                }
                let turn = self.keys[key].turn;
                let Planned { class, text, .. } = self.jobs[job].planned;
                let rank = class.rank();
                let until = self.jobs[job].wait.until.max(self.keys[key].hold.until);
                if until > now {
                    self.lines[rank].held.insert((until, turn, key));
                    Place::Held { rank, until }
                } else {
                    let rests = self.rests(text, now);
                    let sort = self.sort(key, job);
                    let groups = &mut self.lines[rank].groups;
                    let group = groups.iter().position(|group| group.sort == sort).unwrap_or_else(|| {
                        groups.push(Group::new(sort));
                        groups.len() - 1
                    });
                    groups[group].insert(text, turn, key, rests);
                    Place::Ready { rank, group, text }
                }
            }
        };
    }

    /// The group to which a message belongs now.
    fn sort(&self, key: usize, job: usize) -> Sort {
        let contact = &self.keys[key].contact;
        let planned = &self.jobs[job].planned;
        let origin = match (planned.purpose, planned.origin) {
            (Purpose::Campaign, _) => From::Campaign(contact.zone),
            (Purpose::Conversation, Origin::Agent) => From::Person,
            _ => From::Other,
        };
        Sort { is_new: contact.is_new, is_slow: self.jobs[job].is_slow, origin }
    }

    /// The key whose head goes next, if one may go now.
    pub fn choose(&mut self, now: Timestamp) -> Option<usize> {
        while let Some((_, text)) = self.rests.first().copied().filter(|(end, _)| *end <= now) {
            self.rests.pop_first();
            self.wake(text);
        }
        if self.hold.until > now {
            return None;
        }
        for rank in 0..self.lines.len() {
            if self.lines[rank].hold.until > now {
                continue;
            }
            while let Some((_, _, key)) = self.lines[rank].held.first().copied().filter(|held| held.0 <= now)
            {
                self.place(key, now);
            }
            let line = &self.lines[rank];
            let open = line.groups.iter().filter(|group| self.end(line, group) <= now);
            if let Some((_, key)) = open.filter_map(Group::first).min() {
                return Some(key);
            }
        }
        None
    }

    /// When a group may go, the holds on its class and on the lane aside.
    fn end(&self, line: &Line, group: &Group) -> Timestamp {
        let pace = if group.sort.is_slow { line.pace.until } else { Timestamp::ZERO };
        let is_campaign = matches!(group.sort.origin, From::Campaign(_));
        let campaigns = if is_campaign { self.campaigns.until } else { Timestamp::ZERO };
        group.hold.until.max(pace).max(campaigns)
    }

    /// When some message may go, were no other under way.
    pub fn due(&self) -> Option<Timestamp> {
        let first = self.lines.iter().filter_map(|line| {
            let groups = line.groups.iter();
            let ready = groups.filter(|group| group.first().is_some()).map(|group| self.end(line, group));
            let held = line.held.first().map(|held| held.0);
            Some(ready.chain(held).min()?.max(line.hold.until))
        });
        let rest = self.rests.first().map(|(end, _)| *end);
        let first = first.chain(rest).min()?.max(self.hold.until);
        (first < Hold::FOREVER).then_some(first)
    }

    /// What held the head of a key until now: the lane since the grant before, and itself since it joined.
    pub fn held(&self, key: usize, granted: Timestamp) -> Held {
        let Some(job) = self.head(key).map(|job| &self.jobs[job]) else { return Held::default() };
        let line = &self.lines[job.planned.class.rank()];
        let campaigns = (job.planned.purpose == Purpose::Campaign).then_some(&self.campaigns);
        let group = match self.keys[key].place {
            Place::Ready { group, .. } => Some(&line.groups[group].hold),
            _ => None,
        };
        let rest = job.planned.text.and_then(|text| self.texts.get(&text));
        let own = [&self.keys[key].hold, &job.wait].into_iter().chain(group).chain(rest).chain(campaigns);
        let shared = [&self.hold, &line.hold].into_iter().chain(job.is_slow.then_some(&line.pace));
        let last = |holds: &mut dyn Iterator<Item = &Hold>, since: Timestamp| {
            let last = holds.filter(|hold| hold.until > since).max_by_key(|hold| hold.until);
            last.and_then(|hold| hold.wait.clone())
        };
        Held {
            joined: job.joined,
            last: last(&mut own.clone().chain(shared), granted.max(job.joined)),
            own: last(&mut own.clone(), job.joined),
        }
    }
}
