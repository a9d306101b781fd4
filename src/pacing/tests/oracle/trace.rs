//! What happened: all that the judge gets to see.

use crate::calendar::Zone;

/// An instant on two clocks. Both run in the account's virtual time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Never goes back: true time, and whatever the lane's clock jumped ahead of it. Windows and gaps lie on it. A clock
    /// that jumps ahead makes everything look older, and nobody could know better.
    pub steady: i64,
    /// The lane's clock: calendar days, hours and ages are judged by it.
    pub lane: i64,
}

/// An attempt that was committed, and the provider call that it became.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Call {
    /// When pacing said yes.
    pub granted: At,
    /// The earliest start that pacing allowed.
    pub due: At,
    pub start: At,
    /// The answer; of a worker that died, the last instant at which its call could have arrived.
    pub answer: At,
    /// The lane time at which its row says that it ended.
    pub ended: i64,
    /// The call was made, or may have been.
    pub made: bool,
    pub chat: usize,
    pub is_group: bool,
    pub conversation: bool,
    pub campaign: bool,
    /// A person wrote it.
    pub person: bool,
    /// Pacing took it for an answer.
    pub reply: bool,
    pub chars: i64,
    pub typed: i64,
    pub text: u64,
    /// The account was on probation: one call at a time.
    pub probing: bool,
}

/// What the account and its contacts were before.
#[derive(Debug, Clone)]
pub struct Account {
    pub zone: Zone,
    /// In lane time.
    pub first_connected: Option<i64>,
    pub registered: Option<i64>,
    pub contacts: Vec<Contact>,
}

/// A contact before the trace begins, in lane time.
#[derive(Debug, Clone, Default)]
pub struct Contact {
    pub is_group: bool,
    pub zone: Option<Zone>,
    pub first_sent: Option<i64>,
    pub last_inbound: Option<i64>,
}

/// What came in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The contact wrote.
    Inbound(usize),
    /// The contact wrote a stop word.
    OptOut(usize),
    /// A person let campaigns go on.
    Resumed,
    /// Five failures in a row, or an end to them.
    Probing(bool),
}

/// A campaign message that pacing refused for good.
#[derive(Debug, Clone)]
pub struct Refused {
    pub at: At,
    pub chat: usize,
    pub rule: String,
}

/// A trace, each list in the order in which things happened.
#[derive(Debug, Clone)]
pub struct Trace {
    pub account: Account,
    pub calls: Vec<Call>,
    pub news: Vec<(At, News)>,
    pub refused: Vec<Refused>,
}
