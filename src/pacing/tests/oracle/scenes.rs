//! What an account does: bursts, trickles, campaigns and talks, with idle hours and days in between.

use std::collections::HashSet;

use model::{Origin, Purpose};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::plan::{Focus, Job, Plan, idle};
use crate::trace::News;

/// Fills a plan with jobs and news.
pub fn write(rng: &mut StdRng, plan: &mut Plan, focus: Focus) {
    let mut scene = Scene { at: plan.begin, fresh: 0, focus };
    let total = match focus {
        Focus::Official(_) => rng.random_range(100..600),
        Focus::Any if rng.random_ratio(1, 60) => 1_400,
        Focus::Any => *[40, 120, 250, 450].choose(rng).unwrap_or(&40),
        _ => 350,
    };
    while plan.jobs.len() < total {
        if focus == Focus::Unanswered || focus == Focus::Any && rng.random_ratio(1, 12) {
            scene.unanswered(rng, plan);
        }
        let kind = match focus {
            Focus::Busy | Focus::Untyped => rng.random_range(0..3),
            Focus::Campaigns | Focus::Unanswered => 4,
            _ => rng.random_range(0..6),
        };
        match kind {
            0 => scene.burst(rng, plan),
            1 => scene.trickle(rng, plan),
            2 | 3 => scene.talk(rng, plan),
            _ => scene.campaign(rng, plan),
        }
        scene.at += idle(rng);
        if rng.random_ratio(1, 6) {
            scene.before_midnight(rng, plan);
        }
    }
    for _ in 0..rng.random_range(0..4) {
        let at = rng.random_range(plan.begin..=scene.at);
        let news = if rng.random_ratio(1, 2) { News::Resumed } else { News::Probing(true) };
        plan.news.push((at, news));
        if news == News::Probing(true) {
            plan.news.push((at + rng.random_range(0..2 * HOUR), News::Probing(false)));
        }
    }
    // What happens at the same microsecond happens in this order.
    plan.news.sort_by_key(|(at, _)| *at);
}

struct Scene {
    at: i64,
    /// The contacts up to here had a campaign.
    fresh: usize,
    focus: Focus,
}

impl Scene {
    fn job(rng: &mut StdRng, plan: &mut Plan, chat: usize, purpose: Purpose, at: i64) {
        let origin = match purpose {
            Purpose::Conversation => {
                [Origin::Agent, Origin::Agent, Origin::Api, Origin::Ai, Origin::AutoReply]
            }
            Purpose::Transactional => {
                [Origin::Api, Origin::Api, Origin::Schedule, Origin::Agent, Origin::Api]
            }
            Purpose::Campaign => {
                [Origin::Broadcast, Origin::Sequence, Origin::Api, Origin::Agent, Origin::Broadcast]
            }
        };
        plan.jobs.push(Job {
            id: rng.random(),
            chat,
            purpose,
            origin: *origin.choose(rng).unwrap_or(&Origin::Api),
            chars: rng.random_range(0..200),
            text: rng.random(),
            at,
        });
    }

    fn anybody(plan: &Plan, rng: &mut StdRng) -> usize {
        rng.random_range(0..plan.account.contacts.len())
    }

    /// Many at once, of all kinds.
    fn burst(&mut self, rng: &mut StdRng, plan: &mut Plan) {
        for _ in 0..rng.random_range(2..120) {
            let chat = Self::anybody(plan, rng);
            let purpose = match rng.random_range(0..6) {
                0..3 => Purpose::Conversation,
                3 => Purpose::Campaign,
                _ => Purpose::Transactional,
            };
            let at = self.at + rng.random_range(0..3 * SECOND);
            Self::job(rng, plan, chat, purpose, at);
        }
    }

    /// One after the other, over minutes or days.
    fn trickle(&mut self, rng: &mut StdRng, plan: &mut Plan) {
        let every = *[3 * SECOND, 20 * SECOND, 4 * MINUTE, HOUR].choose(rng).unwrap_or(&SECOND);
        for _ in 0..rng.random_range(2..40) {
            let chat = Self::anybody(plan, rng);
            let purpose = if rng.random_ratio(1, 2) { Purpose::Conversation } else { Purpose::Transactional };
            Self::job(rng, plan, chat, purpose, self.at);
            self.at += rng.random_range(0..2 * every);
        }
    }

    /// They write, and somebody answers.
    fn talk(&mut self, rng: &mut StdRng, plan: &mut Plan) {
        let others: Vec<_> = (0..rng.random_range(1..6)).map(|_| Self::anybody(plan, rng)).collect();
        for _ in 0..rng.random_range(2..60) {
            let chat = *others.choose(rng).unwrap_or(&0);
            if rng.random_ratio(1, 2) {
                plan.news.push((self.at, News::Inbound(chat)));
            }
            let at = self.at + rng.random_range(0..2 * SECOND);
            Self::job(rng, plan, chat, Purpose::Conversation, at);
            self.at += rng.random_range(0..10 * SECOND);
        }
        // Some answer when a day has passed.
        let chat = *others.choose(rng).unwrap_or(&0);
        let at = self.at + rng.random_range(23 * HOUR..25 * HOUR);
        Self::job(rng, plan, chat, Purpose::Conversation, at);
    }

    /// One text to many, or a few texts, or one for each.
    fn campaign(&mut self, rng: &mut StdRng, plan: &mut Plan) {
        let share = *[0, 100, 300, 600, 1_000].choose(rng).unwrap_or(&300);
        let most = if self.focus == Focus::Any { 200 } else { 150 };
        let count = rng.random_range(5..most);
        self.send_to_many(rng, plan, count, share, 4);
    }

    /// Enough recipients, hardly an answer, and campaigns on the days after.
    fn unanswered(&mut self, rng: &mut StdRng, plan: &mut Plan) {
        for _ in 0..rng.random_range(2..5) {
            let share = *[50, 150, 250, 350, 450, 550].choose(rng).unwrap_or(&250);
            let count = rng.random_range(15..60);
            self.send_to_many(rng, plan, count, share, 1_000);
            self.at += rng.random_range(20 * HOUR..40 * HOUR);
        }
    }

    fn send_to_many(&mut self, rng: &mut StdRng, plan: &mut Plan, count: usize, share: u32, texts: u32) {
        let pool: Vec<u64> = (0..rng.random_range(1..=texts)).map(|_| rng.random()).collect();
        let mut had = HashSet::new();
        for _ in 0..count {
            self.fresh = (self.fresh + 1) % plan.account.contacts.len();
            let chat = if rng.random_ratio(3, 4) { self.fresh } else { Self::anybody(plan, rng) };
            let at = self.at + rng.random_range(0..SECOND);
            Self::job(rng, plan, chat, Purpose::Campaign, at);
            if let Some(job) = plan.jobs.last_mut() {
                job.text = *pool.choose(rng).unwrap_or(&0);
            }
            if had.insert(chat) && rng.random_range(0..1_000) < share {
                let at = at + rng.random_range(0..30 * HOUR);
                plan.news.push((at, News::Inbound(chat)));
                if rng.random_ratio(1, 10) {
                    plan.news.push((at, News::OptOut(chat)));
                }
            }
        }
    }

    /// On to some minutes before the account's midnight.
    fn before_midnight(&mut self, rng: &mut StdRng, plan: &Plan) {
        let minutes = rng.random_range(0..20 * MINUTE);
        self.at += (DAY - plan.account.zone.hour(self.at) - minutes).max(0);
    }
}
