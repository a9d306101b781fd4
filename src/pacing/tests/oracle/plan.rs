//! A workload: an account, its rules, its contacts, what is to be sent, what comes in, and what goes wrong.

use model::{Origin, Purpose};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::calendar::{DAY, HOUR, MINUTE, SECOND, UTC, ZONES};
use crate::scenes;
use crate::table::Table;
use crate::trace::{Account, Contact, News};
use crate::vary::vary;

/// A message that is to be sent.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: u128,
    pub chat: usize,
    pub purpose: Purpose,
    pub origin: Origin,
    pub chars: u32,
    pub text: u64,
    pub at: i64,
}

/// What may go wrong, in thousandths of the sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// The worker dies, before, in or after its calls.
    pub deaths: u32,
    /// The lane's state is lost and rebuilt.
    pub losses: u32,
    /// The lane's clock steps back by up to 30 s.
    pub back: u32,
    /// It steps ahead by as much.
    pub ahead: u32,
    /// The grant is taken back unused.
    pub withdrawals: u32,
}

/// What a workload is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// Anything, with numbers of its own.
    Any,
    /// An old account with much to say to old contacts.
    Busy,
    /// The same, and nobody sees it typing.
    Untyped,
    /// A young account with new contacts.
    Young,
    /// A number that was registered days ago.
    Warm,
    /// Campaigns to contacts who went silent, who said stop, and who live by other clocks.
    Campaigns,
    /// Campaigns whose recipients hardly answer.
    Unanswered,
    /// An official channel.
    Official(&'static str),
}

pub const OFFICIAL: [&str; 4] = ["telegram", "whatsapp_cloud", "slack", "discord"];

/// Everything that a run depends on. Times are the account's virtual ones, but for `calls`.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub account: Account,
    /// Virtual time runs from here, so many times as fast as true time.
    pub created: i64,
    pub scale: i64,
    pub official: bool,
    pub table: Table,
    /// The table's numbers that are not the profile's, as a person writes them.
    pub overrides: Value,
    pub width: u32,
    pub workers: u32,
    pub trouble: Trouble,
    /// Shortest and longest call.
    pub calls: (i64, i64),
    pub begin: i64,
    pub jobs: Vec<Job>,
    pub news: Vec<(i64, News)>,
}

impl Plan {
    /// The workload of a seed.
    pub fn of(seed: u64, focus: Focus) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let rng = &mut rng;
        let official = match focus {
            Focus::Official(name) => Some(name),
            Focus::Any if rng.random_ratio(1, 4) => OFFICIAL.choose(rng).copied(),
            _ => None,
        };
        // A year and a half from here, with every change of the clocks in it.
        let begin = 1_767_225_600 * SECOND + rng.random_range(0..550 * DAY);
        let age = age(rng, focus);
        let first_connected = (focus != Focus::Any || rng.random_ratio(19, 20)).then_some(begin - age);
        let created = begin - age - rng.random_range(0..DAY);
        let registered = match focus {
            Focus::Warm => Some(begin - rng.random_range(0..15 * DAY)),
            Focus::Any if rng.random_ratio(1, 4) => Some(begin - rng.random_range(0..18 * DAY)),
            _ => None,
        };
        let mut plan = Self {
            seed,
            account: Account {
                zone: *ZONES.choose(rng).unwrap_or(&UTC),
                first_connected,
                registered: registered.filter(|_| official.is_none()),
                contacts: Vec::new(),
            },
            created,
            scale: 1,
            official: official.is_some(),
            table: official.map_or_else(Table::whatsapp_web, Table::official),
            overrides: json!({}),
            width: 1,
            workers: rng.random_range(1..=32),
            trouble: trouble(rng),
            calls: (0, *[0, SECOND / 2, SECOND / 2, 4 * SECOND, 20 * SECOND].choose(rng).unwrap_or(&0)),
            begin,
            jobs: Vec::new(),
            news: Vec::new(),
        };
        if official.is_some() && rng.random_ratio(5, 6) {
            plan.width = rng.random_range(2..=64);
        }
        plan.table.wide = plan.width > 1;
        if focus == Focus::Any && rng.random_ratio(1, 8) {
            plan.scale = *[2, 60, 1_000].choose(rng).unwrap_or(&2);
        }
        if focus == Focus::Any && official.is_none() && rng.random_ratio(1, 3) {
            plan.overrides = vary(rng, &mut plan.table);
        }
        if focus == Focus::Untyped {
            plan.table.typing = None;
            plan.overrides = json!({ "typing": "off" });
        }
        if focus == Focus::Campaigns {
            plan.table.hours = Some((9 * HOUR, 20 * HOUR));
            plan.overrides =
                json!({ "quiet_hours": { "campaigns_from": "09:00", "campaigns_until": "20:00" } });
        }
        let contacts = match focus {
            Focus::Busy | Focus::Untyped => rng.random_range(4..40),
            Focus::Any | Focus::Official(_) => *[3, 20, 60, 200, 400].choose(rng).unwrap_or(&20),
            _ => 400,
        };
        plan.account.contacts = (0..contacts).map(|_| contact(rng, focus, begin)).collect();
        scenes::write(rng, &mut plan, focus);
        plan
    }

    /// The true time of a virtual one.
    pub fn real(&self, at: i64) -> i64 {
        self.created
            + (at - self.created).div_euclid(self.scale)
            + i64::from((at - self.created) % self.scale != 0)
    }

    /// The virtual time of a true one.
    pub const fn virtually(&self, at: i64) -> i64 {
        self.created + (at - self.created) * self.scale
    }
}

fn age(rng: &mut StdRng, focus: Focus) -> i64 {
    match focus {
        Focus::Busy | Focus::Untyped | Focus::Campaigns | Focus::Unanswered => {
            rng.random_range(40..400) * DAY + rng.random_range(0..DAY)
        }
        Focus::Young => *[0, DAY, 3 * DAY, 7 * DAY].choose(rng).unwrap_or(&0) + rng.random_range(0..DAY),
        _ => match rng.random_range(0..4) {
            0 => rng.random_range(0..4 * DAY),
            1 => rng.random_range(0..16 * DAY),
            2 => rng.random_range(0..40 * DAY),
            _ => rng.random_range(0..400 * DAY),
        },
    }
}

fn trouble(rng: &mut StdRng) -> Trouble {
    let mut some = |most| if rng.random_ratio(1, 2) { 0 } else { rng.random_range(0..most) };
    let (deaths, losses, withdrawals) = (some(60), some(60), some(60));
    let (back, ahead) = (some(30), some(30));
    Trouble { deaths, losses, back, ahead, withdrawals }
}

fn contact(rng: &mut StdRng, focus: Focus, begin: i64) -> Contact {
    let old = match focus {
        Focus::Any | Focus::Official(_) => 2,
        Focus::Young | Focus::Warm => 1,
        _ => 4,
    };
    let mut before = |days: i64| Some(begin - rng.random_range(2 * DAY..days * DAY));
    let (first_sent, last_inbound) = (before(60), before(45));
    let (sent, wrote) = (rng.random_range(0..4) < old, rng.random_range(0..4) < old);
    Contact {
        is_group: rng.random_ratio(1, 6),
        zone: if rng.random_ratio(1, 3) { ZONES.choose(rng).copied() } else { None },
        first_sent: first_sent.filter(|_| sent),
        last_inbound: last_inbound.filter(|_| wrote),
    }
}

/// A pause between two things that an account does.
pub fn idle(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..8) {
        0 => 0,
        1 | 2 => rng.random_range(0..30 * SECOND),
        // About as long as a batch's pause.
        3 => rng.random_range(4 * MINUTE..6 * MINUTE),
        4 | 5 => rng.random_range(0..3 * HOUR),
        6 => rng.random_range(0..DAY),
        _ => rng.random_range(0..4 * DAY),
    }
}
