//! The sandbox's state, behind one lock that is never held across a wait.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hex::encode;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::SandboxConfig;
use crate::account::Account;
use crate::clock::{Clock, wall_micros};
use crate::event::{Event, Timeline};
use crate::memory::Keys;
use crate::report::{Call, Counts, Example, Forgotten, Report};
use crate::saved::{self, Saved};
use crate::session::Desk;
use crate::watch::Watches;
use crate::wire::Refusal;

/// Examples kept of each kind of trouble.
const EXAMPLES: usize = 20;

pub(crate) struct World {
    pub(crate) config: SandboxConfig,
    pub(crate) clock: Clock,
    pub(crate) keys: Keys,
    pub(crate) timeline: Timeline,
    pub(crate) webhooks: Client<HttpConnector, Full<Bytes>>,
    pub(crate) stopped: CancellationToken,
    state: Mutex<State>,
}

/// A file that was uploaded.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) mime: String,
}

pub(crate) struct State {
    /// By token.
    pub(crate) accounts: HashMap<String, Account>,
    /// Limits of apps, by name.
    pub(crate) apps: HashMap<String, Watches>,
    pub(crate) calls: VecDeque<Call>,
    pub(crate) next_call: u64,
    pub(crate) forgotten_calls: u64,
    pub(crate) violations: Vec<Example>,
    pub(crate) inversions: Vec<Example>,
    pub(crate) duplicates: Vec<Example>,
    pub(crate) overlaps: Vec<Example>,
    pub(crate) desk: Desk,
    pub(crate) files: HashMap<String, Stored>,
    pub(crate) file_order: VecDeque<String>,
    pub(crate) file_bytes: usize,
    /// The last id given. Starts at the calendar's microseconds: a sandbox that was started again never repeats
    /// an id that somebody has stored.
    last_id: u64,
}

impl World {
    pub(crate) fn new(config: SandboxConfig, webhooks: Client<HttpConnector, Full<Bytes>>) -> Self {
        let first = config.first_id.unwrap_or_else(wall_micros);
        Self {
            config,
            clock: Clock::start(),
            keys: Keys::default(),
            timeline: Timeline::default(),
            webhooks,
            stopped: CancellationToken::new(),
            state: Mutex::new(State::new(first)),
        }
    }

    /// Takes up the accounts of the run before.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let Some(path) = &self.config.state else { return Ok(()) };
        let mut state = self.lock();
        for saved in saved::load(path)? {
            if let Some(device) = &saved.settings.device {
                state.desk.knows(device, &saved.token);
            }
            let account = state.register(&saved.token, &self.config);
            account.name = saved.name;
            account.settings = saved.settings;
        }
        Ok(())
    }

    /// Writes down what holds for an account now. A provider that cannot is none to rely on, but it goes on.
    pub(crate) fn save(&self, token: &str, account: &Account) {
        let Some(path) = &self.config.state else { return };
        let saved =
            Saved { token: token.to_owned(), name: account.name.clone(), settings: account.settings.clone() };
        if let Err(error) = saved::append(path, &[saved]) {
            tracing::warn!(%error, path = %path.display(), "the sandbox cannot save its accounts");
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was counted, recorded and promised. Accounts, their settings and files stay, and ids stay unique.
    pub(crate) fn reset(&self) {
        self.timeline.clear();
        let mut state = self.lock();
        state.calls.clear();
        state.forgotten_calls = 0;
        state.violations.clear();
        state.inversions.clear();
        state.duplicates.clear();
        state.overlaps.clear();
        for account in state.accounts.values_mut() {
            account.forget(&self.config);
        }
        state.apps.values_mut().for_each(Watches::forget);
    }

    pub(crate) fn report(&self) -> Report {
        let state = self.lock();
        let mut report = Report {
            limit_violation_examples: state.violations.clone(),
            order_inversion_examples: state.inversions.clone(),
            duplicate_examples: state.duplicates.clone(),
            session_overlap_examples: state.overlaps.clone(),
            forgotten: Forgotten { calls: state.forgotten_calls, ..Forgotten::default() },
            ..Report::default()
        };
        let mut accounts = BTreeMap::new();
        for account in state.accounts.values() {
            report.total.add(&account.counts);
            report.forgotten.client_ids += account.clients.forgotten;
            report.forgotten.streams += account.streams.forgotten;
            report.forgotten.chats += account.chats.forgotten;
            accounts.insert(account.id.clone(), account.counts.clone());
        }
        report.accounts = accounts;
        report
    }

    /// Recorded calls with a number over `after`, of one account (by id or token) or of all.
    pub(crate) fn calls(&self, account: Option<&str>, after: u64, limit: usize) -> Vec<Call> {
        let state = self.lock();
        let id = account.map(|account| state.accounts.get(account).map_or(account, |known| &known.id));
        // Numbers rise by one, so the place in the record follows from the number.
        let skip = state.calls.front().map_or(0, |first| (after + 1).saturating_sub(first.n));
        state
            .calls
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .filter(|call| id.is_none_or(|id| call.account == id))
            .take(limit)
            .cloned()
            .collect()
    }
}

impl State {
    fn new(last_id: u64) -> Self {
        Self {
            accounts: HashMap::new(),
            apps: HashMap::new(),
            calls: VecDeque::new(),
            next_call: 1,
            forgotten_calls: 0,
            violations: Vec::new(),
            inversions: Vec::new(),
            duplicates: Vec::new(),
            overlaps: Vec::new(),
            desk: Desk::default(),
            files: HashMap::new(),
            file_order: VecDeque::new(),
            file_bytes: 0,
            last_id,
        }
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The account of `token`, made on first sight if the token asks for that.
    pub(crate) fn account(&mut self, token: &str, config: &SandboxConfig) -> Result<&mut Account, Refusal> {
        if !self.accounts.contains_key(token) {
            if !token.starts_with("sandbox-auto-") {
                return Err(Refusal::new(401, "unauthorized", "this token is not known"));
            }
            self.register(token, config);
        }
        Ok(self.accounts.get_mut(token).expect("it is there or was just made"))
    }

    /// Makes the account of `token` if there is none.
    pub(crate) fn register(&mut self, token: &str, config: &SandboxConfig) -> &mut Account {
        self.accounts.entry(token.to_owned()).or_insert_with(|| {
            // The id must say the same after a restart and must not give the token away.
            let id = encode(&Sha256::digest(token.as_bytes())[..6]);
            let id = format!("sb{id}");
            Account::new(id.clone(), format!("Sandbox {id}"), config)
        })
    }

    /// Puts a call on record and answers its number.
    pub(crate) fn record(&mut self, mut call: Call, cap: usize) -> u64 {
        let n = self.next_call;
        self.next_call += 1;
        call.n = n;
        self.calls.push_back(call);
        if self.calls.len() > cap {
            self.calls.pop_front();
            self.forgotten_calls += 1;
        }
        n
    }

    /// Completes the record of call `n`.
    pub(crate) fn answered(&mut self, n: u64, at_us: u64) {
        let first = self.calls.front().map_or(0, |call| call.n);
        let place = n.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        if let Some(call) = place.and_then(|place| self.calls.get_mut(place)) {
            call.answered_us = Some(at_us);
        }
    }

    /// Keeps a file, at the cost of older ones if `cap` bytes are passed, and answers its id.
    pub(crate) fn store(&mut self, file: Stored, cap: usize) -> String {
        let id = format!("f{}", self.next_id());
        self.file_bytes += file.bytes.len();
        self.files.insert(id.clone(), file);
        self.file_order.push_back(id.clone());
        while self.file_bytes > cap && self.file_order.len() > 1 {
            let oldest = self.file_order.pop_front().and_then(|id| self.files.remove(&id));
            self.file_bytes -= oldest.map_or(0, |file| file.bytes.len());
        }
        id
    }

    /// Makes an event of `fields`, dated now.
    pub(crate) fn event(&mut self, kind: &str, mut fields: Value) -> Event {
        let n = self.next_id();
        fields["id"] = json!(format!("ev{n}"));
        fields["type"] = kind.into();
        fields["at_us"] = wall_micros().into();
        Event { n, json: fields.to_string() }
    }
}

/// Keeps `example` if there are only a few yet.
pub(crate) fn keep(examples: &mut Vec<Example>, example: impl FnOnce() -> Example) {
    if examples.len() < EXAMPLES {
        examples.push(example());
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.dropped += other.dropped;
        self.duplicates += other.duplicates;
        self.deduplicated += other.deduplicated;
        self.limit_violations += other.limit_violations;
        self.order_inversions += other.order_inversions;
        self.other_calls += other.other_calls;
        self.inbound += other.inbound;
        self.events += other.events;
        self.webhook_events += other.webhook_events;
        self.webhook_failures += other.webhook_failures;
        self.events_lost += other.events_lost;
        self.sessions += other.sessions;
        self.session_overlaps += other.session_overlaps;
    }
}
