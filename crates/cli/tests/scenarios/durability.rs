//! Scenario 7: what was acknowledged is on a majority, appears on all nodes and in SQL, and is there after SIGKILL of
//! the whole cluster.

use client::api;
use common::NodeId;
use testkit::{Cluster, Storage, cluster, eventually, sql};

use crate::{dmq, on_both_databases, topic};

on_both_databases!(an_acknowledged_topic_is_everywhere_and_stays);

async fn an_acknowledged_topic_is_everywhere_and_stays(storage: Storage) {
    let mut cluster = Cluster::start(dmq(), storage, |_| {}).await;
    let leader = cluster.leader().await;
    let down = cluster.observer().nodes().find(|node| *node != leader.id).unwrap();

    // A majority is enough.
    cluster.kill(&cluster::node(down)).await;
    let created = cluster.client().call(&api::create_topic(&topic("orders", 3, 3))).await.unwrap();
    let holders: Vec<NodeId> = cluster.observer().nodes().filter(|node| *node != down).collect();
    let status = cluster.observer().ask(leader.id, &api::raft_status()).await.unwrap();
    let matching = status.replication.iter().filter(|(_, matched)| **matched >= status.commit_index).count();
    assert!(matching >= holders.len(), "committed without a majority: {status:?}");

    // The third node gets it when it is back.
    cluster.restart(&cluster::node(down)).await;
    cluster.ready().await;
    everywhere(&cluster, &created).await;
    in_sql(&cluster).await;

    for process in cluster.local().members() {
        cluster.kill(&process.name).await;
    }
    for process in cluster.local().members() {
        cluster.restart(&process.name).await;
    }
    cluster.ready().await;
    everywhere(&cluster, &created).await;
    in_sql(&cluster).await;
}

/// All but what changes while brokers come and go.
async fn everywhere(cluster: &Cluster, created: &http_api::TopicInfo) {
    for (node, image) in cluster.observer().images(cluster::DEADLINE).await.unwrap() {
        let held = image.topics.iter().find(|topic| topic.topic_name == created.topic_name);
        let held = held.unwrap_or_else(|| panic!("node {node} does not have it"));
        assert_eq!(
            (held.topic_id, held.num_partitions),
            (created.topic_id, created.num_partitions),
            "node {node}"
        );
        for (ours, theirs) in created.partitions.iter().zip(&held.partitions) {
            assert_eq!(ours.replicas, theirs.replicas, "node {node}");
        }
    }
}

/// The projection is written lazily, but it is written.
async fn in_sql(cluster: &Cluster) {
    for database in cluster.databases() {
        eventually(&format!("the topic is in {database}"), cluster::DEADLINE, async || {
            let query = "SELECT COUNT(*) FROM partitions WHERE topic_name = 'orders'";
            match sql::number(&database, query).await {
                Ok(3) => Ok(()),
                Ok(other) => Err(format!("{other} partitions")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }
}
