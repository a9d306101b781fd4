//! How many of those whom campaigns reached wrote since: kept up send by send, exact at every instant.

use std::collections::{HashMap, HashSet, VecDeque};

use model::Timestamp;

use crate::{Response, ResponseRate};

/// All, in thousandths.
const WHOLE: u64 = 1_000;

/// The campaign sends of the last days.
#[derive(Debug, Default)]
pub(super) struct Responses {
    /// Sends that are too young to count.
    young: VecDeque<(Timestamp, usize)>,
    counted: VecDeque<(Timestamp, usize)>,
    /// Of each chat that counts, its latest counted send, and whether it was answered.
    chats: HashMap<usize, (Timestamp, bool)>,
    wrote: u32,
    /// The share of those reached in the play that will answer, in thousandths; how many were reached, and who will.
    expected: u64,
    reached: u64,
    answering: HashSet<usize>,
}

impl Responses {
    /// A campaign's message went to a chat. Times do not fall from one call to the next.
    pub fn sent(&mut self, chat: usize, at: Timestamp) {
        self.young.push_back((at, chat));
    }

    /// One that is sent in the play: the chat may be one of those that will answer.
    pub fn reach(&mut self, chat: usize, at: Timestamp) {
        // Spread evenly among them.
        let before = self.reached * self.expected / WHOLE;
        self.reached += 1;
        if self.reached * self.expected / WHOLE > before {
            self.answering.insert(chat);
        } else {
            self.answering.remove(&chat);
        }
        self.sent(chat, at);
    }

    /// This share of those who are reached from now on will answer.
    pub fn expect(&mut self, share: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "kept within 0 and 1,000"
        )]
        let thousandths = (share * 1e3).round().clamp(0.0, 1e3) as u64;
        self.expected = thousandths;
    }

    /// A chat wrote.
    pub fn inbound(&mut self, chat: usize, at: Timestamp) {
        if let Some((sent, wrote)) = self.chats.get_mut(&chat)
            && !*wrote
            && at > *sent
        {
            *wrote = true;
            self.wrote += 1;
        }
    }

    /// The rate over days that do not move back; `wrote_at` says when a chat wrote last.
    pub fn over(&mut self, days: ResponseRate, wrote_at: impl Fn(usize) -> Option<Timestamp>) -> Response {
        while let Some((at, chat)) = self.young.front().copied().filter(|(at, _)| *at <= days.until) {
            self.young.pop_front();
            self.counted.push_back((at, chat));
            let wrote = self.answering.contains(&chat) || wrote_at(chat).is_some_and(|wrote| wrote > at);
            let before = self.chats.insert(chat, (at, wrote));
            self.wrote -= u32::from(before.is_some_and(|(_, wrote)| wrote));
            self.wrote += u32::from(wrote);
        }
        while let Some((at, chat)) = self.counted.front().copied().filter(|(at, _)| *at <= days.since) {
            self.counted.pop_front();
            // A later send to the chat may count in its place.
            if let Some((_, wrote)) = self.chats.get(&chat).copied().filter(|(latest, _)| *latest == at) {
                self.chats.remove(&chat);
                self.wrote -= u32::from(wrote);
            }
        }
        Response { recipients: u32::try_from(self.chats.len()).unwrap_or(u32::MAX), wrote: self.wrote }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Sent(usize),
        Inbound(usize),
        Asked,
    }

    /// Counted by looking at everything each time.
    fn counted(events: &[(Timestamp, Event)], days: ResponseRate) -> Response {
        let mut latest = HashMap::new();
        for (at, event) in events {
            if let Event::Sent(chat) = event
                && *at > days.since
                && *at <= days.until
            {
                latest.insert(*chat, *at);
            }
        }
        let wrote = latest.iter().filter(|(chat, sent)| {
            events.iter().any(|(at, event)| matches!(event, Event::Inbound(by) if by == *chat) && at > *sent)
        });
        Response {
            recipients: u32::try_from(latest.len()).unwrap(),
            wrote: u32::try_from(wrote.count()).unwrap(),
        }
    }

    fn event() -> impl Strategy<Value = (i64, Event)> {
        let chat = || 0..6_usize;
        let what =
            prop_oneof![chat().prop_map(Event::Sent), chat().prop_map(Event::Inbound), Just(Event::Asked)];
        (prop_oneof![Just(0), 0..3 * HOUR, 0..40 * HOUR], what)
    }

    proptest! {
        #[test]
        fn it_is_what_a_count_over_everything_gives(steps in prop::collection::vec(event(), 1..120)) {
            let mut now = Timestamp::from_micros(1_000 * HOUR);
            let mut responses = Responses::default();
            let mut events = Vec::new();
            let mut wrote: HashMap<usize, Timestamp> = HashMap::new();
            for (pause, event) in steps {
                now = Timestamp::from_micros(now.as_micros() + pause);
                events.push((now, event));
                match event {
                    Event::Sent(chat) => responses.sent(chat, now),
                    Event::Inbound(chat) => {
                        wrote.insert(chat, now);
                        responses.inbound(chat, now);
                    }
                    Event::Asked => {
                        let days = ResponseRate {
                            since: Timestamp::from_micros(now.as_micros() - 168 * HOUR),
                            until: Timestamp::from_micros(now.as_micros() - 24 * HOUR),
                            recipients: 20,
                            pause: std::time::Duration::ZERO,
                        };
                        prop_assert_eq!(responses.over(days, |chat| wrote.get(&chat).copied()), counted(&events, days));
                    }
                }
            }
        }
    }
}
