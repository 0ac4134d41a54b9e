//! What Kafka clients see of a broker, byte by byte: order, waiting, limits, and what it does with nonsense.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

mod support;

use std::{
    io::{Read, Write},
    time::Instant,
};

use bytes::Bytes;
use kafka_wire::{
    ErrorCode,
    messages::{
        ApiVersionsResponse, FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
        api_versions::ApiVersion,
        fetch::{FetchPartition, FetchTopic},
        list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
        metadata::MetadataRequestTopic,
    },
};
use support::{
    Quorum, eventually,
    kafka::{Client, PATIENCE, batch, fetch, fetched, produce, produced, start, values},
};
use tempfile::TempDir;

async fn quorum_and_dir() -> (Quorum, TempDir) {
    (Quorum::start(1).await, tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_read_again_also_after_a_restart() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let mut client = Client::new(&broker);
    assert_eq!(produced(&mut client, batch(&["a", "b"])).base_offset, 0);
    assert_eq!(produced(&mut client, batch(&["c"])).base_offset, 2);
    assert_eq!(values(&fetched(&mut client, &fetch(0, 0, 0))), ["a", "b", "c"]);
    // In the middle of a batch: the whole batch.
    assert_eq!(values(&fetched(&mut client, &fetch(0, 1, 0))), ["a", "b", "c"]);
    drop(client);
    broker.stop().await.unwrap();
    let broker = start(&quorum, &dir, &[]).await;
    let mut client = Client::new(&broker);
    let data = fetched(&mut client, &fetch(0, 0, 0));
    assert_eq!((values(&data).len(), data.high_watermark), (3, 3));
    assert_eq!(produced(&mut client, batch(&["d"])).base_offset, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_carried_out_and_answered_in_order() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let mut client = Client::new(&broker);
    for id in 0..50 {
        client.send(id, 9, &produce(-1, 0, batch(&[&format!("{id}")])));
    }
    client.send(50, 12, &fetch(0, 0, 0));
    for id in 0..50 {
        let (correlation_id, response) = client.receive::<ProduceRequest>(9);
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!((correlation_id, answer.error_code, answer.base_offset), (id, ErrorCode::NONE, id.into()));
    }
    let (correlation_id, response) = client.receive::<FetchRequest>(12);
    assert_eq!(correlation_id, 50);
    let wanted: Vec<String> = (0..50).map(|id: i32| id.to_string()).collect();
    assert_eq!(values(&response.responses[0].partitions[0]), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_with_the_record_that_it_waits_for() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let (mut waiting, mut producer) = (Client::new(&broker), Client::new(&broker));
    let begun = Instant::now();
    waiting.send(1, 12, &fetch(0, 0, 60_000));
    produced(&mut producer, batch(&["news"]));
    let (_, response) = waiting.receive::<FetchRequest>(12);
    assert_eq!(values(&response.responses[0].partitions[0]), ["news"]);
    assert!(begun.elapsed() < PATIENCE);
    // Nothing comes: the answer does all the same, when its time is up.
    let empty = fetched(&mut waiting, &fetch(0, 1, 50));
    assert_eq!((empty.error_code, empty.records.len(), empty.high_watermark), (ErrorCode::NONE, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_answer_consumers_since_version_11_and_tools_that_compare_replicas() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    quorum.register_other(102);
    quorum.create_topic("followed", 1, &[102, 101]);
    let mut client = Client::new(&broker);
    let mut request = fetch(0, 0, 0);
    request.topics[0].topic = "followed".into();
    let fetched =
        |client: &mut Client, version| client.call(version, &request).responses[0].partitions[0].error_code;
    let (none, not_leader) = (ErrorCode::NONE, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    eventually("it follows", async || fetched(&mut client, 11).is_none()).await;
    assert_eq!(fetched(&mut client, 10), not_leader);
    // What is not here may be at the leader.
    request.topics[0].partitions[0].fetch_offset = 5;
    assert_eq!(client.call(11, &request).responses[0].partitions[0].error_code, not_leader);

    let mut offset = |replica_id, timestamp| {
        let partition = ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() };
        let topic = ListOffsetsTopic { name: "followed".into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id, topics: vec![topic], ..ListOffsetsRequest::default() };
        let answer = &client.call(7, &request).topics[0].partitions[0];
        (answer.error_code, answer.offset)
    };
    for timestamp in [-1, -2] {
        assert_eq!(offset(-2, timestamp), (none, 0));
        assert_eq!(offset(-1, timestamp), (not_leader, -1));
    }
    assert_eq!((offset(-2, -3), offset(-2, 1)), ((none, -1), (none, -1)));
    drop(client);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_not_there_are_left_out_of_metadata_of_version_0() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    quorum.register_other(102);
    quorum.create_topic("half", 1, &[101, 102]);
    let mut client = Client::new(&broker);
    let topic = MetadataRequestTopic { name: Some("half".into()), ..MetadataRequestTopic::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..MetadataRequest::default() };
    let described = |client: &mut Client, version| {
        let topic = client.call(version, &request).topics.remove(0);
        topic.partitions.into_iter().next().map(|it| (it.error_code, it.replica_nodes, it.isr_nodes))
    };
    let all = Some((ErrorCode::NONE, vec![101, 102], vec![101, 102]));
    eventually("it is known", async || described(&mut client, 1) == all).await;
    assert_eq!(described(&mut client, 0), Some((ErrorCode::REPLICA_NOT_AVAILABLE, vec![101], vec![101])));
    drop(client);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_take_no_role_do_not_hold_a_fetch_up_one_by_one() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    for partition in 0..40 {
        // A file where a directory has to be: the broker is to lead the partition, and cannot.
        std::fs::write(dir.path().join(format!("stuck-{partition}")), "").unwrap();
    }
    quorum.create_topic("stuck", 40, &[101]);
    eventually("the disk refuses", async || !broker.readiness().await.ready).await;
    let mut client = Client::new(&broker);
    assert_eq!(produced(&mut client, batch(&["a"])).base_offset, 0);
    for replica_id in [-1, 102] {
        let mut request = fetch(0, 0, 0);
        let wanted = request.topics[0].partitions[0].clone();
        let partitions = (0..40).map(|partition| FetchPartition { partition, ..wanted.clone() }).collect();
        request.topics.push(FetchTopic { topic: "stuck".into(), partitions, ..FetchTopic::default() });
        request.replica_id = replica_id;
        // The client waits for 20 s; one partition alone would be waited for a second.
        let response = client.call(12, &request);
        let stuck = &response.responses[1].partitions;
        assert!(stuck.iter().all(|one| one.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER), "{stuck:?}");
        if replica_id == -1 {
            assert_eq!(values(&response.responses[0].partitions[0]), ["a"]);
        }
    }
    drop(client);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_does_not_hold_a_shutdown_up() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let mut client = Client::new(&broker);
    client.send(1, 12, &fetch(0, 0, 600_000));
    // The request behind it tells that it was read.
    client.send(2, 12, &fetch(0, 0, 600_000));
    broker.stop().await.unwrap();
    let (correlation_id, _) = client.receive::<FetchRequest>(12);
    assert_eq!(correlation_id, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_0_is_silent_and_its_failure_closes_the_connection() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let mut client = Client::new(&broker);
    client.send(1, 9, &produce(0, 0, batch(&["quiet"])));
    assert_eq!(values(&fetched(&mut client, &fetch(0, 0, 10_000))), ["quiet"]);
    client.send(1, 9, &produce(0, 99, batch(&["lost"])));
    assert!(client.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_get_the_codes_that_clients_act_by() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let mut client = Client::new(&broker);
    let code = |client: &mut Client, request: ProduceRequest| {
        client.call(9, &request).responses[0].partition_responses[0].error_code
    };
    assert_eq!(code(&mut client, produce(3, 0, batch(&["x"]))), ErrorCode::INVALID_REQUIRED_ACKS);
    assert_eq!(code(&mut client, produce(1, 2, batch(&["x"]))), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code(&mut client, produce(1, 0, Bytes::new())), ErrorCode::INVALID_RECORD);
    let mut altered = batch(&["x"]).to_vec();
    *altered.last_mut().unwrap() ^= 1;
    assert_eq!(code(&mut client, produce(1, 0, altered.into())), ErrorCode::CORRUPT_MESSAGE);
    let large = batch(&[&"x".repeat(1_100_000)]);
    assert_eq!(code(&mut client, produce(1, 0, large)), ErrorCode::MESSAGE_TOO_LARGE);
    let beyond = fetched(&mut client, &fetch(0, 5, 0));
    assert_eq!((beyond.error_code, beyond.high_watermark), (ErrorCode::OFFSET_OUT_OF_RANGE, -1));
    let mut newer = fetch(0, 0, 0);
    newer.topics[0].partitions[0].current_leader_epoch = 9;
    assert_eq!(fetched(&mut client, &newer).error_code, ErrorCode::UNKNOWN_LEADER_EPOCH);
    let mut session = fetch(0, 0, 0);
    session.session_id = 4;
    session.session_epoch = 1;
    assert_eq!(client.call(12, &session).error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_session_is_asked_for_changes_and_answers_with_news() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let (mut client, mut producer) = (Client::new(&broker), Client::new(&broker));
    let mut both = fetch(0, 0, 0);
    let second = fetch(1, 0, 0).topics.remove(0).partitions.remove(0);
    both.topics[0].partitions.push(second);
    both.session_epoch = 0;
    let full = client.call(12, &both);
    assert_eq!((full.error_code, full.responses[0].partitions.len()), (ErrorCode::NONE, 2));
    let id = full.session_id;
    assert!(id > 0);
    let go_on = |session_epoch, max_wait_ms| FetchRequest {
        session_id: id,
        session_epoch,
        topics: Vec::new(),
        ..fetch(0, 0, max_wait_ms)
    };
    let idle = client.call(12, &go_on(1, 0));
    assert_eq!((idle.session_id, idle.responses.len()), (id, 0));
    // It waits for what the session has, and tells of nothing else.
    client.send(3, 12, &go_on(2, 60_000));
    producer.call(9, &produce(-1, 1, batch(&["news"])));
    let (_, news) = client.receive::<FetchRequest>(12);
    assert_eq!(news.responses[0].partitions.len(), 1);
    assert_eq!(values(&news.responses[0].partitions[0]), ["news"]);
    // What is not fetched further is given again.
    assert_eq!(values(&client.call(12, &go_on(3, 0)).responses[0].partitions[0]), ["news"]);
    assert_eq!(client.call(12, &go_on(3, 0)).error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_closes_the_connection_and_hurts_nobody_else() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &["socket.request.max.bytes=100000"]).await;
    let mut good = Client::new(&broker);
    let mut nonsense: Vec<Vec<u8>> =
        [-1, 100_001, i32::MAX, i32::MIN, 3].map(|n| n.to_be_bytes().into()).into();
    nonsense[4].extend([1, 2, 3]);
    // An API that is not served; a version that is not served; a body that is cut.
    nonsense.push([&12_i32.to_be_bytes()[..], &[0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
    nonsense.push([&12_i32.to_be_bytes()[..], &[0, 3, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
    nonsense.push([&12_i32.to_be_bytes()[..], &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
    for bytes in &nonsense {
        let mut bad = Client::new(&broker);
        bad.0.write_all(bytes).unwrap();
        assert!(bad.is_closed(), "{bytes:?}");
    }
    // Announced and never sent: it waits, and takes no memory.
    let mut slow: Vec<Client> = (0..50).map(|_| Client::new(&broker)).collect();
    for client in &mut slow {
        client.0.write_all(&99_999_i32.to_be_bytes()).unwrap();
    }
    assert_eq!(produced(&mut good, batch(&["fine"])).error_code, ErrorCode::NONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_the_future_is_told_what_is_served() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &[]).await;
    let mut client = Client::new(&broker);
    let header = [&[0, 18, 0, 99][..], &5_i32.to_be_bytes(), &[0xff, 0xff, 0, 1, 2, 3]].concat();
    client.0.write_all(&i32::try_from(header.len()).unwrap().to_be_bytes()).unwrap();
    client.0.write_all(&header).unwrap();
    let frame = client.frame();
    assert_eq!(frame[..4], 5_i32.to_be_bytes());
    let response = <ApiVersionsResponse as kafka_wire::Message>::from_body(&frame.slice(4..), 0).unwrap();
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    let own = response.api_keys.iter().find(|served| served.api_key == 18);
    assert_eq!(own, Some(&ApiVersion { api_key: 18, min_version: 0, max_version: 4 }));
    // The connection goes on.
    let metadata = client.call(9, &MetadataRequest { topics: None, ..MetadataRequest::default() });
    assert_eq!(metadata.topics[0].name.as_deref(), Some("orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_bound_are_closed() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir, &["max.connections.per.ip=3"]).await;
    let metadata = MetadataRequest { topics: Some(Vec::new()), ..MetadataRequest::default() };
    let answered = || {
        let mut client = Client::new(&broker);
        client.send(1, 9, &metadata);
        client.0.read(&mut [0; 4]).is_ok_and(|read| read > 0).then_some(client)
    };
    let mut open = Vec::new();
    // Connections that were just closed may still count.
    eventually("three are served", async || {
        open.extend(answered());
        open.len() == 3
    })
    .await;
    assert!(Client::new(&broker).is_closed());
    drop(open.pop());
    eventually("there is room again", async || answered().is_some()).await;
}
