//! What surrounds the rows: the lock on a data folder, and a database that is away.

use crate::bench::{Bench, on_both};
use store::{DataLock, StoreError};

#[test]
fn a_folder_is_served_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let lock = DataLock::take(folder.path()).unwrap();
    let refused = DataLock::take(folder.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::Locked { .. }));
    let words = refused.to_string();
    assert!(words.contains(&format!("process {}", std::process::id())), "{words}");
    assert!(words.contains(folder.path().to_str().unwrap()), "{words}");
    drop(lock);
    DataLock::take(folder.path()).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = DataLock::take(&missing).unwrap_err();
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
}

on_both! {
    async fn a_closed_store_says_so_at_once(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        bench.store.close().await;
        let mut crowd = tokio::task::JoinSet::new();
        for n in 1..=64 {
            let (store, attempt) = (bench.store.clone(), bench.attempt(&message, n));
            crowd.spawn(async move { store.open_attempt(attempt).await });
        }
        for answer in crowd.join_all().await {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        }
        assert!(bench.store.ping().await.is_err());
    }
}
