//! Housekeeping, and jobs that were given up on.

use std::time::Duration;

use serde_json::json;
use store::{DeadJobFilter, Idempotency, Ingested, NewInboundEvent, Purged};

use crate::bench::{Bench, on_both};

on_both! {
    async fn what_has_served_its_time_goes_a_bounded_number_at_a_time(bench: &Bench) {
        for n in 0..5 {
            let key = Idempotency { key: format!("{n}"), request_hash: vec![n] };
            let new = bench.text("alice", "x");
            bench.store.accept_message(bench.workspace, &new, Some(&key), |message| json!(message)).await.unwrap();
        }
        let event = |n: i32| NewInboundEvent { dedupe_key: n.to_string(), payload: json!({}) };
        let events: Vec<_> = (0..4).map(event).collect();
        bench.store.record_inbound(Some(bench.account.id), "sandbox", &events).await.unwrap();
        bench.store.record_inbound(None, "sandbox", &events[..1]).await.unwrap();
        let unread = bench.store.unprocessed_events(bench.account.id, 3).await.unwrap();
        let meanings = [Ok(vec![]), Ok(vec![]), Err("unreadable".to_owned())];
        let batch: Vec<_> =
            unread.into_iter().zip(meanings).map(|(event, meaning)| Ingested { id: event.id, meaning }).collect();
        bench.store.apply_inbound(&bench.account, &batch).await.unwrap();
        bench.store.number_events(bench.workspace, 3).await.unwrap();

        let now = bench.now();
        assert_eq!(bench.store.purge(now, now, now, 100).await.unwrap(), Purged::default(), "nothing is older");
        bench.advance(Duration::from_secs(1));
        let now = bench.now();
        let purged = bench.store.purge(now, now, now, 2).await.unwrap();
        assert_eq!(purged, Purged { keys: 2, inbound: 2, changes: 0, visits: 0, events: 2 });
        let purged = bench.store.purge(now, now, now, 100).await.unwrap();
        assert_eq!(purged, Purged { keys: 3, inbound: 1, changes: 0, visits: 0, events: 1 });
        assert_eq!(bench.store.purge(now, now, now, 100).await.unwrap(), Purged::default());
        // The unread event and the one that could not be read stay, and so do events without a number.
        assert_eq!(bench.count("SELECT count(*) FROM inbound_events").await, 2);
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE seq IS NULL").await, 3);
        assert_eq!(bench.count("SELECT count(*) FROM messages").await, 5);
    }

    async fn a_job_that_takes_workers_down_is_counted(bench: &Bench) {
        let job = "send-message:1";
        for lost in 1..=3_u32 {
            // Its handler may fail and come again before another worker is lost.
            for _ in 0..4 {
                assert_eq!(bench.store.count_loss(job, lost).await.unwrap(), i64::from(lost));
            }
        }
        assert_eq!(bench.store.count_loss(job, 1).await.unwrap(), 4, "a queue that was derived anew counts from the start");
        assert_eq!(bench.store.count_loss("send-message:2", 1).await.unwrap(), 1);
        bench.store.forget_losses(job).await.unwrap();
        assert_eq!(bench.store.count_loss(job, 5).await.unwrap(), 1);
    }

    async fn dead_jobs_are_listed_and_forgotten_with_their_losses(bench: &Bench) {
        for n in 1..=3 {
            let job = format!("send-message:{n}");
            bench.store.bury_job(Some(bench.workspace), &job, "send", "lane", "first").await.unwrap();
            bench.store.count_loss(&job, 1).await.unwrap();
        }
        bench.store.bury_job(None, "send-message:2", "send", "lane", "second").await.unwrap();
        let dead = bench.store.dead_jobs(&DeadJobFilter::default(), "", 2).await.unwrap();
        assert_eq!(dead.iter().map(|dead| (dead.job.as_str(), dead.reason.as_str())).collect::<Vec<_>>(),
            [("send-message:1", "first"), ("send-message:2", "second")]);
        let of = |queue: &str, lane: &str| {
            DeadJobFilter { queue: Some(queue.to_owned()), lane: Some(lane.to_owned()) }
        };
        assert_eq!(bench.store.dead_jobs(&of("send", "lane"), &dead[1].job, 2).await.unwrap().len(), 1);
        assert_eq!(bench.store.dead_jobs(&of("send", "other"), "", 2).await.unwrap(), []);
        assert_eq!(bench.store.dead_jobs(&of("media", "lane"), "", 2).await.unwrap(), []);
        assert!(bench.store.unbury_job("send-message:2").await.unwrap());
        assert!(!bench.store.unbury_job("send-message:2").await.unwrap());
        assert_eq!(bench.store.count_loss("send-message:2", 1).await.unwrap(), 1);
    }
}
