//! What stands in a lane as far as rows tell, and that looking costs little however long the lane is.

use std::time::{Duration, Instant};

use model::{Actor, Change, Class, Message, Origin, Purpose, Scope, Wait};
use sqlx::Row as _;
use store::{Ended, NewAction, NewAttempt, NewMessage, SendTimes, text_hash};

use crate::bench::{Bench, Raw, START, new_account, nobody, on_both};

async fn accept(bench: &Bench, address: &str, purpose: Purpose, words: &str) -> Message {
    bench.accept(&NewMessage { purpose, ..bench.text(address, words) }).await
}

/// `many` messages more, as copies of one; with their attempts, if it has any.
async fn flood(bench: &Bench, of: &Message, many: u32) {
    let (id, same) = if bench.is_server() {
        ("gen_random_uuid()", format!("'{}'", of.id))
    } else {
        ("randomblob(16)", format!("x'{}'", of.id.0.simple()))
    };
    bench
        .tamper(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
            INSERT INTO messages (id, workspace_id, account_id, conversation_id, contact_id, direction, status, purpose,
            class, seq, origin, actor, content, text_hash, forgiven, revision, queued_at, shown_at, created_at, updated_at)
            SELECT {id}, workspace_id, account_id, conversation_id, contact_id, direction, status, purpose, class,
            seq + n.i, origin, actor, content, text_hash, forgiven, revision, queued_at, shown_at, created_at, updated_at
            FROM messages, n WHERE id = {same}"
        ))
        .await;
    bench
        .tamper(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
            INSERT INTO attempts (id, subject_id, n, workspace_id, account_id, conversation_id, worker, pace, purpose,
            is_new, granted_at, started_at, ended_at, outcome, waits)
            SELECT {id}, {id}, attempts.n, workspace_id, account_id, conversation_id, worker, pace, purpose, is_new,
            granted_at, started_at, ended_at, outcome, waits FROM attempts, n WHERE subject_id = {same}"
        ))
        .await;
    bench.tamper(if bench.is_server() { "VACUUM ANALYZE" } else { "ANALYZE" }).await;
}

/// How the engine goes about a statement of the store.
async fn plan(bench: &Bench, name: &str, values: &[&str]) -> String {
    let (_, sql) = store::statements().into_iter().find(|(known, _)| *known == name).unwrap();
    let mut sql = sql.to_owned();
    for (n, value) in values.iter().enumerate() {
        sql = sql.replace(&format!("${}", n + 1), value);
    }
    match &bench.raw {
        Raw::Sqlite(pool) => {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                .fetch_all(pool)
                .await
                .unwrap();
            rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect()
        }
        Raw::Postgres(pool) => {
            let rows =
                sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN {sql}"))).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
        }
    }
}

on_both! {
    async fn a_lane_is_told_by_class_and_then_by_time(bench: &Bench) {
        let later = NewMessage { send_at: Some(bench.now() + Duration::from_secs(30)), ..bench.text("erin", "scheduled") };
        let scheduled = bench.accept(&later).await;
        let bulk = accept(bench, "alice", Purpose::Campaign, "größer").await;
        let normal = accept(bench, "bob", Purpose::Transactional, "code").await;
        bench.advance(Duration::from_mins(1));
        bench.store.release_message(scheduled.id).await.unwrap();
        let last = accept(bench, "bob", Purpose::Transactional, "another").await;
        let urgent = accept(bench, "carol", Purpose::Conversation, "hello").await;
        bench.sent("dave", "gone", "p1").await;

        let lane = bench.store.lane_ahead(bench.account.id, 100).await.unwrap();
        let ids: Vec<_> = lane.messages.iter().map(|queued| queued.id).collect();
        assert_eq!(ids, [urgent.id, normal.id, scheduled.id, last.id, bulk.id], "by the time at which it became ready");
        assert_eq!(lane.total, 5);
        let queued = &lane.messages[4];
        assert_eq!((queued.class, queued.purpose, queued.origin), (Class::Bulk, Purpose::Campaign, Origin::Api));
        assert_eq!((queued.chars, queued.text_hash), (6, text_hash(&bulk.content)));
        assert_eq!((queued.seq, queued.queued_at, queued.conversation_id), (bulk.seq, bulk.queued_at, bulk.conversation_id));
        assert!(queued.is_new_contact() && !queued.is_sending && !queued.contact.opted_out);

        let some = bench.store.lane_ahead(bench.account.id, 2).await.unwrap();
        assert_eq!((some.messages.as_slice(), some.total), (&lane.messages[..2], 5));
        assert_eq!(bench.store.lane_ahead(nobody(), 2).await.unwrap(), store::LaneAhead::default());
        for (place, id) in ids.iter().enumerate() {
            let message = bench.store.message(bench.workspace, *id).await.unwrap();
            assert_eq!(bench.store.sends_ahead(&message).await.unwrap(), u32::try_from(place).unwrap());
        }
    }

    async fn a_lane_tells_what_its_messages_wait_for(bench: &Bench) {
        let message = accept(bench, "alice", Purpose::Campaign, "buy").await;
        let attempt = bench.start(&message, 1).await;
        let queued = async || bench.store.lane_ahead(bench.account.id, 1).await.unwrap().messages.remove(0);
        assert!(queued().await.is_sending);
        let again = bench.now() + Duration::from_secs(30);
        bench.store.end_attempt(Ended { next_attempt_at: Some(again), ..bench.ended(&attempt, "alice") }).await.unwrap();
        bench.store.hold_recipient(message.conversation_id, again, "pair").await.unwrap();
        bench.store.set_opt_out(bench.workspace, message.contact_id.unwrap(), Some(again), &Actor::contact()).await.unwrap();
        let queued = queued().await;
        assert_eq!((queued.next_attempt_at, queued.held_until), (Some(again), Some(again)));
        assert_eq!((queued.first_sent_at, queued.is_sending), (Some(attempt.started_at), false));
        assert!(queued.contact.opted_out && queued.is_new_contact(), "nobody knows that it was taken");
    }

    async fn a_lane_tells_which_chats_were_served_since(bench: &Bench) {
        bench.sent("dave", "before", "p0").await;
        bench.advance(Duration::from_secs(1));
        let waiting = bench.accept_text("alice", "hi").await;
        bench.advance(Duration::from_secs(1));
        let sent = bench.sent("bob", "hi", "p1").await;
        let retried = bench.accept_text("carol", "hi").await;
        let attempt = bench.start(&retried, 1).await;
        bench.store.end_attempt(bench.ended(&attempt, "carol")).await.unwrap();
        let lane = bench.store.lane_ahead(bench.account.id, 100).await.unwrap();
        assert_eq!(lane.messages[0].id, waiting.id);
        assert_eq!(lane.served.into_iter().collect::<Vec<_>>(), [(sent.conversation_id, bench.now())]);
    }

    async fn what_sends_took_is_what_they_usually_take(bench: &Bench) {
        let ms = Duration::from_millis;
        assert_eq!(bench.store.send_times(bench.account.id).await.unwrap(), SendTimes::default());
        let mut messages = Vec::new();
        for n in 0..20 {
            messages.push(bench.accept_text(&format!("c{n}"), "hi").await);
        }
        for (n, message) in messages.iter().enumerate() {
            // Every other one is held by a rule until 4 ms before it is granted, the others by the one before alone.
            bench.advance(if n % 2 == 0 { ms(20) } else { ms(3_000) });
            let held = Wait::new("gap", Scope::Pace, bench.now() - ms(4));
            let waits = if n % 2 == 0 { Vec::new() } else { vec![held] };
            let attempt = NewAttempt { waits, ..bench.attempt(message, 1) };
            assert!(bench.store.open_attempt(attempt.clone()).await.unwrap());
            bench.advance(if n == 5 { ms(2_000) } else { ms(70) });
            let yes = bench.yes(&attempt, &format!("c{n}"), &format!("p{n}"));
            bench.store.end_attempt(yes).await.unwrap();
        }
        let usual = SendTimes { call: Some(ms(70)), wake: Some(ms(4)), turn: Some(ms(20)) };
        assert_eq!(bench.store.send_times(bench.account.id).await.unwrap(), usual);
        // One that never sent takes what its neighbours take.
        let peer = bench.store.create_account(bench.workspace, &new_account("peer")).await.unwrap();
        assert_eq!(bench.store.send_times(peer.id).await.unwrap(), usual);
        // What comes when the lane rests tells nothing of it.
        bench.advance(ms(700));
        bench.sent("late", "hi", "late").await;
        assert_eq!(bench.store.send_times(bench.account.id).await.unwrap().turn, Some(ms(20)));
    }

    async fn actions_stand_in_the_lane_too(bench: &Bench) {
        let sent = bench.sent("alice", "hi", "p1").await;
        let change = Change::Reaction(Some("👍".to_owned()));
        let action = NewAction { message_id: sent.id, change, actor: Actor::system(), connection: None };
        bench.store.accept_action(bench.workspace, &action, None, |action| serde_json::json!(action)).await.unwrap();
        let behind = bench.accept_text("bob", "hi").await;
        let bulk = accept(bench, "bob", Purpose::Campaign, "buy").await;
        assert_eq!(bench.store.sends_ahead(&behind).await.unwrap(), 1);
        assert_eq!(bench.store.sends_ahead(&bulk).await.unwrap(), 2);
    }

    async fn a_hundred_thousand_that_wait_cost_nothing(bench: &Bench) {
        let first = accept(bench, "alice", Purpose::Campaign, "buy").await;
        let sent = bench.sent("carol", "code", "p1").await;
        bench.tamper("UPDATE messages SET provider_id = NULL WHERE provider_id = 'p1'").await;
        flood(bench, &sent, 60_000).await;
        flood(bench, &first, if std::env::var_os("ROOKERY_LONG").is_some() { 100_000 } else { 20_000 }).await;
        bench.advance(Duration::from_secs(1));
        let last = accept(bench, "bob", Purpose::Campaign, "buy").await;
        let account = if bench.is_server() { format!("'{}'", first.account_id) } else { format!("x'{}'", first.account_id.0.simple()) };
        let id = if bench.is_server() { format!("'{}'", last.id) } else { format!("x'{}'", last.id.0.simple()) };
        let hash = if bench.is_server() { "'\\x00'" } else { "x'00'" };
        let (at, then) = ("'2026-03-01 12:00:00+00'", "'2026-03-08 12:00:00+00'");
        for (name, values, index) in [
            ("OF_CLASS", vec![account.as_str(), "'bulk'", "100"], "messages_unfinished_of_account"),
            ("MESSAGES", vec![&account, "'bulk'"], "messages_unfinished_of_account"),
            ("MESSAGES_AHEAD", vec![&account, "'bulk'", then, &id], "messages_unfinished_of_account"),
            ("QUEUED", vec![&account, hash, "10"], "messages_queued_texts"),
            ("RATE", vec![&account, at, then], "attempts_of_campaigns"),
        ] {
            let plan = plan(bench, name, &values).await;
            assert!(plan.contains(index), "{name}:\n{plan}");
        }
        let started = Instant::now();
        let lane = bench.store.lane_ahead(bench.account.id, 1_000).await.unwrap();
        let looked = started.elapsed();
        let started = Instant::now();
        let ahead = bench.store.sends_ahead(&last).await.unwrap();
        eprintln!(
            "{}: 1,000 of {} messages in {looked:?}, the place of the last one in {:?}",
            if bench.is_server() { "Postgres" } else { "SQLite" }, lane.total, started.elapsed()
        );
        assert_eq!((lane.messages.len(), u64::from(ahead)), (1_000, lane.total - 1));
        bench.tamper("UPDATE attempts SET purpose = 'campaign'").await;
        let (after, until) = (START - Duration::from_secs(1), bench.now());
        let started = Instant::now();
        let rate = bench.store.response_rate(bench.account.id, after, until, None).await.unwrap();
        eprintln!("the response to 60,000 campaigns in {:?}", started.elapsed());
        assert_eq!(rate.recipients, 1);
    }
}
