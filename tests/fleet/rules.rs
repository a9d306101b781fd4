//! What an account may do, once more from the table of the design and in nothing but numbers: what the sandbox counts by
//! shares no code with what it judges.

use serde_json::{Value, json};

pub const DAY_MS: u64 = 86_400_000;
const DAY_US: u64 = DAY_MS * 1_000;

/// New contacts a day, by the age in days from which on it holds.
const NEW_CONTACTS: [(u64, u64); 6] = [(0, 30), (1, 50), (3, 100), (7, 200), (14, 500), (30, 1_000)];
/// A day's end may be read off two clocks that differ by so much.
const MIDNIGHT_US: u64 = 2_000;

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

/// The limits of an account made at `created` (µs since 1970) whose times pass `scale` times as quick. `slowest`: it has
/// no replies to send, so all its gaps are the long ones.
pub fn limits(scale: u64, created: u64, zone: Zone, slowest: bool) -> Value {
    assert_eq!(DAY_MS % scale, 0, "days have whole milliseconds");
    let gap = if slowest { 2_000 } else { 300 };
    // Midnight before it was made, by its own quick clock.
    let local = i64::try_from(created).unwrap() + zone.offset * 1_000_000;
    let since_midnight = u64::try_from(local).unwrap() % DAY_US;
    let later: Vec<_> = NEW_CONTACTS[1..]
        .iter()
        .map(|(age, count)| json!({"from_us": created + age * DAY_US / scale, "count": count}))
        .collect();
    let new_contacts = json!({
        "count": NEW_CONTACTS[0].1,
        "day_ms": DAY_MS / scale,
        "day_starts_us": created - since_midnight / scale,
        "later": later,
    });
    json!([
        {"name": "gap", "scope": "account", "min_gap_ms": gap / scale},
        {"name": "same recipient", "scope": "chat", "min_gap_ms": 6_000 / scale},
        {"name": "per minute", "scope": "account", "count": 15, "window_ms": 60_000 / scale},
        {"name": "batch", "scope": "account", "batch": {"size": 50, "pause_ms": 300_000 / scale}},
        {"name": "new contacts", "scope": "account", "new_contacts": new_contacts, "tolerance_us": MIDNIGHT_US},
    ])
}
