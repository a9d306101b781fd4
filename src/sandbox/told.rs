//! What an account was told not to do, for how long, and whether it keeps to it: chats that wait, an account that waits,
//! one that may begin no conversations, one that is stopped.

use std::collections::HashMap;

use crate::wire::Refusal;

/// For so long after an answer that says "wait", calls may still be under way that were made before it arrived.
const UNDER_WAY_US: u64 = 100_000;

/// A time in which something may not be done, as we said in an answer.
#[derive(Debug, Clone, Copy)]
struct Hold {
    since_us: u64,
    until_us: u64,
}

/// A stop, and what to say to calls while it lasts. When it is over, one call at a time may find out whether it is,
/// until one is accepted.
#[derive(Debug)]
struct Stop {
    hold: Hold,
    code: &'static str,
}

/// All that an account was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    chats: HashMap<String, Hold>,
    account: Option<Hold>,
    conversations: Option<Hold>,
    stop: Option<Stop>,
    /// Sends that have arrived and are not answered.
    open: u32,
}

/// A refusal, and what limit the call broke by coming all the same; none if it may have been under way already.
pub(crate) type Refused = (Refusal, Option<String>);

impl Hold {
    const fn new(now: u64, ms: u64) -> Self {
        Self { since_us: now, until_us: now + ms * 1_000 }
    }

    /// How many ms are left, if any, and whether a call now can be no accident.
    const fn at(self, now: u64) -> Option<(u64, bool)> {
        if now >= self.until_us {
            return None;
        }
        Some(((self.until_us - now).div_ceil(1_000), now > self.since_us + UNDER_WAY_US))
    }
}

impl Told {
    /// The refusal of a send that comes while its account or its chat was told to wait.
    pub(crate) fn refuse(&self, chat: &str, is_reply: bool, now: u64) -> Option<Refused> {
        if let Some(refused) = self.stopped(now) {
            return Some(refused);
        }
        let holds = [
            (self.account.as_ref(), account_limited as fn(u64) -> Refusal),
            (self.chats.get(chat), recipient_limited),
            (self.conversations.as_ref().filter(|_| !is_reply), tier_limited),
        ];
        let in_force = |(hold, refusal): (Option<&Hold>, fn(u64) -> Refusal)| {
            let (left, certain) = hold?.at(now)?;
            Some((refusal(left), certain.then(|| "retry_after: sent while told to wait".to_owned())))
        };
        holds.into_iter().find_map(in_force)
    }

    /// The refusal of any call while the account is stopped.
    pub(crate) fn stopped(&self, now: u64) -> Option<Refused> {
        let stop = self.stop.as_ref()?;
        let (left, certain) = stop.hold.at(now)?;
        let broken = certain.then(|| format!("{}: called {left} ms before its end", stop.code));
        Some((stopped(stop.code, Some(left)), broken))
    }

    /// A send arrives. Answers what it breaks by being one of several while the account is only tried.
    pub(crate) fn open(&mut self, now: u64) -> Option<String> {
        self.open += 1;
        let stop = self.stop.as_ref()?;
        let tried = now >= stop.hold.until_us && now > stop.hold.since_us + UNDER_WAY_US;
        (tried && self.open > 1).then(|| format!("{}: {} calls at once to try it", stop.code, self.open))
    }

    /// A send that arrived at `arrived` is answered.
    pub(crate) fn close(&mut self, arrived: u64, accepted: bool) {
        self.open = self.open.saturating_sub(1);
        self.stop.take_if(|stop| accepted && arrived >= stop.hold.until_us);
    }

    /// Whether this chat was told anything before.
    pub(crate) fn has_told(&self, chat: &str) -> bool {
        self.chats.contains_key(chat)
    }

    /// Tells a chat to wait.
    pub(crate) fn hold_chat(&mut self, chat: &str, ms: u64, now: u64) -> Refusal {
        self.chats.insert(chat.to_owned(), Hold::new(now, ms));
        recipient_limited(ms)
    }

    /// Tells the account to wait, because of a chat.
    pub(crate) fn hold_account(&mut self, chat: &str, ms: u64, now: u64) -> Refusal {
        self.chats.insert(chat.to_owned(), Hold::new(now, ms));
        self.account = Some(Hold::new(now, ms));
        account_limited(ms)
    }

    /// Tells the account to begin no conversations, because of a chat.
    pub(crate) fn hold_conversations(&mut self, chat: &str, ms: u64, now: u64) -> Refusal {
        self.chats.insert(chat.to_owned(), Hold::new(now, 0));
        self.conversations = Some(Hold::new(now, ms));
        tier_limited(ms)
    }

    /// Tells the account to stop, because of a chat. Without a time nobody is refused for it, but it is still only to be
    /// tried.
    pub(crate) fn stop(&mut self, chat: &str, code: &'static str, ms: Option<u64>, now: u64) -> Refusal {
        self.chats.insert(chat.to_owned(), Hold::new(now, 0));
        self.stop = Some(Stop { hold: Hold::new(now, ms.unwrap_or(0)), code });
        stopped(code, ms)
    }
}

fn recipient_limited(ms: u64) -> Refusal {
    Refusal::new(429, "recipient_limited", "too many messages to this recipient").lasting(ms)
}

fn account_limited(ms: u64) -> Refusal {
    Refusal::new(429, "account_limited", "too many messages from this account").lasting(ms)
}

fn tier_limited(ms: u64) -> Refusal {
    Refusal::new(429, "tier_limited", "this account may begin no more conversations for now").lasting(ms)
}

fn stopped(code: &'static str, ms: Option<u64>) -> Refusal {
    let refusal = Refusal::new(403, code, "this account may send nothing");
    match ms {
        Some(ms) => refusal.lasting(ms),
        None => refusal,
    }
}
