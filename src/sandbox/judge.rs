//! What becomes of a message: decided when it arrives, by its content, by what was said before, and by how its
//! recipient misbehaves.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::account::Account;
use crate::behaviour::Behaviour;
use crate::memory::Keys;
use crate::send::message_id;
use crate::wire::{Refusal, Send};
use crate::world::Stored;

/// How a call ends.
#[derive(Debug)]
pub(crate) enum End {
    /// With an answer.
    Answer(Value),
    /// With a refusal.
    Refuse(Refusal),
    /// With a closed connection.
    Drop,
}

/// What was decided.
pub(crate) struct Verdict {
    pub(crate) end: End,
    /// The word for the record.
    pub(crate) outcome: &'static str,
    /// The message's number, if it was taken now or before.
    pub(crate) id: Option<u64>,
    /// How long the answer takes, ms.
    pub(crate) delay_ms: u64,
    /// How late receipts are, ms; none if they never come.
    pub(crate) receipts: Option<u64>,
    /// Which limit it breaks by coming although an answer had said to wait.
    pub(crate) early: Option<String>,
}

impl Verdict {
    fn accepted(id: u64) -> Self {
        Self {
            end: End::Answer(json!({"id": message_id(id)})),
            outcome: "accepted",
            id: Some(id),
            delay_ms: 0,
            receipts: Some(0),
            early: None,
        }
    }

    fn refused(refusal: Refusal) -> Self {
        Self {
            outcome: refusal.code,
            end: End::Refuse(refusal),
            id: None,
            delay_ms: 0,
            receipts: None,
            early: None,
        }
    }

    /// Whether a message was taken by this call.
    pub(crate) fn accepts(&self) -> bool {
        matches!(self.outcome, "accepted" | "unanswered")
    }
}

/// Judges a message that would be number `id`, at `now`.
pub(crate) fn judge(
    account: &mut Account,
    files: &HashMap<String, Stored>,
    keys: &Keys,
    send: &Send,
    id: u64,
    now: u64,
) -> Verdict {
    if let Some(problem) = send.content.problem() {
        return Verdict::refused(Refusal::new(400, "invalid_content", problem));
    }
    let uploaded = send.content.file().and_then(|file| file.file.as_ref());
    if uploaded.is_some_and(|id| !files.contains_key(id)) {
        return Verdict::refused(Refusal::new(400, "unknown_file", "no file with this id was uploaded"));
    }
    let is_reply = account.replies(keys.key(&[&send.chat]), now);
    if let Some((refusal, early)) = account.told.refuse(&send.chat, is_reply, now) {
        return Verdict { early, ..Verdict::refused(refusal) };
    }
    let client = send.client_id.as_deref();
    let behaviour = Behaviour::of(&send.chat);
    let tries = match behaviour {
        Behaviour::Good => 0,
        _ => account.tried(keys.key(&["try", &send.chat, client.unwrap_or("")])),
    };
    if let Some(refusal) = refusal(account, behaviour, tries, (&send.chat, is_reply), now) {
        return Verdict::refused(refusal);
    }
    let mut verdict = Verdict::accepted(id);
    let first = client.and_then(|client| account.clients.get(keys.key(&[client])));
    if let (true, Some(&first)) = (account.settings.dedupe, first) {
        verdict.end = End::Answer(json!({"id": message_id(first), "duplicate": true}));
        verdict.outcome = "deduplicated";
        verdict.id = Some(first);
        verdict.receipts = None;
        return verdict;
    }
    match behaviour {
        Behaviour::AmbiguousLost if tries == 0 => {
            verdict.end = End::Drop;
            verdict.outcome = "lost";
            verdict.id = None;
            verdict.receipts = None;
        }
        Behaviour::Ambiguous if tries == 0 => {
            verdict.end = End::Drop;
            verdict.outcome = "unanswered";
        }
        Behaviour::Slow(ms) => {
            verdict.delay_ms = ms;
            verdict.receipts = Some(ms);
        }
        Behaviour::NoReceipts => verdict.receipts = None,
        Behaviour::LateReceipts(ms) => verdict.receipts = Some(ms),
        _ => {}
    }
    verdict
}

/// The refusal that a recipient's misbehaviour asks for, if it asks for one this time.
fn refusal(
    account: &mut Account,
    asked: Behaviour,
    tries: u64,
    (chat, is_reply): (&str, bool),
    now: u64,
) -> Option<Refusal> {
    let first = !account.told.has_told(chat);
    let told = &mut account.told;
    Some(match asked {
        Behaviour::FailPermanent => Refusal::new(422, "rejected", "this recipient takes no messages"),
        Behaviour::Blocked => Refusal::new(403, "recipient_blocked", "this recipient blocked the account"),
        Behaviour::CampaignCapped => {
            Refusal::new(422, "marketing_capped", "this recipient had enough marketing from everybody")
        }
        Behaviour::Banned(lasting) => told.stop(chat, "account_banned", lasting, now),
        Behaviour::Timelocked(ms) if first => told.stop(chat, "account_timelocked", Some(ms), now),
        Behaviour::FailOnce if tries == 0 => Refusal::new(503, "unavailable", "not now; nothing was taken"),
        Behaviour::ServerErrors(times) if tries < times => {
            Refusal::new(500, "server_error", "something broke; nothing was taken")
        }
        Behaviour::RateLimited(ms) if first => told.hold_chat(chat, ms, now),
        Behaviour::AccountLimited(ms) if first => told.hold_account(chat, ms, now),
        Behaviour::TierLimited(ms) if first && !is_reply => told.hold_conversations(chat, ms, now),
        _ => return None,
    })
}
