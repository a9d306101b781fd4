//! What an account may do, once more from the table of the design and in nothing but numbers: what the sandbox counts by
//! shares no code with what it judges.

use serde_json::{Value, json};

pub const DAY_MS: u64 = 86_400_000;
const DAY_US: u64 = DAY_MS * 1_000;

/// A day's end may be read off two clocks that differ by so much.
const MIDNIGHT_US: u64 = 2_000;

/// The numbers of an account: the table's, or stricter ones that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    pub per_minute: u64,
    /// Between two messages to one recipient, in seconds.
    same_recipient: u64,
    pub batch: u64,
    /// New contacts a day, by the age in days from which on it holds.
    pub new_contacts: [(u64, u64); 6],
}

pub const TABLE: Numbers = Numbers {
    per_minute: 15,
    same_recipient: 6,
    batch: 50,
    new_contacts: [(0, 30), (1, 50), (3, 100), (7, 200), (14, 500), (30, 1_000)],
};

pub const STRICT: Numbers = Numbers {
    per_minute: 9,
    same_recipient: 9,
    batch: 30,
    new_contacts: [(0, 12), (1, 20), (3, 40), (7, 80), (14, 200), (30, 400)],
};

impl Numbers {
    /// What to tell an account that shall have them.
    pub fn pacing(&self) -> Value {
        let steps = self.new_contacts.map(|(age, count)| json!({"from_days": age, "count": count}));
        json!({
            "per_minute": {"count": self.per_minute},
            "same_recipient": {"every_s": self.same_recipient},
            "batch": {"size": self.batch},
            "new_contacts": {"steps": steps},
        })
    }
}

/// A timezone that knows no summer time while the test runs.
#[derive(Debug, Clone, Copy)]
pub struct Zone {
    pub name: &'static str,
    /// East of Greenwich, in seconds.
    pub offset: i64,
}

pub const ZONES: [Zone; 4] = [
    Zone { name: "UTC", offset: 0 },
    Zone { name: "Asia/Kolkata", offset: 19_800 },
    Zone { name: "America/Bogota", offset: -18_000 },
    Zone { name: "Asia/Tokyo", offset: 32_400 },
];

/// What decides an account's limits. Times are in µs since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    pub numbers: Numbers,
    /// How many times as quick its time passes, counted from when it was made.
    pub scale: u64,
    pub created: u64,
    /// When its number was registered, if it is warmed up.
    pub registered: Option<u64>,
    pub zone: Zone,
    /// It has no replies to send, so all its gaps are the long ones.
    pub slowest: bool,
}

impl Life {
    /// What the sandbox shall count.
    pub fn limits(&self) -> Value {
        let Self { numbers, scale, .. } = *self;
        assert_eq!(DAY_MS % scale, 0, "days have whole milliseconds");
        let gap = if self.slowest { 2_000 } else { 300 };
        // Midnight before it was made, by its own quick clock.
        let local = i64::try_from(self.created).unwrap() + self.zone.offset * 1_000_000;
        let since_midnight = u64::try_from(local).unwrap() % DAY_US;
        let later: Vec<_> =
            self.steps().iter().map(|(from, count)| json!({"from_us": from, "count": count})).collect();
        let new_contacts = json!({
            "count": self.cap(self.created),
            "day_ms": DAY_MS / scale,
            "day_starts_us": self.created - since_midnight / scale,
            "later": later,
        });
        json!([
            {"name": "gap", "scope": "account", "min_gap_ms": gap / scale},
            {"name": "same recipient", "scope": "chat", "min_gap_ms": numbers.same_recipient * 1_000 / scale},
            {"name": "per minute", "scope": "account", "count": numbers.per_minute, "window_ms": 60_000 / scale},
            {"name": "batch", "scope": "account", "batch": {"size": numbers.batch, "pause_ms": 300_000 / scale}},
            {"name": "new contacts", "scope": "account", "new_contacts": new_contacts, "tolerance_us": MIDNIGHT_US},
        ])
    }

    /// When another cap of new contacts begins, and which.
    fn steps(&self) -> Vec<(u64, u64)> {
        let ages =
            self.numbers.new_contacts[1..].iter().map(|(age, _)| self.created + age * DAY_US / self.scale);
        let stages = [4, 8, 9, 10, 11, 12, 13, 14, 15].map(|day| day * DAY_US / self.scale);
        let stages = self.registered.into_iter().flat_map(|at| stages.map(|stage| at + stage));
        let mut times: Vec<_> = ages.chain(stages).collect();
        times.sort_unstable();
        times.into_iter().map(|at| (at, self.cap(at))).collect()
    }

    /// New contacts a day at an instant. What is asked for here comes by the API, so that nothing of it may leave in the
    /// first four days of a warm-up.
    fn cap(&self, at: u64) -> u64 {
        let age = (at - self.created) * self.scale;
        let of_age = self.numbers.new_contacts.iter().rfind(|(days, _)| days * DAY_US <= age).unwrap().1;
        let of_warmth = self.registered.map(|registered| match (at - registered) * self.scale / DAY_US {
            0..4 => 0,
            4..8 => 50,
            day @ 8..15 => 50 + 150 * (day - 8) / 7,
            15.. => u64::MAX,
        });
        of_age.min(of_warmth.unwrap_or(u64::MAX))
    }
}
