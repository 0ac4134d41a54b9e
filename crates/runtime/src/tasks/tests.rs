//! How tasks end, and what their failures mean.

use std::sync::Mutex as StdMutex;

use super::*;

const GRACE: Duration = Duration::from_secs(5);

async fn explode() {
    panic!("index {} is gone", 7)
}

#[tokio::test]
async fn steps_end_in_the_declared_order() {
    let tasks = Tasks::new();
    let order = Arc::new(StdMutex::new(Vec::new()));
    let kinds = [
        (TaskKind::Storage, "storage"),
        (TaskKind::Listener, "listener"),
        (TaskKind::Raft, "raft"),
        (TaskKind::LogFlush, "log-flush"),
        (TaskKind::Coordinator, "coordinator"),
        (TaskKind::Replication, "replication"),
    ];
    for (kind, name) in kinds {
        let order = Arc::clone(&order);
        tasks.spawn(kind, name, |stop| async move {
            stop.requested().await;
            order.lock().unwrap().push(name);
        });
    }
    assert_eq!(tasks.drain(GRACE).await, Vec::<&str>::new());
    let expected = ["listener", "coordinator", "replication", "log-flush", "raft", "storage"];
    assert_eq!(*order.lock().unwrap(), expected);
    assert_eq!(tasks.running(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_critical_panic_ends_the_process_as_a_failure() {
    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Raft, "raft.core", |_| explode());
    let failed = tasks.supervise(GRACE).await.unwrap_err();
    assert_eq!(failed.to_string(), "task `raft.core` panicked: index 7 is gone");
}

#[tokio::test]
async fn a_critical_error_ends_the_process_as_a_failure() {
    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Storage, "store.writer", |_| async { Err::<(), _>("disk full") });
    let failed = tasks.supervise(GRACE).await.unwrap_err();
    assert_eq!(failed.to_string(), "task `store.writer` failed: disk full");
}

#[tokio::test]
async fn a_critical_task_must_not_end_unasked() {
    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Listener, "http", |_| async {});
    let failed = tasks.supervise(GRACE).await.unwrap_err();
    assert_eq!(failed.to_string(), "task `http` ended without having been asked to");
}

#[tokio::test]
async fn a_failing_connection_leaves_the_process_alone() {
    let tasks = Tasks::new();
    let panicking = tasks.spawn(TaskKind::Connection, "http.connection", |_| explode());
    panicking.ended().await;
    let failing = tasks.spawn_blocking(TaskKind::Request, "cleanup", |_| Err::<(), _>("busy"));
    failing.ended().await;
    assert!(!tasks.shutdown().is_requested());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_named() {
    let tasks = Tasks::new();
    let stuck = tasks.spawn(TaskKind::Coordinator, "stuck", |_| std::future::pending::<()>());
    tasks.spawn(TaskKind::Background, "push", |_| std::future::pending::<()>());
    assert_eq!(tasks.drain(Duration::from_millis(20)).await, ["stuck"]);
    assert!(stuck.is_ended());
    assert!(!tasks.shutdown().is_requested(), "being cut short is no failure");
}

#[tokio::test]
async fn an_aborted_task_is_no_failure() {
    let tasks = Tasks::new();
    let handle = tasks.spawn(TaskKind::Raft, "raft.link", |_| std::future::pending::<()>());
    handle.abort();
    handle.ended().await;
    assert!(!tasks.shutdown().is_requested());
}

#[tokio::test]
async fn the_first_reason_counts() {
    let tasks = Tasks::new();
    assert!(tasks.shutdown().request(ShutdownReason::Signal("SIGTERM")));
    let late = ShutdownReason::TaskFailed { task: "raft", detail: "failed: late".into() };
    assert!(!tasks.shutdown().request(late));
    tasks.supervise(GRACE).await.unwrap();
    assert_eq!(tasks.shutdown().reason(), Some(&ShutdownReason::Signal("SIGTERM")));
}

#[tokio::test]
async fn stop_ends_work_that_would_go_on() {
    let tasks = Tasks::new();
    let stop = tasks.stop(TaskKind::Coordinator);
    assert_eq!(stop.or(async { 3 }).await, Some(3));
    tasks.drain(GRACE).await;
    assert!(stop.is_requested());
    assert_eq!(stop.or(std::future::pending::<u8>()).await, None);
}
