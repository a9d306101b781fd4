//! What WhatsApp's Cloud API allows, as data. What it limits otherwise cannot be counted as sends of an account: unique
//! people a day (shared by all numbers of a portfolio, with a tier that Meta moves), and 20 a second for a number that is
//! used with the phone's app, too. Those come back as errors.

use channel::{Limit, LimitScope};

const READ_ON: &str = "2026-11-20";

/// How many sends of one number may be under way at once.
pub(crate) const WIDTH: u32 = 80;

/// Sends of one number.
pub(crate) const LIMITS: &[Limit] = &[
    Limit {
        name: "account_second",
        scope: LimitScope::Account,
        count: 80,
        seconds: 1.0,
        burst: None,
        source: "https://developers.facebook.com/docs/whatsapp/throughput",
        read_on: READ_ON,
    },
    // One message each 6 s to one person; up to 45 at once, borrowed from what would come later.
    Limit {
        name: "pair",
        scope: LimitScope::Chat,
        count: 1,
        seconds: 6.0,
        burst: Some(45),
        source: "https://developers.facebook.com/docs/whatsapp/cloud-api/overview#pair-rate-limits",
        read_on: READ_ON,
    },
];
