//! Reading as a group by poll and acknowledgement, as with `curl`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

mod support;

use std::{io::Read as _, io::Write as _, net::TcpStream, pin::pin};

use client::Reply;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use kafka_wire::{
    ErrorCode,
    messages::{
        DeleteRecordsRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest,
        delete_records::{DeleteRecordsPartition, DeleteRecordsTopic},
        join_group::JoinGroupRequestProtocol,
        leave_group::MemberIdentity,
        offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    },
};
use serde_json::{Value, json};
use support::{
    BrokerFixture, Quorum, eventually,
    groups::{AT_ONCE, coordinating},
    kafka::{self, Client},
};
use tempfile::TempDir;

async fn poll(broker: &BrokerFixture, more: Value) -> Value {
    let reply = try_poll(broker, more).await;
    let body: Value = reply.json().unwrap();
    assert_eq!(reply.status, 200, "{body}");
    body
}

async fn try_poll(broker: &BrokerFixture, more: Value) -> Reply {
    let mut request = json!({"topics": ["orders"], "leaseMs": 60_000, "maxWaitMs": 20_000});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    broker.post("/api/v1/groups/g/poll", &request).await
}

async fn ack(broker: &BrokerFixture, request: Value) -> Value {
    broker.post("/api/v1/groups/g/ack", &request).await.json().unwrap()
}

/// Writes so many records to a partition, with their numbers as values.
fn write(broker: &BrokerFixture, partition: i32, values: std::ops::Range<i32>) {
    let values: Vec<String> = values.map(|n| n.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let written = Client::new(broker).call(9, &kafka::produce(-1, partition, kafka::batch(&values)));
    assert_eq!(written.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
}

/// Partition and offset of each record.
fn places(polled: &Value) -> Vec<(i64, i64)> {
    let place = |record: &Value| (record["partition"].as_i64().unwrap(), record["offset"].as_i64().unwrap());
    let mut places: Vec<_> = polled["records"].as_array().unwrap().iter().map(place).collect();
    places.sort_unstable();
    places
}

/// The committed offset of partition 0.
async fn committed(broker: &BrokerFixture) -> Value {
    let shown: Value = broker.get("/api/v1/groups/g").await.json().unwrap();
    shown["offsets"][0]["offset"].clone()
}

fn code(reply: &Reply) -> (u16, String) {
    let problem: Value = reply.json().unwrap();
    (reply.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_leased_acknowledged_and_come_again_if_not() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    write(&broker, 0, 0..10);

    // Two readers never have the same records.
    let first = poll(&broker, json!({"maxRecords": 4})).await;
    assert_eq!(places(&first), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    assert_eq!(
        (&first["records"][0]["topic"], &first["records"][0]["value"]),
        (&json!("orders"), &json!("0"))
    );
    assert!(first["expiresAt"].as_i64().unwrap() > 1_700_000_000_000);
    let second = poll(&broker, json!({})).await;
    assert_eq!(places(&second), (4..10).map(|offset| (0, offset)).collect::<Vec<_>>());
    let third = poll(&broker, json!({"maxWaitMs": 0})).await;
    assert_eq!(third, json!({"records": []}));

    // Out of order: what is committed moves over what is done without a gap, and the group shows it as any other.
    let acked = ack(&broker, json!({"lease": second["lease"]})).await;
    assert_eq!(acked, json!({"acknowledged": 6, "left": 0, "committed": []}));
    assert_eq!(committed(&broker).await, 0);
    let one = json!([{"topic": "orders", "partition": 0, "offset": 1}]);
    let acked = ack(&broker, json!({"lease": first["lease"], "records": one})).await;
    assert_eq!(acked, json!({"acknowledged": 1, "left": 3, "committed": []}));
    let acked = ack(&broker, json!({"lease": first["lease"]})).await;
    let moved = json!([{"topic": "orders", "partition": 0, "offset": 10}]);
    assert_eq!(acked, json!({"acknowledged": 3, "left": 0, "committed": moved}));
    let shown: Value = broker.get("/api/v1/groups/g").await.json().unwrap();
    assert_eq!((&shown["state"], &shown["lag"]), (&json!("Empty"), &json!(0)));

    // A lease that ends gives its records back, and so does its reader.
    write(&broker, 1, 0..3);
    let short = poll(&broker, json!({"leaseMs": 100})).await;
    assert_eq!(places(&short), [(1, 0), (1, 1), (1, 2)]);
    let again = poll(&broker, json!({})).await;
    assert_eq!(places(&again), places(&short), "it waited for the lease to end");
    let late = broker.post("/api/v1/groups/g/ack", &json!({"lease": short["lease"]})).await;
    assert_eq!(code(&late), (409, "LEASE_EXPIRED".to_owned()));
    let one = json!([{"topic": "orders", "partition": 1, "offset": 0}]);
    let acked = ack(&broker, json!({"lease": again["lease"], "records": one, "release": true})).await;
    assert_eq!((&acked["acknowledged"], &acked["left"]), (&json!(1), &json!(2)));
    assert_eq!(places(&poll(&broker, json!({})).await), [(1, 1), (1, 2)]);
    broker.stop().await.unwrap();
}

/// Two wait; one record is written, and when one of them has it, another. What each of them gets, the faster one first.
async fn two_wait(broker: &BrokerFixture) -> [Vec<(i64, i64)>; 2] {
    let wait = || poll(broker, json!({"maxWaitMs": 60_000}));
    let (mut one, mut other) = (pin!(wait()), pin!(wait()));
    let faster = async {
        tokio::select! {
            first = &mut one => (first, other),
            first = &mut other => (first, one),
        }
    };
    let ((first, waits), ()) = tokio::join!(faster, async { write(broker, 0, 5..6) });
    write(broker, 0, 6..7);
    [places(&first), places(&waits.await)]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_what_is_written_and_only_one_does() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    // Behind the last record: what was there before is nothing to this group.
    write(&broker, 0, 0..5);
    assert_eq!(places(&poll(&broker, json!({"start": "latest", "maxWaitMs": 0})).await), []);
    assert_eq!(committed(&broker).await, 5);
    assert_eq!(two_wait(&broker).await, [[(0, 5)], [(0, 6)]]);
    broker.stop().await.unwrap();
}

/// The value of a series.
async fn figure(broker: &BrokerFixture, series: &str) -> u64 {
    let scraped = String::from_utf8(broker.get("/metrics").await.body.to_vec()).unwrap();
    let value = scraped.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Until so many polls have found nothing, and wait.
async fn until_waiting(broker: &BrokerFixture, polls: u64) {
    let what = format!("{polls} wait");
    eventually(&what, async || figure(broker, "dmq_group_polls_waiting").await == polls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_wakes_one_of_those_who_wait() {
    const POLLS: i32 = 16;
    const READS: &str = "dmq_http_request_duration_seconds_count{method=\"GET\",\
        path=\"/api/v1/topics/{topic}/partitions/{partition}/records\",status=\"2xx\"}";
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let mut waiting: FuturesUnordered<_> =
        (0..POLLS).map(|_| poll(&broker, json!({"maxWaitMs": 60_000, "leaseMs": 600_000}))).collect();
    // They come when they are first asked for their answers.
    tokio::select! {
        polled = waiting.next() => panic!("there was nothing: {polled:?}"),
        () = until_waiting(&broker, 16) => {}
    }
    for n in 0..POLLS {
        let (polled, ()) = tokio::join!(waiting.next(), async { write(&broker, 0, n..n + 1) });
        assert_eq!(places(&polled.unwrap()), [(0, i64::from(n))]);
    }
    drop(waiting);
    until_waiting(&broker, 0).await;
    // If each record woke all who wait, they would read it 136 times.
    let reads = figure(&broker, READS).await;
    assert!((16..=32).contains(&reads), "{POLLS} records were read {reads} times");
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_is_in_nobodys_way() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    some_hang_up(&broker).await;
    broker.stop().await.unwrap();
}

async fn some_hang_up(broker: &BrokerFixture) {
    let wait = || poll(broker, json!({"maxWaitMs": 60_000, "leaseMs": 600_000}));
    {
        let (mut first, mut second) = (pin!(wait()), pin!(wait()));
        let mut third = pin!(wait());
        for (poll, count) in [(&mut first, 1), (&mut second, 2), (&mut third, 3)] {
            tokio::select! {
                polled = poll => panic!("there was nothing: {polled}"),
                () = until_waiting(broker, count) => {}
            }
        }
    }
    // All of them have hung up: the one that was told of records, and those behind it.
    until_waiting(broker, 0).await;
    let (polled, ()) = tokio::join!(wait(), async {
        until_waiting(broker, 1).await;
        write(broker, 0, 0..1);
    });
    assert_eq!(places(&polled), [(0, 0)]);

    // One waits behind another that hangs up: it is told in its place, also of records that are given back.
    let (mut gone, mut stays) = (Box::pin(wait()), pin!(wait()));
    tokio::select! {
        polled = &mut gone => panic!("there was nothing: {polled}"),
        () = until_waiting(broker, 1) => {}
    }
    tokio::select! {
        polled = &mut stays => panic!("there was nothing: {polled}"),
        () = until_waiting(broker, 2) => {}
    }
    drop(gone);
    let (polled, ()) = tokio::join!(stays, async {
        until_waiting(broker, 1).await;
        ack(broker, json!({"lease": polled["lease"], "records": [], "release": true})).await;
    });
    assert_eq!(places(&polled), [(0, 0)]);
}

/// One coordinator, whose records have to be on a follower, and whose replies wait for it therefore: the follower is the test's.
const WAITS_FOR_FOLLOWER: &[&str] = &[
    "group.initial.rebalance.delay.ms=0",
    "offsets.topic.num.partitions=1",
    "replica.lag.time.max.ms=86400000",
];

const OFFSETS: &str = "__consumer_offsets";

/// Whether the coordinator replies.
async fn replies(broker: &BrokerFixture) -> bool {
    let scraped = String::from_utf8(broker.get("/metrics").await.body.to_vec()).unwrap();
    scraped.contains("\ndmq_consumer_groups ")
}

/// From here on nothing of the coordinator is committed before the follower has it.
async fn give_it_a_follower(quorum: &Quorum, broker: &BrokerFixture) {
    eventually("it replies", async || replies(broker).await).await;
    quorum.register_other(102);
    quorum.move_to(OFFSETS, &[101, 102]);
    let mut client = Client::new(broker);
    eventually("its replies wait", async || {
        client.send(1, 8, &commit_of("other", "orders", 1, 0));
        !replies(broker).await
    })
    .await;
    follow_to_the_end(quorum, broker).await;
}

/// The follower fetches all that there is, and the replies come.
async fn follow_to_the_end(quorum: &Quorum, broker: &BrokerFixture) {
    let (mut follower, mut next) = (Client::new(broker), 0);
    eventually("the replies come", async || {
        while kafka::follow(quorum, &mut follower, OFFSETS, next) == ErrorCode::NONE {
            next += 1;
        }
        next -= 1;
        replies(broker).await
    })
    .await;
}

/// Deletes the records of a partition before an offset.
fn delete_before(broker: &BrokerFixture, partition_index: i32, offset: i64) {
    let partitions = vec![DeleteRecordsPartition { partition_index, offset }];
    let topics = vec![DeleteRecordsTopic { name: "orders".into(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 10_000 };
    let deleted = Client::new(broker).call(2, &request);
    assert_eq!(deleted.topics[0].partitions[0].error_code, ErrorCode::NONE);
}

/// Begins a poll, and reads nothing of its answer.
fn begin_to_poll(broker: &BrokerFixture) -> TcpStream {
    let body = json!({"topics": ["orders"], "leaseMs": 3_600_000, "maxWaitMs": 60_000}).to_string();
    let mut stream = TcpStream::connect(broker.url().strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(kafka::PATIENCE)).unwrap();
    write!(
        stream,
        "POST /api/v1/groups/g/poll HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_before_it_is_answered_gives_back_what_it_was_to_get() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, WAITS_FOR_FOLLOWER).await;
    assert_eq!(places(&poll(&broker, json!({"maxWaitMs": 0})).await), []);
    write(&broker, 0, 0..5);
    // The poll moves the group's offset over these, and waits until that is committed.
    delete_before(&broker, 0, 2);
    give_it_a_follower(&quorum, &broker).await;

    let mut gone = begin_to_poll(&broker);
    eventually("the lease is on its way", async || !replies(&broker).await).await;
    gone.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // The broker hangs up, too, one way or the other.
    let _ = gone.read_to_end(&mut answer);
    assert_eq!(String::from_utf8_lossy(&answer), "");
    follow_to_the_end(&quorum, &broker).await;
    assert_eq!(places(&poll(&broker, json!({"maxWaitMs": 0})).await), [(0, 2), (0, 3), (0, 4)]);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_may_have_been_made_is_not_made_again() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, WAITS_FOR_FOLLOWER).await;
    write(&broker, 0, 0..5);
    commit(&broker, "orders", 0, 4);
    give_it_a_follower(&quorum, &broker).await;
    let shift = json!({"to": {"shift": -1}, "dryRun": false});
    let mut reset = Box::pin(broker.post("/api/v1/groups/g/offsets", &shift));
    tokio::select! {
        answer = &mut reset => panic!("there is no follower: {:?}", code(&answer)),
        () = eventually("it is on its way", async || !replies(&broker).await) => {}
    }
    // The coordinator may have been replaced by now.
    quorum.depose();
    assert_eq!(code(&reset.await), (504, "COMMIT_UNKNOWN".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_group_of_all_may_begin_by_being_put_somewhere() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = kafka::start(&quorum, &dir, AT_ONCE).await;
    write(&broker, 0, 0..5);
    let reset =
        json!({"to": {"offset": 3}, "topics": [{"topic": "orders", "partitions": [0]}], "dryRun": false});
    let done = broker.post("/api/v1/groups/g/offsets", &reset).await;
    let wanted = json!({"groupId": "g", "dryRun": false, "partitions": [{"topic": "orders", "partition": 0, "to": 3}]});
    assert_eq!(done.json::<Value>().unwrap(), wanted);
    assert_eq!(committed(&broker).await, 3);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_comes_again_after_a_restart_and_the_rest_does_not() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    write(&broker, 0, 0..6);
    let done = poll(&broker, json!({"maxRecords": 2})).await;
    let open = poll(&broker, json!({"maxRecords": 2})).await;
    ack(&broker, json!({"lease": done["lease"]})).await;
    broker.stop().await.unwrap();

    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let late = broker.post("/api/v1/groups/g/ack", &json!({"lease": open["lease"]})).await;
    assert_eq!(code(&late), (409, "LEASE_EXPIRED".to_owned()));
    let again = poll(&broker, json!({})).await;
    assert_eq!(places(&again), [(0, 2), (0, 3), (0, 4), (0, 5)]);
    // A reset is one for readers of this kind, too.
    let reset = json!({"to": {"offset": 1}, "dryRun": false});
    assert_eq!(broker.post("/api/v1/groups/g/offsets", &reset).await.status, 200);
    assert_eq!(ack(&broker, json!({"lease": again["lease"]})).await["acknowledged"], 0);
    assert_eq!(places(&poll(&broker, json!({"maxRecords": 1})).await), [(0, 1)]);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_with_its_bound() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    write(&broker, 0, 0..1);
    let invalid = (400, "INVALID_REQUEST".to_owned());
    for wrong in [
        json!({"topics": []}),
        json!({"topics": vec!["orders"; 101]}),
        json!({"maxRecords": 0}),
        json!({"maxRecords": 1_001}),
        json!({"maxWaitMs": 60_001}),
        json!({"leaseMs": 99}),
        json!({"leaseMs": 43_200_001}),
        json!({"lease": "x"}),
    ] {
        assert_eq!(code(&try_poll(&broker, wrong.clone()).await), invalid, "{wrong}");
    }
    let unknown = try_poll(&broker, json!({"topics": ["none"]})).await;
    assert_eq!(code(&unknown), (404, "UNKNOWN_TOPIC".to_owned()));
    let lease = uuid::Uuid::nil();
    for (wrong, answer) in [
        (json!({}), invalid.clone()),
        (json!({"lease": "mine"}), invalid.clone()),
        (json!({"lease": lease, "release": true, "leaseMs": 1_000}), invalid.clone()),
        (json!({"lease": lease, "leaseMs": 1}), invalid.clone()),
        (json!({"lease": lease}), (409, "LEASE_EXPIRED".to_owned())),
    ] {
        assert_eq!(code(&broker.post("/api/v1/groups/g/ack", &wrong).await), answer, "{wrong}");
    }

    for path in ["groups?prefix=g", "groups/g?consistency=linearizable"] {
        let refused = broker.get(&format!("/api/v1/{path}")).await;
        assert_eq!(code(&refused), (400, "INVALID_PARAMETER".to_owned()), "{path}");
    }
    let elsewhere = broker.post("/api/v1/groups/g/offsets?dryRun=false", &json!({"to": "earliest"})).await;
    assert_eq!(code(&elsewhere), (400, "INVALID_PARAMETER".to_owned()));

    // A group with members is theirs.
    let mut client = Client::new(&broker);
    let protocol = JoinGroupRequestProtocol { name: "range".into(), ..Default::default() };
    let join = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    };
    let joined = client.call(3, &join);
    assert_eq!(joined.error_code, ErrorCode::NONE);
    let refused = try_poll(&broker, json!({})).await;
    assert_eq!(code(&refused), (409, "GROUP_NOT_EMPTY".to_owned()));
    let members = vec![MemberIdentity { member_id: joined.member_id, ..Default::default() }];
    client.call(4, &LeaveGroupRequest { group_id: "g".into(), members, ..LeaveGroupRequest::default() });
    assert_eq!(places(&poll(&broker, json!({})).await), [(0, 0)]);

    // A group that was put where no log is has to be put elsewhere, by somebody who knows why.
    commit(&broker, "orders", 0, 99);
    let outside = try_poll(&broker, json!({})).await;
    assert_eq!(code(&outside), (416, "OFFSET_OUT_OF_RANGE".to_owned()));
    let problem: Value = outside.json().unwrap();
    assert_eq!((&problem["value"], &problem["logEndOffset"]), (&json!(99), &json!(1)));
    let reset = json!({"to": "earliest", "dryRun": false});
    assert_eq!(broker.post("/api/v1/groups/g/offsets", &reset).await.status, 200);
    assert_eq!(places(&poll(&broker, json!({})).await), [(0, 0)]);
    broker.stop().await.unwrap();
}

/// Commits an offset in a partition, from outside of the group.
fn commit(broker: &BrokerFixture, topic: &str, partition: i32, offset: i64) {
    let commit = commit_of("g", topic, partition, offset);
    let committed = Client::new(broker).call(8, &commit).topics[0].partitions[0].error_code;
    assert_eq!(committed, ErrorCode::NONE);
}

fn commit_of(group: &str, topic: &str, partition_index: i32, committed_offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition { partition_index, committed_offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_nobody_serves_is_in_no_other_ones_way() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    quorum.register_other(102);
    quorum.create_topic("far", 1, &[102]);
    eventually("its leader is known", async || {
        broker.get("/api/v1/topics/far/partitions/0/records").await.status == 503
    })
    .await;
    write(&broker, 0, 0..5);
    let both = |max_wait_ms: i64| json!({"topics": ["far", "orders"], "maxWaitMs": max_wait_ms});
    let first = poll(&broker, both(20_000)).await;
    assert_eq!(places(&first).len(), 5);
    ack(&broker, json!({"lease": first["lease"]})).await;
    // Who gets nothing is told why that may be.
    let unreachable = (503, "LEADER_UNREACHABLE".to_owned());
    assert_eq!(code(&try_poll(&broker, both(0)).await), unreachable);
    let (waited, ()) = tokio::join!(poll(&broker, both(60_000)), async { write(&broker, 0, 5..6) });
    assert_eq!(places(&waited), [(0, 5)]);

    // Figures of the others are told, too.
    commit(&broker, "far", 0, 7);
    commit(&broker, "orders", 0, 2);
    let lag = "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"orders\",partition=\"0\"} 4";
    eventually("the lag is told", async || {
        let scraped = String::from_utf8(broker.get("/metrics").await.body.to_vec()).unwrap();
        scraped.lines().any(|line| line == lag)
    })
    .await;
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_beyond_reason_are_shown_as_they_are() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    for partition in 0..2 {
        commit(&broker, "orders", partition, i64::MAX);
    }
    let scraped = broker.get("/metrics").await;
    assert_eq!(scraped.status, 200);
    let place = "consumergroup=\"g\",topic=\"orders\"";
    let sum = format!("kafka_consumergroup_current_offset_sum{{{place}}} {}", i64::MAX);
    let scraped = String::from_utf8(scraped.body.to_vec()).unwrap();
    assert!(scraped.lines().any(|line| line == sum), "{scraped}");
    assert_eq!(code(&try_poll(&broker, json!({})).await), (416, "OFFSET_OUT_OF_RANGE".to_owned()));
    let reset = broker.post("/api/v1/groups/g/offsets", &json!({"to": {"shift": -3}})).await;
    assert_eq!(reset.json::<Value>().unwrap()["partitions"][0]["change"], -i64::MAX);
    broker.stop().await.unwrap();
}
