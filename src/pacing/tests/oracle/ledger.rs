//! The rows: attempts and contacts as a store keeps them, and what it answers about them.

use model::{Purpose, Timestamp};
use pacing::{Chat, PastSend, Response, ResponseRate};

use crate::plan::Plan;

/// What is known of a contact by now, in lane time.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub name: String,
    pub first_sent: Option<Timestamp>,
    pub last_inbound: Option<Timestamp>,
    pub opted_out: bool,
    pub zone: Option<model::Zone>,
    /// Answers of its campaign sends.
    campaigns: Vec<Timestamp>,
}

#[derive(Debug)]
pub struct Ledger {
    pub contacts: Vec<Row>,
    pub attempts: Vec<PastSend>,
    pub resumed: Timestamp,
    campaigns: usize,
}

impl Ledger {
    pub fn of(plan: &Plan) -> Self {
        let time = |at: i64| Timestamp::from_micros(plan.real(at));
        let contacts = plan.account.contacts.iter().enumerate();
        let contacts = contacts.map(|(place, contact)| Row {
            name: format!("chat-{place}"),
            first_sent: contact.first_sent.map(time),
            last_inbound: contact.last_inbound.map(time),
            zone: contact.zone.map(|zone| zone.name.parse().expect("a zone of the database")),
            ..Row::default()
        });
        let contacts = contacts.collect();
        Self { contacts, attempts: Vec::new(), resumed: Timestamp::ZERO, campaigns: 0 }
    }

    pub fn chat(&self, chat: usize) -> Chat {
        let row = &self.contacts[chat];
        Chat {
            is_new: row.first_sent.is_none() && row.last_inbound.is_none(),
            last_inbound_at: row.last_inbound,
            first_sent_at: row.first_sent,
            opted_out: row.opted_out,
            zone: row.zone,
        }
    }

    /// Writes an attempt that ended; `made` if somebody may have got it.
    pub fn record(&mut self, chat: usize, attempt: PastSend, made: bool) {
        let row = &mut self.contacts[chat];
        row.first_sent = row.first_sent.or(Some(attempt.started_at));
        if let (Purpose::Campaign, Some(ended_at), true) = (attempt.purpose, attempt.ended_at, made) {
            row.campaigns.push(ended_at);
            self.campaigns += 1;
        }
        self.attempts.push(attempt);
    }

    pub fn inbound(&mut self, chat: usize, at: Timestamp) {
        let last = &mut self.contacts[chat].last_inbound;
        *last = (*last).max(Some(at));
    }

    /// Of the chats that got a campaign in the days that count, how many wrote after the latest of these.
    pub fn response(&self, asked: ResponseRate) -> Response {
        let since = asked.since.max(self.resumed);
        let mut response = Response { recipients: 0, wrote: 0 };
        for row in self.contacts.iter().filter(|row| !row.campaigns.is_empty()) {
            let latest = row.campaigns.iter().filter(|sent| since < **sent && **sent <= asked.until).max();
            response.recipients += u32::from(latest.is_some());
            response.wrote += u32::from(latest.is_some() && row.last_inbound > latest.copied());
        }
        response
    }
}
