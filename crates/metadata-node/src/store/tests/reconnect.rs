//! Postgres connections that break, servers that crash, and what is left of a former owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{ClusterId, NodeId};
use runtime::{TaskKind, Tasks};
use testkit::postgres::PostgresServer;

use super::refusals::append;
use super::{Place, Running, at, rows};
use crate::store::{Op, StoreError, StoreOptions};

const END_WRITERS: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'dmq%writer%'";

/// Appends one entry after the other until told to stop; returns how many were acknowledged.
async fn write_until(store: crate::store::Store, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) {
    let mut index = 0;
    while !stop.load(Ordering::Relaxed) {
        index += 1;
        store.ask(|done| Op::Append(rows(1, index..=index), done)).await.unwrap();
        acknowledged.store(index, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load() {
    let place = Place::postgres();
    let running = place.open().await;
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let tasks = Tasks::new();
    let work = write_until(running.store.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
    let load = tasks.spawn(TaskKind::Coordinator, "load", |_| work);
    for cut in 1..=20 {
        let before = acknowledged.load(Ordering::Relaxed);
        // Psql is another process and takes some 20 ms: the load goes on meanwhile.
        tokio::task::block_in_place(|| place.cut_writers());
        while acknowledged.load(Ordering::Relaxed) < before + 10 || running.store.gauges().reconnects() < cut
        {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    load.ended().await;
    let last = acknowledged.load(Ordering::Relaxed);
    running.close().await;

    let running = place.open().await;
    assert_eq!(Some(at(1, last)), running.opened.last_log, "acknowledged and durable are the same");
    assert_eq!(last as usize, running.store.log(1, usize::MAX).await.unwrap().len());
    running.close().await;
}

impl Place {
    fn cut_writers(&self) {
        let sql = format!("{END_WRITERS} AND datname = current_database()");
        PostgresServer::shared().sql(self.database.as_ref().unwrap(), &sql).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_and_comes_back() {
    let mut server = PostgresServer::start().unwrap();
    let options = StoreOptions::new(server.tcp_url("postgres"), ClusterId("test".into()), NodeId(1));
    let running = Running::open(options).await.unwrap();
    append(&running, 1, 1..=5).await;
    tokio::task::block_in_place(|| server.crash_and_restart().unwrap());
    append(&running, 1, 6..=9).await;
    assert_eq!(1, running.store.gauges().reconnects());
    assert_eq!(9, running.store.log(1, 100).await.unwrap().len());
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_away() {
    let server = PostgresServer::start().unwrap();
    let mut options = StoreOptions::new(server.tcp_url("postgres"), ClusterId("test".into()), NodeId(1));
    options.reconnect_timeout = Duration::from_millis(300);
    let running = Running::open(options).await.unwrap();
    append(&running, 1, 1..=5).await;
    tokio::task::block_in_place(|| drop(server));
    let error = running.store.append(rows(1, 6..=6)).await.unwrap_err();
    assert!(matches!(error, StoreError::Lost { .. }), "{error}");
    let failed = running.store.watch_failure();
    assert!(running.store.append(rows(1, 7..=7)).await.is_err(), "a failed store stays so");
    assert!(failed.borrow().is_some());
    running.ended().await;
}

/// The lock went with the connection, and another process was quicker: the former owner must stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_taken_over() {
    let place = Place::postgres();
    let first = place.open().await;
    append(&first, 1, 1..=5).await;
    tokio::task::block_in_place(|| place.cut_writers());
    let second = place.open().await;
    append(&second, 1, 6..=6).await;
    let error = first.store.append(rows(1, 6..=6)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    first.ended().await;
    // While the second lives, and after it.
    append(&second, 1, 7..=7).await;
    second.close().await;
}

/// Even where session locks mean nothing (a pooler between), the epoch keeps a former owner out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_with_an_old_epoch_writes_nothing() {
    let place = Place::postgres();
    let running = place.open().await;
    append(&running, 1, 1..=5).await;
    place.sql("UPDATE raft_node SET owner_epoch = owner_epoch + 1").await;
    let error = running.store.append(rows(1, 6..=6)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    running.ended().await;
    assert_eq!("5", place.sql("SELECT max(idx) FROM raft_log").await);
}

/// SQLite checks it wherever a transaction has more than one step.
#[tokio::test]
async fn a_sqlite_owner_with_an_old_epoch_stops() {
    let place = Place::sqlite();
    let running = place.open().await;
    place.sql("UPDATE raft_node SET owner_epoch = owner_epoch + 1").await;
    let vote = crate::store::VoteRecord { term: 1, node: NodeId(1), committed: false };
    let error = running.store.ask(|done| Op::Vote(vote, done)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    running.ended().await;
}
