//! Our own Kafka client against a broker: what goes wrong around it, and what it makes of that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic like the tests")]

mod support;

use std::time::Duration;

use common::{Offset, PartitionId};
use kafka_client::{
    Address, ChangeKind, Cluster, ClusterOptions, Consumer, ConsumerOptions, GroupMember, GroupOptions,
    GroupProtocol, StartAt, TopicPartition, group::Assignor,
};
use support::{
    BrokerFixture, Quorum, eventually,
    fixture::DEADLINE,
    groups::{AT_ONCE, coordinating},
    kafka,
};
use tempfile::TempDir;
use tokio::time::timeout;

fn cluster(broker: &BrokerFixture, options: ClusterOptions) -> Cluster {
    let address = broker.kafka();
    let (host, port) = address.rsplit_once(':').unwrap();
    Cluster::new([Address::new(host, port.parse().unwrap())], options)
}

fn member(broker: &BrokerFixture, topic: &str) -> GroupMember {
    let options = GroupOptions::new("g", [topic.to_owned()], GroupProtocol::Consumer);
    GroupMember::join(cluster(broker, ClusterOptions::default()), options)
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

/// The leader of a classic group sees it and joins again, and the coordinator takes that for a reason to share out anew.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_a_topic_gets_are_shared_out_in_a_classic_group() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    quorum.create_topic("jobs", 1, &[101]);
    let often = Duration::from_millis(100);
    let cluster = cluster(&broker, ClusterOptions { metadata_max_age: often, ..ClusterOptions::default() });
    let protocol = GroupProtocol::Classic(Assignor::CooperativeSticky);
    let options = GroupOptions::new("g", ["jobs".to_owned()], protocol);
    let mut member = GroupMember::join(cluster, GroupOptions { heartbeat_interval: often, ..options });
    assert_eq!(next(&mut member, "jobs").await, ChangeKind::Assigned);
    quorum.add_partitions("jobs", 3);
    let change = timeout(DEADLINE, member.next()).await.expect("a change in time").unwrap();
    let added = [1, 2].map(|id| TopicPartition::new("jobs", PartitionId(id)));
    assert_eq!((change.kind, change.partitions), (ChangeKind::Assigned, added.into()));
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_a_leader_holds_up_no_other_one() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = kafka::start(&quorum, &dir, &[]).await;
    quorum.register_other(102);
    quorum.create_topic("far", 1, &[102]);
    quorum.fence(102);
    let patient = ClusterOptions { max_block: DEADLINE * 2, ..ClusterOptions::default() };
    let cluster = cluster(&broker, patient);
    eventually("the topic is known", async || cluster.look_up("far").await.is_ok()).await;
    eventually("nobody leads it", async || {
        cluster.refresh(["far"], cluster.generation()).await.unwrap();
        cluster.leader("far", PartitionId(0)).is_none()
    })
    .await;
    let mut consumer = Consumer::new(cluster, ConsumerOptions::default());
    let start = |topic| (TopicPartition::new(topic, PartitionId(0)), StartAt::Offset(Offset(0)));
    let assigned = consumer.assign([start("far"), start("orders")]);
    timeout(DEADLINE, assigned).await.expect("it does not wait").unwrap();
    kafka::produced(&mut kafka::Client::new(&broker), kafka::batch(&["news"]));
    let fetched = timeout(DEADLINE, consumer.next()).await.expect("records in time").unwrap();
    assert_eq!((&*fetched.topic, fetched.next), ("orders", Offset(1)));
    let unknown = (TopicPartition::new("orders", PartitionId(2)), StartAt::Offset(Offset(0)));
    assert!(consumer.assign([unknown]).await.unwrap_err().to_string().contains("no partition 2"));
    broker.stop().await.unwrap();
}
