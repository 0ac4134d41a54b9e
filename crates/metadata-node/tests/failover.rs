//! How long nobody can write after the leader's process was killed.
//!
//! `DMQ_FAILOVERS=50 cargo test --release -p metadata-node --test failover -- --nocapture` measures it.

mod support;

use std::time::{Duration, Instant};

use client::api;
use common::NodeId;
use http_api::CreateTopicRequest;
use support::Quorum;

/// Few enough for the suite.
const FAILOVERS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_replaced_in_less_than_its_lease() {
    let measured: Option<usize> = std::env::var("DMQ_FAILOVERS").ok().and_then(|count| count.parse().ok());
    let failovers = measured.unwrap_or(FAILOVERS);
    let mut quorum = Quorum::start(3).await.with_broker().await;
    let mut outages = Vec::new();
    for round in 0..failovers {
        quorum.converged().await;
        let leader = quorum.leader().await;
        let others: Vec<NodeId> = quorum.observer.nodes().filter(|id| *id != leader.id).collect();
        let killed = Instant::now();
        quorum.process(leader.id.0).signal(nix::sys::signal::Signal::SIGKILL).unwrap();
        outages.push(first_write(&quorum, &others, round, killed).await);
        quorum.process(leader.id.0).exited().await.unwrap();
        quorum.start_node(leader.id.0).await;
    }
    outages.sort();
    let at = |percent: usize| outages[(outages.len() * percent / 100).min(outages.len() - 1)];
    println!(
        "leader killed -> next acknowledged write, {failovers} times: p50 {:?}, p95 {:?}, p99 {:?}, max {:?}",
        at(50),
        at(95),
        at(99),
        at(100)
    );
    let early = (1..=3).any(|id| quorum.logged(id).contains("raft.early_election"));
    assert!(early, "nobody noticed that the leader was gone");
    // A debug build, or a machine that does other things beside it, proves nothing about time.
    if measured.is_some() && !cfg!(debug_assertions) {
        assert!(at(50) <= Duration::from_millis(300), "{outages:?}");
        assert!(at(99) <= Duration::from_millis(900), "{outages:?}");
    }
}

/// Asks the survivors in turn, every two milliseconds, until one of them has committed a write.
async fn first_write(quorum: &Quorum, nodes: &[NodeId], round: usize, since: Instant) -> Duration {
    let mut interval = tokio::time::interval(Duration::from_millis(2));
    for attempt in 0.. {
        for node in nodes {
            let request = CreateTopicRequest {
                topic_name: format!("f-{round}-{attempt}-{node}"),
                num_partitions: Some(1),
                replication_factor: Some(1),
                configs: Default::default(),
                assignments: None,
            };
            if quorum.observer.ask(*node, &api::create_topic(&request)).await.is_ok() {
                return since.elapsed();
            }
        }
        if since.elapsed() > support::DEADLINE {
            quorum.fail("no write after the leader was killed");
        }
        interval.tick().await;
    }
    unreachable!("the loop has no end")
}
