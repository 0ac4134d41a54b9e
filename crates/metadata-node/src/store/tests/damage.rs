//! Rows that make no sense give errors that name them, never a panic, and never a wrong answer.

use super::refusals::append;
use super::{Place, Running, at, created, on_both_databases, snapshot_at};
use crate::store::{HistoryQuery, StoreError};

on_both_databases!(entries, snapshots, events, a_missed_entry);

async fn damaged<T: std::fmt::Debug>(outcome: Result<T, StoreError>, names: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(names), "`{names}` is missing in: {error}");
}

async fn entries(place: Place) {
    let running = place.open().await;
    append(&running, 1, 1..=3).await;
    for (change, names) in [
        ("payload = '{\"cut'", "payload of raft_log entry 2"),
        ("payload = NULL", "entry 2: a command without payload"),
        ("kind = 'wish'", "kind is `wish`"),
        ("kind = 'command', payload = '{}', fmt = 7", "fmt is 7"),
        ("fmt = 1, term = -1", "raft_log.term is -1"),
    ] {
        place.sql(&format!("UPDATE raft_log SET {change} WHERE idx = 2")).await;
        damaged(running.store.log(1, 10).await, names).await;
    }
    running.close().await;
}

async fn snapshots(place: Place) {
    let running = place.open().await;
    let bytes = (2 << 20) + 77;
    let (record, data) = snapshot_at(at(1, 0), bytes);
    running.store.project(vec![created(1, 0)]).await.unwrap();
    running.store.save_snapshot(record, data.clone()).await.unwrap();
    let (read, back) = running.store.snapshot().await.unwrap().unwrap();
    assert_eq!((read.last, read.format, read.codec.as_str()), (Some(at(1, 0)), 1, "zstd"));
    assert!(back == data);
    assert_eq!("3", place.sql("SELECT count(*) FROM raft_snapshot_chunk").await);

    place.sql("UPDATE raft_snapshot SET sha256 = 'feed'").await;
    damaged(running.store.snapshot().await, "instead of feed").await;
    place.sql("DELETE FROM raft_snapshot_chunk WHERE seq = 2").await;
    damaged(running.store.snapshot().await, &format!("instead of {bytes}")).await;
    running.close().await;
}

async fn events(place: Place) {
    let running = place.open().await;
    running.store.project(vec![created(1, 0), created(1, 1)]).await.unwrap();
    running.store.flush().await.unwrap();
    place.sql("UPDATE metadata_events SET request_id = 'nobody' WHERE version = 1").await;
    let query = HistoryQuery { limit: 10, ..HistoryQuery::default() };
    damaged(running.store.history(query).await, "request_id of version 1").await;
    running.close().await;
}

/// The projection would be wrong for ever: the store stops instead.
async fn a_missed_entry(place: Place) {
    let running = place.open().await;
    running.store.project(vec![created(1, 5), created(1, 7)]).await.unwrap();
    let error = running.store.flush().await.unwrap_err();
    assert!(
        error.to_string().contains("7@1 does not follow 5@1") || matches!(error, StoreError::Closed),
        "{error}"
    );
    let failed = running.store.watch_failure();
    Running::ended(running).await;
    assert!(failed.borrow().as_ref().unwrap().to_string().contains("7@1 does not follow 5@1"));
}
