//! The judge's own copy of the table: numbers as the design gives them, in microseconds, and nothing that decides.

use crate::calendar::{DAY, HOUR, MINUTE, SECOND};

/// Whom a number counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Account,
    Chat,
    Group,
}

/// At most `count` in every window of that length.
#[derive(Debug, Clone)]
pub struct Cap {
    pub rule: &'static str,
    pub whom: Whom,
    pub count: usize,
    pub window: i64,
}

/// A token bucket: one each `every`, `burst` saved up.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub rule: &'static str,
    pub whom: Whom,
    pub every: i64,
    pub burst: i64,
}

/// How long typing is shown.
#[derive(Debug, Clone)]
pub struct Typing {
    pub per_char: (i64, i64),
    pub extra: i64,
    pub within: (i64, i64),
}

/// Who may send in a stage of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Nobody,
    /// Purpose conversation, by a person.
    Persons,
    All,
}

/// A stage of the warm-up, in time since the number was registered.
#[derive(Debug, Clone)]
pub struct Stage {
    pub from: i64,
    pub until: i64,
    pub who: Who,
    /// New contacts a day at the stage's begin and at its end, linear by day.
    pub new: (i64, i64),
}

/// What the answers to campaigns mean.
#[derive(Debug, Clone)]
pub struct Answers {
    pub recipients: usize,
    pub within: i64,
    pub after: i64,
    /// In thousandths.
    pub slow_below: usize,
    pub pause_below: usize,
}

/// The rules of an account; none or empty where a rule is off.
#[derive(Debug, Clone)]
pub struct Table {
    /// Calls overlap: then only their starts can be counted, else any instant between start and answer may be the one at
    /// which somebody counts.
    pub wide: bool,
    pub gap_reply: Option<(i64, i64)>,
    pub gap_bulk: Option<(i64, i64)>,
    pub caps: Vec<Cap>,
    pub buckets: Vec<Bucket>,
    /// So many with less than the pause between neighbours.
    pub batch: Option<(usize, i64)>,
    /// New contacts a day, by the account's age from which on.
    pub new_contacts: Vec<(i64, i64)>,
    pub typing: Option<Typing>,
    pub warm_up: Vec<Stage>,
    /// Silent for so long.
    pub stale: Option<i64>,
    /// So many in a row, and the rest after which a row begins anew.
    pub identical: Option<(usize, i64)>,
    pub answers: Option<Answers>,
    /// From and until, since midnight.
    pub hours: Option<(i64, i64)>,
    pub opt_out: bool,
}

impl Table {
    /// Nothing is forbidden.
    pub const fn none(wide: bool) -> Self {
        Self {
            wide,
            gap_reply: None,
            gap_bulk: None,
            caps: Vec::new(),
            buckets: Vec::new(),
            batch: None,
            new_contacts: Vec::new(),
            typing: None,
            warm_up: Vec::new(),
            stale: None,
            identical: None,
            answers: None,
            hours: None,
            opt_out: true,
        }
    }

    /// The product's own rules for WhatsApp Web.
    pub fn whatsapp_web() -> Self {
        let cap = |rule, whom, count, window| Cap { rule, whom, count, window };
        let stage = |from, until, who, new| Stage { from: from * HOUR, until: until * HOUR, who, new };
        Self {
            gap_reply: Some((3 * SECOND / 10, 3 * SECOND / 2)),
            gap_bulk: Some((2 * SECOND, 5 * SECOND)),
            caps: vec![
                cap("same_recipient", Whom::Chat, 1, 6 * SECOND),
                cap("per_minute", Whom::Account, 15, MINUTE),
            ],
            batch: Some((50, 5 * MINUTE)),
            new_contacts: vec![
                (0, 30),
                (DAY, 50),
                (3 * DAY, 100),
                (7 * DAY, 200),
                (14 * DAY, 500),
                (30 * DAY, 1_000),
            ],
            typing: Some(Typing {
                per_char: (40 * SECOND / 1_000, 80 * SECOND / 1_000),
                extra: SECOND / 2,
                within: (SECOND / 2, 2 * SECOND),
            }),
            warm_up: vec![
                stage(0, 24, Who::Nobody, (0, 0)),
                stage(24, 96, Who::Persons, (20, 20)),
                stage(96, 192, Who::All, (50, 50)),
                stage(192, 360, Who::All, (50, 200)),
            ],
            stale: Some(30 * DAY),
            identical: Some((10, DAY)),
            answers: Some(Answers {
                recipients: 20,
                within: 7 * DAY,
                after: DAY,
                slow_below: 500,
                pause_below: 200,
            }),
            ..Self::none(false)
        }
    }

    /// What an official channel lets through: spacings and caps, with starts that may overlap.
    pub fn official(name: &str) -> Self {
        let cap = |rule, whom, count, window| Cap { rule, whom, count, window };
        let pair = Bucket { rule: "pair", whom: Whom::Chat, every: 6 * SECOND, burst: 45 };
        let (caps, buckets) = match name {
            "telegram" => (
                vec![
                    cap("account", Whom::Account, 30, SECOND),
                    cap("chat", Whom::Chat, 1, SECOND),
                    cap("group", Whom::Group, 20, MINUTE),
                ],
                vec![],
            ),
            "whatsapp_cloud" => (vec![cap("number", Whom::Account, 80, SECOND)], vec![pair]),
            "slack" => (vec![cap("chat", Whom::Chat, 1, SECOND)], vec![]),
            "discord" => (vec![cap("global", Whom::Account, 50, SECOND)], vec![]),
            _ => panic!("{name} is not in the judge's list"),
        };
        Self { caps, buckets, ..Self::none(true) }
    }
}
