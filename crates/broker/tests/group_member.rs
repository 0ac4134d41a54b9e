//! Members of groups that are programs of ours, by the protocol of KIP-848: what a broker tells them, and when.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic like the tests")]

mod support;

use common::PartitionId;
use kafka_client::{
    Address, ChangeKind, Cluster, ClusterOptions, GroupMember, GroupOptions, GroupProtocol, TopicPartition,
};
use support::{
    BrokerFixture, Quorum,
    fixture::DEADLINE,
    groups::{AT_ONCE, coordinating},
};
use tempfile::TempDir;
use tokio::time::timeout;

fn member(broker: &BrokerFixture, topic: &str) -> GroupMember {
    let (host, port) =
        broker.kafka().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.parse())).unwrap();
    let cluster = Cluster::new([Address::new(host, port.unwrap())], ClusterOptions::default());
    GroupMember::join(cluster, GroupOptions::new("g", [topic.to_owned()], GroupProtocol::Consumer))
}

/// The next change, which is of partition 0 of the topic.
async fn next(member: &mut GroupMember, topic: &str) -> ChangeKind {
    let change = timeout(DEADLINE, member.next()).await.expect("a change in time").unwrap();
    assert_eq!(change.partitions, [TopicPartition::new(topic, PartitionId(0))].into());
    change.kind
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_anew_is_given_out_again() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let often = [AT_ONCE, &["group.consumer.heartbeat.interval.ms=100"]].concat();
    let broker = coordinating(&quorum, &dir, &often).await;
    quorum.create_topic("jobs", 1, &[101]);
    let mut member = member(&broker, "jobs");
    assert_eq!(next(&mut member, "jobs").await, ChangeKind::Assigned);
    quorum.delete_topic("jobs");
    assert_eq!(next(&mut member, "jobs").await, ChangeKind::Revoked);
    quorum.create_topic("jobs", 1, &[101]);
    assert_eq!(next(&mut member, "jobs").await, ChangeKind::Assigned);
    broker.stop().await.unwrap();
}
