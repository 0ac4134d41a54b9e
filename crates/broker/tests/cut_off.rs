//! A leader that the controllers do not hear, and whose followers are silent, may have been replaced: it sends its clients
//! away, and takes up again from the metadata once it is heard.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

mod support;

use kafka_wire::{
    ErrorCode,
    messages::{
        FetchRequest, ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest, ProduceRequest,
        list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
        metadata::MetadataRequestTopic,
        offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic},
    },
};
use support::{
    BrokerFixture, Quorum, eventually,
    kafka::{self, Client, batch, fetch, fetched, produce, produced, values},
};
use tempfile::TempDir;

const NOT_LEADER: ErrorCode = ErrorCode::NOT_LEADER_OR_FOLLOWER;

/// A broker 101 that leads `orders` with broker 102 in the ISR, which is the test's.
async fn leader(quorum: &Quorum, dir: &TempDir) -> BrokerFixture {
    let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
    settings.kafka_port = Some(0);
    let broker = BrokerFixture::following(settings).await;
    quorum.register_other(102);
    quorum.create_topic("orders", 1, &[101, 102]);
    eventually("it leads", async || latest(&mut Client::new(&broker)) == ErrorCode::NONE).await;
    broker
}

fn latest(client: &mut Client) -> ErrorCode {
    let partitions = vec![ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() }];
    let topics = vec![ListOffsetsTopic { name: "orders".into(), partitions }];
    let request = ListOffsetsRequest { topics, ..ListOffsetsRequest::default() };
    client.call(6, &request).topics[0].partitions[0].error_code
}

fn end_of_epoch(client: &mut Client) -> ErrorCode {
    let partition = OffsetForLeaderPartition { current_leader_epoch: -1, ..Default::default() };
    let topics = vec![OffsetForLeaderTopic { topic: "orders".into(), partitions: vec![partition] }];
    let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
    client.call(3, &request).topics[0].partitions[0].error_code
}

/// The leader of `orders` that the metadata name, and what they say of it.
fn named(client: &mut Client) -> (i32, ErrorCode) {
    let topics = Some(vec![MetadataRequestTopic { name: Some("orders".into()), ..Default::default() }]);
    let response = client.call(12, &MetadataRequest { topics, ..MetadataRequest::default() });
    let partition = &response.topics[0].partitions[0];
    (partition.leader_id, partition.error_code)
}

/// A fetch of follower 102, which has everything of `orders` before `from`.
fn follow(quorum: &Quorum, client: &mut Client, from: i64) -> ErrorCode {
    kafka::follow(quorum, client, "orders", from)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_sends_its_clients_away() {
    let (quorum, dir) = (Quorum::start(1).await, tempfile::tempdir().unwrap());
    let broker = leader(&quorum, &dir).await;
    let [mut producer, mut consumer, mut other, mut follower] = [(); 4].map(|()| Client::new(&broker));
    // Committed: the follower has it.
    producer.send(1, 9, &produce(-1, 0, batch(&["kept"])));
    eventually("the follower fetches the record", async || {
        follow(&quorum, &mut follower, 0);
        follow(&quorum, &mut follower, 1) == ErrorCode::NONE
    })
    .await;
    let (_, response) = producer.receive::<ProduceRequest>(9);
    assert_eq!(response.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
    // Two that wait: for a follower, and for records.
    producer.send(2, 9, &produce(-1, 0, batch(&["in doubt"])));
    consumer.send(2, 12, &fetch(0, 1, 600_000));
    quorum.depose();
    let (_, response) = producer.receive::<ProduceRequest>(9);
    assert_eq!(response.responses[0].partition_responses[0].error_code, NOT_LEADER);
    let (_, response) = consumer.receive::<FetchRequest>(12);
    assert_eq!(response.responses[0].partitions[0].error_code, NOT_LEADER);
    // Whoever comes now is not served either, and not sent back.
    assert_eq!(fetched(&mut consumer, &fetch(0, 0, 0)).error_code, NOT_LEADER);
    assert_eq!(produced(&mut other, batch(&["more"])).error_code, NOT_LEADER);
    assert_eq!((latest(&mut other), end_of_epoch(&mut other)), (NOT_LEADER, NOT_LEADER));
    assert_eq!(named(&mut other), (-1, ErrorCode::LEADER_NOT_AVAILABLE));
    // It takes up again, with what it had.
    quorum.elect(1);
    eventually("it serves again", async || latest(&mut other) == ErrorCode::NONE).await;
    assert_eq!(named(&mut other), (101, ErrorCode::NONE));
    follow(&quorum, &mut follower, 2);
    assert_eq!(values(&fetched(&mut consumer, &fetch(0, 0, 0))), ["kept", "in doubt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_controllers_a_leader_goes_on_while_all_that_may_be_elected_follow_it() {
    let (quorum, dir) = (Quorum::start(1).await, tempfile::tempdir().unwrap());
    let broker = leader(&quorum, &dir).await;
    let [mut client, mut follower] = [(); 2].map(|()| Client::new(&broker));
    quorum.depose();
    eventually("it is cut off", async || latest(&mut client) == NOT_LEADER).await;
    assert_eq!(follow(&quorum, &mut follower, 0), ErrorCode::NONE);
    assert_eq!(latest(&mut client), ErrorCode::NONE, "102 knows of no other leader");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_replaced_meanwhile_follows_before_it_serves() {
    let (quorum, dir) = (Quorum::start(1).await, tempfile::tempdir().unwrap());
    let broker = leader(&quorum, &dir).await;
    let mut client = Client::new(&broker);
    quorum.depose();
    eventually("it is cut off", async || latest(&mut client) == NOT_LEADER).await;
    let epoch = |quorum: &Quorum| quorum.core().state.topic("orders").unwrap().partitions[0].leader_epoch.0;
    let mut as_it_was = fetch(0, 0, 0);
    as_it_was.topics[0].partitions[0].current_leader_epoch = epoch(&quorum);
    quorum.fence(101);
    assert!(epoch(&quorum) > as_it_was.topics[0].partitions[0].current_leader_epoch, "102 leads");
    quorum.elect(1);
    eventually("it knows that it was replaced", async || {
        let code = fetched(&mut client, &as_it_was).error_code;
        assert_ne!(code, ErrorCode::NONE, "it serves as it was");
        code == ErrorCode::FENCED_LEADER_EPOCH
    })
    .await;
    assert_eq!(latest(&mut client), NOT_LEADER);
}
