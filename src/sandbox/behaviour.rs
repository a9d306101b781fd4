//! Misbehaviour on request: the recipient's address says what goes wrong.

/// What happens to messages to a recipient. An address asks for it by its beginning, up to its end or a `-`;
/// numbers follow a `-` (`slow-2000`, `slow-2000-anna`). What happens "at first" happens to the first call of each
/// `client_id`, unless it is said to happen to the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// All goes well.
    Good,
    /// `fail-permanent`: refused for good.
    FailPermanent,
    /// `fail-once`: unavailable at first.
    FailOnce,
    /// `server-error-N`: N errors at first (1 unless said).
    ServerErrors(u64),
    /// `slow-N`: answered N ms late (2,000 unless said).
    Slow(u64),
    /// `rate-limited-N`: the chat's first call is told to come back in N ms (1,000 unless said).
    RateLimited(u64),
    /// `account-limited-N`: the same, for the whole account.
    AccountLimited(u64),
    /// `ambiguous`: taken, but at first the connection closes without an answer.
    Ambiguous,
    /// `ambiguous-lost`: at first not taken, and the connection closes without an answer.
    AmbiguousLost,
    /// `blocked`: the recipient blocked the account.
    Blocked,
    /// `no-receipts`: taken, never heard of again.
    NoReceipts,
    /// `late-receipts-N`: receipts come N ms late (2,000 unless said).
    LateReceipts(u64),
    /// `tier-limited-N`: the chat's first call is told to begin no new conversations for N ms (1,000 unless said);
    /// replies go on.
    TierLimited(u64),
    /// `campaign-capped`: the recipient takes no more marketing.
    CampaignCapped,
    /// `timelocked-N`: the chat's first call is told that the account may send nothing for N ms (1,000 unless said).
    Timelocked(u64),
    /// `banned-N`: the answer says that the account is banned, for N ms if said.
    Banned(Option<u64>),
}

impl Behaviour {
    /// What the address `chat` asks for.
    pub(crate) fn of(chat: &str) -> Self {
        let asked = |name: &str| -> Option<Option<u64>> {
            let rest = chat.strip_prefix(name)?;
            let Some(rest) = rest.strip_prefix('-') else {
                return rest.is_empty().then_some(None);
            };
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            Some(rest[..digits].parse().ok())
        };
        if asked("fail-permanent").is_some() {
            Self::FailPermanent
        } else if asked("fail-once").is_some() {
            Self::FailOnce
        } else if let Some(times) = asked("server-error") {
            Self::ServerErrors(times.unwrap_or(1))
        } else if let Some(ms) = asked("slow") {
            Self::Slow(ms.unwrap_or(2_000))
        } else if let Some(ms) = asked("rate-limited") {
            Self::RateLimited(ms.unwrap_or(1_000))
        } else if let Some(ms) = asked("account-limited") {
            Self::AccountLimited(ms.unwrap_or(1_000))
        } else if let Some(ms) = asked("tier-limited") {
            Self::TierLimited(ms.unwrap_or(1_000))
        } else if asked("campaign-capped").is_some() {
            Self::CampaignCapped
        } else if let Some(ms) = asked("timelocked") {
            Self::Timelocked(ms.unwrap_or(1_000))
        } else if asked("ambiguous-lost").is_some() {
            Self::AmbiguousLost
        } else if asked("ambiguous").is_some() {
            Self::Ambiguous
        } else if asked("blocked").is_some() {
            Self::Blocked
        } else if asked("no-receipts").is_some() {
            Self::NoReceipts
        } else if let Some(ms) = asked("late-receipts") {
            Self::LateReceipts(ms.unwrap_or(2_000))
        } else if let Some(ms) = asked("banned") {
            Self::Banned(ms)
        } else {
            Self::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_asks_by_its_beginning() {
        for (chat, behaviour) in [
            ("anna", Behaviour::Good),
            ("slowpoke", Behaviour::Good),
            ("slow", Behaviour::Slow(2_000)),
            ("slow-50", Behaviour::Slow(50)),
            ("slow-50-anna", Behaviour::Slow(50)),
            ("slow-anna", Behaviour::Slow(2_000)),
            ("server-error-3", Behaviour::ServerErrors(3)),
            ("ambiguous-7", Behaviour::Ambiguous),
            ("ambiguous-lost-7", Behaviour::AmbiguousLost),
            ("tier-limited-9-anna", Behaviour::TierLimited(9)),
            ("campaign-capped-anna", Behaviour::CampaignCapped),
            ("timelocked", Behaviour::Timelocked(1_000)),
            ("banned", Behaviour::Banned(None)),
            ("banned-60000", Behaviour::Banned(Some(60_000))),
        ] {
            assert_eq!(Behaviour::of(chat), behaviour, "{chat}");
        }
    }
}
