//! Snapshots, and nodes that were away for too long to catch up by log.

use super::harness::Quorum;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_far_behind_is_sent_a_snapshot() {
    let mut quorum = Quorum::new(3).await;
    quorum.timings.snapshot_entries = 200;
    quorum.timings.kept_entries = 20;
    for id in 1..=3 {
        quorum.start(id).await;
    }
    let leader = quorum.leader().await;
    let away = (1..=3).find(|id| *id != leader).unwrap();
    quorum.stop(away).await;
    quorum.write_many(1000).await;
    let purged = || {
        let status = quorum.node(leader).status();
        (status.purged_index > 300).then_some(status.purged_index)
    };
    quorum.eventually("the log to be purged", purged).await;
    quorum.start(away).await;
    quorum.converged().await;
    // It is counted behind the state that it brings.
    let counted = || (quorum.node(away).figures().snapshots_installed() > 0).then_some(());
    quorum.eventually("the snapshot to be counted", counted).await;
    assert_eq!(quorum.node(away).figures().snapshots_installed(), 1);
    assert_eq!(quorum.node(away).read(metadata_core::State::broker_count), 1000);
    quorum.node(away).read(|state| state.check_invariants()).unwrap();

    // What was installed is durable: restarted, it has it without asking.
    quorum.stop(away).await;
    quorum.start(away).await;
    assert!(quorum.node(away).read(metadata_core::State::broker_count) >= 200);
    quorum.converged().await;
    assert_eq!(quorum.node(away).figures().snapshots_installed(), 0);
}
