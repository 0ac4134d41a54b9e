//! Scenario 1: one leader per term, and all nodes agree on it.

use std::collections::BTreeMap;

use client::api;
use common::{NodeId, Term};
use testkit::{Cluster, Storage, cluster};

use crate::{dmq, on_both_databases};

/// How often the leader is killed: each time begins a new term.
const ELECTIONS: usize = 3;

on_both_databases!(one_leader_per_term);

async fn one_leader_per_term(storage: Storage) {
    let mut cluster = Cluster::start(dmq(), storage, |spec| spec.brokers = 0).await;
    let mut leaders: BTreeMap<Term, NodeId> = BTreeMap::new();
    let mut last = Term(0);
    for _ in 0..ELECTIONS {
        let leader = cluster.leader().await;
        assert!(leader.term > last, "term {} after term {last}", leader.term);
        last = leader.term;
        for (node, status) in cluster.observer().statuses().await {
            let status = status.unwrap();
            assert_eq!(status.leader_id, Some(leader.id), "node {node}");
            assert_eq!(status.current_term, leader.term, "node {node}");
            assert_eq!(status.is_leader, node == leader.id, "node {node}");
            let controller = cluster.observer().ask(node, &api::controller()).await.unwrap();
            assert_eq!(controller.controller_id, leader.id, "node {node}");
            assert_eq!(controller.controller_url, leader.url, "node {node}");
            assert_eq!(controller.controller_term, leader.term, "node {node}");
        }
        assert_eq!(*leaders.entry(leader.term).or_insert(leader.id), leader.id, "two leaders in one term");
        cluster.kill(&cluster::node(leader.id)).await;
        let next = cluster.leader().await;
        assert_ne!(next.id, leader.id);
        assert_eq!(*leaders.entry(next.term).or_insert(next.id), next.id, "two leaders in one term");
        cluster.restart(&cluster::node(leader.id)).await;
        cluster.ready().await;
    }
}
