//! `POST /v1/messages`: judged, counted, misbehaved upon, answered.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, Kept, Last};
use crate::clock::wall_micros;
use crate::event::{Due, Planned};
use crate::judge::{End, Verdict, judge};
use crate::report::{Call, Example};
use crate::watch::Break;
use crate::wire::{Content, Send};
use crate::world::{State, World, keep};

/// Takes a message, and sleeps if the recipient is slow.
pub(crate) async fn send(world: &Arc<World>, token: &str, send: Send) -> End {
    let (mut open, verdict) = arrive(world, token, send);
    if verdict.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(verdict.delay_ms)).await;
    }
    open.leave();
    verdict.end
}

/// A call between its arrival and its answer. Whoever called may be gone before: then there is no answer.
struct Open {
    world: Arc<World>,
    token: String,
    n: u64,
    chat: String,
    is_new: bool,
    accepted: bool,
    arrived: u64,
    answered: bool,
}

fn arrive(world: &Arc<World>, token: &str, send: Send) -> (Open, Verdict) {
    let mut state = world.lock();
    let now = world.clock.micros();
    let next_id = state.next_id();
    let n = state.next_call;
    let State { accounts, apps, files, violations, inversions, duplicates, .. } = &mut *state;
    let account = accounts.get_mut(token).expect("authenticated");
    account.counts.calls += 1;
    let is_new = account.meets(world.keys.key(&[&send.chat]));
    let mut breaks = account.limits.at_call(&send.chat, is_new, now);
    if let Some(app) = account.settings.app.as_ref().and_then(|app| apps.get_mut(app)) {
        breaks.extend(app.at_call(&send.chat, is_new, now));
    }
    let tried = account.told.open(now);
    let verdict = judge(account, files, &world.keys, &send, next_id, now);
    let example = |account: &Account, detail: String| Example {
        account: account.id.clone(),
        chat: send.chat.clone(),
        call: n,
        at_us: now,
        detail,
    };
    broken(account, violations, breaks, "call", &example);
    for detail in verdict.early.iter().chain(&tried) {
        account.counts.limit_violations += 1;
        keep(violations, || example(account, detail.clone()));
    }
    if verdict.accepts() {
        let found = accept(world, account, &send, next_id);
        if let Some(detail) = found.duplicate {
            keep(duplicates, || example(account, detail));
        }
        if let Some(detail) = found.inversion {
            keep(inversions, || example(account, detail));
        }
    }
    match &verdict.end {
        End::Answer(_) if !verdict.accepts() => account.counts.deduplicated += 1,
        End::Answer(_) => {}
        End::Refuse(_) => account.counts.rejected += 1,
        End::Drop => account.counts.dropped += 1,
    }
    let planned = plan(account, token, &send, &verdict, now);
    let open = Open {
        world: Arc::clone(world),
        token: token.to_owned(),
        n,
        chat: send.chat.clone(),
        is_new,
        accepted: verdict.accepts(),
        arrived: now,
        answered: false,
    };
    let call = Call {
        n,
        what: "send".to_owned(),
        account: account.id.clone(),
        chat: Some(send.chat),
        thread: send.thread,
        reply_to: send.reply_to,
        client_id: send.client_id,
        content: Some(send.content),
        emoji: None,
        id: verdict.id.map(message_id),
        outcome: verdict.outcome.to_owned(),
        arrived_us: now,
        answered_us: None,
        arrived_at_us: wall_micros(),
    };
    state.record(call, world.config.record_cap);
    drop(state);
    world.timeline.add(planned);
    (open, verdict)
}

impl Open {
    /// The call's answer goes out now.
    fn leave(&mut self) {
        self.answered = true;
        let Self { world, token, n, chat, is_new, .. } = self;
        let mut state = world.lock();
        let now = world.clock.micros();
        state.answered(*n, now);
        let State { accounts, apps, violations, .. } = &mut *state;
        // A reset in between forgets the account.
        let Some(account) = accounts.get_mut(token) else {
            return;
        };
        account.told.close(self.arrived, self.accepted);
        let mut breaks = account.limits.at_answer(chat, *is_new, now);
        if let Some(app) = account.settings.app.as_ref().and_then(|app| apps.get_mut(app)) {
            breaks.extend(app.at_answer(chat, *is_new, now));
        }
        let example = |account: &Account, detail: String| Example {
            account: account.id.clone(),
            chat: chat.clone(),
            call: *n,
            at_us: now,
            detail,
        };
        broken(account, violations, breaks, "answer", &example);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.answered
            && let Some(account) = self.world.lock().accounts.get_mut(&self.token)
        {
            account.told.close(self.arrived, false);
        }
    }
}

fn broken(
    account: &mut Account,
    examples: &mut Vec<Example>,
    breaks: Vec<Break>,
    at: &str,
    example: &dyn Fn(&Account, String) -> Example,
) {
    for Break { rule, short_by_us } in breaks {
        account.counts.limit_violations += 1;
        keep(examples, || example(account, format!("{rule} at {at}: {short_by_us} µs too early")));
    }
}

/// What accepting a message brought to light.
#[derive(Default)]
struct Found {
    duplicate: Option<String>,
    inversion: Option<String>,
}

fn accept(world: &World, account: &mut Account, send: &Send, id: u64) -> Found {
    let mut found = Found::default();
    account.counts.accepted += 1;
    account.messages.insert(id, Kept { chat: world.keys.key(&[&send.chat]), deleted: false });
    let client = send.client_id.as_deref().map(|client| world.keys.key(&[client]));
    if let Some(client) = client {
        if account.clients.get(client).is_some() {
            account.counts.duplicates += 1;
            found.duplicate = Some(format!("client_id {} again", send.client_id.as_deref().unwrap_or("")));
        } else {
            account.clients.insert(client, id);
        }
    }
    if let Some((stream, number)) = send.content.words().and_then(stream) {
        let key = world.keys.key(&["stream", &send.chat, stream]);
        if let Some(last) = account.streams.get_mut(key) {
            // The last message repeated is a duplicate, not an inversion.
            let repeated = number == last.n && client.is_some() && client == last.client;
            if number <= last.n && !repeated {
                account.counts.order_inversions += 1;
                found.inversion = Some(format!("#{stream}:{number} after #{stream}:{}", last.n));
            }
            *last = Last { n: number.max(last.n), client };
        } else {
            account.streams.insert(key, Last { n: number, client });
        }
    }
    found
}

/// The stream and number at the end of a text: `… #bulk:17`.
fn stream(text: &str) -> Option<(&str, u64)> {
    let (stream, number) = text.rsplit(' ').next()?.strip_prefix('#')?.rsplit_once(':')?;
    Some((stream, number.parse().ok()?))
}

fn plan(account: &Account, token: &str, send: &Send, verdict: &Verdict, now: u64) -> Vec<Due> {
    let (Some(id), Some(late)) = (verdict.id, verdict.receipts) else {
        return Vec::new();
    };
    let settings = &account.settings;
    let delivered = now + (late + settings.delivered_ms) * 1_000;
    let read = delivered + settings.read_ms * 1_000;
    let due = |at_us: u64, step: u64, body: Planned| Due {
        at_us,
        nth: id * 3 + step,
        token: token.to_owned(),
        body,
    };
    let receipt = |status| Planned::Receipt { chat: send.chat.clone(), message_id: message_id(id), status };
    let mut planned = vec![due(delivered, 0, receipt("delivered")), due(read, 1, receipt("read"))];
    if settings.reply {
        let reply = Planned::Reply {
            chat: send.chat.clone(),
            thread: send.thread.clone(),
            message_id: message_id(id),
            text: format!("echo: {}", said(&send.content)),
        };
        planned.push(due(read + settings.reply_ms * 1_000, 2, reply));
    }
    planned
}

/// What the automatic answer repeats.
fn said(content: &Content) -> String {
    let kind = match content {
        Content::Text { text, .. } => return text.clone(),
        Content::Image(_) => "image",
        Content::Video(_) => "video",
        Content::Audio(_) => "audio",
        Content::Voice(_) => "voice",
        Content::Document(_) => "document",
        Content::Sticker(_) => "sticker",
        Content::Location { .. } => "location",
        Content::Contacts { .. } => "contacts",
    };
    format!("[{kind}]")
}

/// A message's id on the wire.
pub(crate) fn message_id(id: u64) -> String {
    format!("m{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_from_the_end_of_a_text() {
        assert_eq!(stream("hello #bulk:17"), Some(("bulk", 17)));
        assert_eq!(stream("#a:b:1"), Some(("a:b", 1)));
        assert_eq!(stream("hello #bulk:x"), None);
        assert_eq!(stream("hello #17"), None);
        assert_eq!(stream("hello bulk:17"), None);
        assert_eq!(stream("#bulk:17 hello"), None);
    }
}
