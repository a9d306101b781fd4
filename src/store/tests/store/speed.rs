//! How quickly rows come and go; `--nocapture` shows the figures. What is asserted is only that nothing is lost.

use std::time::Instant;

use tokio::task::JoinSet;

use crate::bench::{Bench, on_both};

const CALLERS: usize = 50;

on_both! {
    async fn many_callers_at_once(bench: &Bench) {
        let each = if std::env::var_os("ROOKERY_LONG").is_some() { 40 } else { 10 };
        let total = CALLERS * each;
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (store, workspace) = (bench.store.clone(), bench.workspace);
            let new: Vec<_> = (0..each).map(|n| bench.text(&format!("chat{caller}"), &format!("{n}"))).collect();
            callers.spawn(async move {
                let mut messages = Vec::new();
                for new in new {
                    let accepted = store.accept_message(workspace, &new, None, |message| serde_json::json!(message));
                    match accepted.await.unwrap() {
                        store::Accepted::New(message) => messages.push(*message),
                        store::Accepted::Before { .. } => panic!("there was no key"),
                    }
                }
                messages
            });
        }
        let messages = callers.join_all().await;
        let accepted = started.elapsed();
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for messages in messages {
            let store = bench.store.clone();
            let writes: Vec<_> = messages
                .iter()
                .map(|message| {
                    let attempt = bench.attempt(message, 1);
                    let yes = bench.yes(&attempt, "chat", &message.id.to_string());
                    (attempt, yes)
                })
                .collect();
            callers.spawn(async move {
                for (attempt, yes) in writes {
                    assert!(store.open_attempt(attempt).await.unwrap());
                    store.end_attempt(yes).await.unwrap();
                }
            });
        }
        callers.join_all().await;
        let sent = started.elapsed();
        assert_eq!(bench.count("SELECT count(*) FROM messages WHERE status = 'sent'").await, i64::try_from(total).unwrap());
        let rate = |elapsed: std::time::Duration| total as u128 * 1_000_000 / elapsed.as_micros().max(1);
        eprintln!(
            "{}: {total} messages by {CALLERS} callers: accepted {}/s, opened and ended {}/s",
            if bench.is_server() { "Postgres" } else { "SQLite" },
            rate(accepted),
            rate(sent)
        );
    }
}
