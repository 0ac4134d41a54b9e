//! Electing, writing, reading, failing over.

use std::collections::BTreeSet;

use testkit::{Fault, FaultProxy};
use uuid::Uuid;

use super::harness::{Quorum, proposal, within};
use crate::raft::settings::Timings;
use crate::raft::{ProposeError, ReadError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quorums_of_1_3_5_and_7_elect_one_leader_and_agree() {
    for size in [1, 3, 5, 7] {
        let quorum = Quorum::started(size).await;
        quorum.leader().await;
        for _ in 0..10 {
            quorum.write(Uuid::new_v4()).await.result.unwrap();
        }
        quorum.converged().await;
        let leaders: BTreeSet<_> = quorum
            .nodes
            .values()
            .filter(|node| node.consensus.leader().is_self)
            .map(|node| node.consensus.node_id())
            .collect();
        assert_eq!(leaders.len(), 1, "{size} nodes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_refuses_writes_names_the_leader_and_serves_linearizable_reads() {
    let quorum = Quorum::started(3).await;
    let leader = quorum.leader().await;
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    let refused = quorum.node(follower).propose(proposal(Uuid::new_v4())).await;
    match refused {
        Err(ProposeError::NotController(hint)) => {
            let named = hint.leader.unwrap();
            assert_eq!(named.id.0, leader);
            assert_eq!(*named.url, quorum.founders[&named.id]);
        }
        other => panic!("{other:?}"),
    }
    for _ in 0..20 {
        let written = quorum.write(Uuid::new_v4()).await.version;
        quorum.node(follower).linearizable().await.unwrap();
        assert!(quorum.node(follower).read(metadata_core::State::version) >= written);
        quorum.node(leader).linearizable().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_under_one_request_id_is_applied_once() {
    let quorum = Quorum::started(3).await;
    let id = Uuid::new_v4();
    let first = quorum.write(id).await;
    let second = quorum.write(id).await;
    assert_eq!(first.result, second.result);
    assert_eq!(quorum.node(quorum.leader().await).read(metadata_core::State::broker_count), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_has_everything_acknowledged_and_a_higher_term() {
    let mut quorum = Quorum::started(3).await;
    let mut acknowledged = 0;
    for _ in 0..3 {
        let leader = quorum.leader().await;
        let term = quorum.node(leader).leader().term;
        quorum.write_many(20).await;
        acknowledged += 20;
        quorum.stop(leader).await;
        let next = quorum.leader().await;
        assert_ne!(next, leader);
        assert!(quorum.node(next).leader().term > term);
        let known = quorum.node(next).read(metadata_core::State::broker_count);
        assert_eq!(known, acknowledged);
        quorum.start(leader).await;
        quorum.converged().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_writes_and_linearizable_reads_fail_in_bounded_time_and_plain_reads_go_on() {
    let mut quorum = Quorum::started(3).await;
    let leader = quorum.leader().await;
    quorum.write_many(5).await;
    quorum.converged().await;
    for id in (1..=3).filter(|id| *id != leader) {
        quorum.stop(id).await;
    }
    let write = within("an answer", quorum.node(leader).propose(proposal(Uuid::new_v4()))).await;
    assert!(
        matches!(write, Err(ProposeError::NotController(_) | ProposeError::OutcomeUnknown { .. })),
        "{write:?}"
    );
    let read = within("an answer", quorum.node(leader).linearizable()).await;
    assert!(matches!(read, Err(ReadError::NotCurrent { .. })), "{read:?}");
    assert_eq!(quorum.node(leader).read(metadata_core::State::broker_count), 5);
    quorum.eventually("the leader to notice", || (!quorum.node(leader).leader().is_self).then_some(())).await;

    quorum.start((1..=3).find(|id| *id != leader).unwrap()).await;
    quorum.write(Uuid::new_v4()).await.result.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_quorum_has_everything_and_reads_only_once_it_is_recovered() {
    let mut quorum = Quorum::started(3).await;
    quorum.write_many(100).await;
    let before = quorum.converged().await;
    for id in 1..=3 {
        quorum.stop(id).await;
    }
    quorum.start(1).await;
    assert!(!quorum.node(1).is_recovered(), "one of three cannot know what was committed");
    quorum.start(2).await;
    quorum.start(3).await;
    quorum.leader().await;
    let recovered = || (1..=3).all(|id| quorum.node(id).is_recovered()).then_some(());
    quorum.eventually("recovery", recovered).await;
    for id in 1..=3 {
        assert_eq!(quorum.node(id).read(metadata_core::State::broker_count), 100);
        assert!(quorum.node(id).status().last_applied >= before);
    }
}

/// The early election: a leader whose port refuses is replaced long before its lease ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_gone_is_replaced_at_once() {
    let mut quorum = Quorum::new(3).await;
    // Ordinary timeouts would take at least six seconds.
    quorum.timings = Timings::new(500, (3000, 4000));
    for id in 1..=3 {
        quorum.start(id).await;
    }
    let leader = quorum.leader().await;
    quorum.write_many(10).await;
    quorum.stop(leader).await;
    let stopped = std::time::Instant::now();
    quorum.write(Uuid::new_v4()).await.result.unwrap();
    let outage = stopped.elapsed();
    assert!(outage < std::time::Duration::from_secs(3), "{outage:?}");
    let early: u64 = quorum.nodes.values().map(|node| node.consensus.figures().early_elections()).sum();
    assert!(early >= 1);
}

/// A node whose Raft core has stopped must not go on answering HTTP as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_core_that_stops_by_itself_ends_the_node() {
    let quorum = Quorum::started(1).await;
    quorum.leader().await;
    let node = &quorum.nodes[&1];
    node.consensus.inner.raft.shutdown().await.unwrap();
    let reason = within("the end", node.tasks.shutdown().requested()).await;
    assert!(reason.is_failure(), "{reason}");
    assert!(reason.to_string().contains("the Raft core has stopped"), "{reason}");
    assert!(!node.consensus.is_running());
    let refused = node.consensus.propose(proposal(Uuid::new_v4())).await;
    assert!(
        matches!(refused, Err(ProposeError::ShuttingDown | ProposeError::OutcomeUnknown { .. })),
        "{refused:?}"
    );
}

/// A connection that breaks proves nothing: the leader still answers, so nothing is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_breaks_does_not_disturb_a_leader_that_lives() {
    let mut quorum = Quorum::new(3).await;
    quorum.timings = Timings::new(500, (3000, 4000));
    let behind: Vec<String> = quorum.founders.values().cloned().collect();
    let mut proxies = Vec::new();
    for (url, front) in behind.iter().zip(quorum.founders.values_mut()) {
        let target = url.strip_prefix("http://").unwrap().parse().unwrap();
        let proxy = FaultProxy::start(target).await.unwrap();
        *front = format!("http://{}", proxy.address());
        proxies.push(proxy);
    }
    for (id, url) in (1..).zip(&behind) {
        quorum.start_at(id, url).await;
    }
    let leader = quorum.leader().await;
    quorum.converged().await;
    let term = quorum.node(leader).leader().term;
    for _ in 0..5 {
        // The watches count as clients; what the nodes say to each other as nodes passes.
        for proxy in &proxies {
            proxy.set_clients(Fault::Reset);
        }
        quorum.write_many(20).await;
        for proxy in &proxies {
            proxy.set_clients(Fault::None);
        }
        quorum.write_many(20).await;
    }
    assert_eq!(quorum.node(quorum.leader().await).leader().term, term);
    for node in quorum.nodes.values() {
        assert_eq!(node.consensus.figures().early_elections(), 0);
    }
}
