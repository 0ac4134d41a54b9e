//! The consumer protocol (KIP-848) over the wire: ConsumerGroupHeartbeat and ConsumerGroupDescribe, members of both protocols
//! in one group, and bytes that make no sense.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

mod support;

use bytes::{BufMut, Bytes};
use kafka_wire::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        DescribeGroupsRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest,
        SyncGroupRequest, SyncGroupResponse,
        consumer_group_describe::{Assignment, DescribedGroup},
        consumer_group_heartbeat::RequestTopicPartitions,
        join_group::JoinGroupRequestProtocol,
        offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group::SyncGroupRequestAssignment,
    },
};
use metadata_core::Command;
use serde_json::{Value, json};
use support::{
    Quorum, eventually,
    groups::{AT_ONCE, coordinating},
    kafka::Client,
};
use tempfile::TempDir;

/// A member that reads `orders`, as it joins the group `g`.
fn joining(member_id: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member_id.into(),
        member_epoch: 0,
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(vec!["orders".into()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// The same member later: it lives, and says what it has if that is asked for.
fn living(
    member_id: &str,
    epoch: i32,
    owned: Option<Vec<RequestTopicPartitions>>,
) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member_id.into(),
        member_epoch: epoch,
        rebalance_timeout_ms: -1,
        topic_partitions: owned,
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// Partitions of the topic `orders`, as a member says that it has them.
fn owned(quorum: &Quorum, partitions: &[i32]) -> Option<Vec<RequestTopicPartitions>> {
    let topic_id = quorum.core().state.topic("orders").unwrap().topic_id.0;
    Some(vec![RequestTopicPartitions { topic_id, partitions: partitions.to_vec() }])
}

/// How many partitions an answer gives; none: it says nothing of them.
fn given(answer: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let topics = &answer.assignment.as_ref()?.topic_partitions;
    Some(topics.iter().flat_map(|topic| topic.partitions.clone()).collect())
}

fn described(client: &mut Client, version: i16, group: &str) -> DescribedGroup {
    let request =
        ConsumerGroupDescribeRequest { group_ids: vec![group.into()], include_authorized_operations: false };
    client.call(version, &request).groups.remove(0)
}

fn partitions(assignment: &Assignment) -> Vec<i32> {
    assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect()
}

/// What a consumer of the classic protocol says of itself: it reads `orders`, and has nothing.
fn subscription() -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(6);
    bytes.put_slice(b"orders");
    bytes.put_i32(-1);
    bytes.into()
}

fn classic(group: &str, member_id: &str, metadata: Bytes) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member_id.into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata }],
        ..JoinGroupRequest::default()
    }
}

/// Joins by the classic protocol, in a version that gives the id at once.
fn join(client: &mut Client, request: &JoinGroupRequest) -> JoinGroupResponse {
    let joined = client.call(3, request);
    assert_eq!(joined.error_code, ErrorCode::NONE);
    joined
}

fn sync(
    client: &mut Client,
    group: &str,
    joined: &JoinGroupResponse,
    shares: &[(&str, Bytes)],
) -> SyncGroupResponse {
    let share = |(member, share): &(&str, Bytes)| SyncGroupRequestAssignment {
        member_id: (*member).into(),
        assignment: share.clone(),
    };
    let request = SyncGroupRequest {
        group_id: group.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: shares.iter().map(share).collect(),
        ..SyncGroupRequest::default()
    };
    client.call(3, &request)
}

fn heartbeat(client: &mut Client, group: &str, joined: &JoinGroupResponse) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: group.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..HeartbeatRequest::default()
    };
    client.call(3, &request).error_code
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_partitions_and_outlive_the_broker() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let mut client = Client::new(&broker);

    // Alone, a member has everything at once.
    let first = client.call(1, &joining("one"));
    assert_eq!((first.error_code, first.member_id.as_deref()), (ErrorCode::NONE, Some("one")));
    assert_eq!((first.member_epoch, given(&first)), (1, Some(vec![0, 1])));

    // Another one waits until the first has given up its share.
    let second = client.call(1, &joining("two"));
    assert_eq!((second.member_epoch, given(&second)), (2, Some(vec![])));
    let told = client.call(1, &living("one", 1, owned(&quorum, &[0, 1])));
    let kept = given(&told).unwrap();
    assert_eq!((told.member_epoch, kept.len()), (1, 1));
    assert_eq!(given(&client.call(1, &living("two", 2, None))), None);
    assert_eq!(described(&mut client, 1, "g").group_state, "Reconciling");
    let told = client.call(1, &living("one", 1, owned(&quorum, &kept)));
    assert_eq!(told.member_epoch, 2);
    let taken = given(&client.call(1, &living("two", 2, None))).unwrap();
    assert_eq!((taken.len(), kept == taken), (1, false));

    let group = described(&mut client, 1, "g");
    assert_eq!((group.error_code, group.group_state.as_str()), (ErrorCode::NONE, "Stable"));
    assert_eq!((group.group_epoch, group.assignment_epoch, group.assignor_name.as_str()), (2, 2, "uniform"));
    let members: Vec<_> =
        group.members.iter().map(|member| (member.member_id.as_str(), member.member_type)).collect();
    assert_eq!(members, [("one", 1), ("two", 1)]);
    assert_eq!(partitions(&group.members[0].assignment), kept);
    assert_eq!(partitions(&group.members[1].target_assignment), taken);
    assert_eq!(group.members[0].subscribed_topic_names, ["orders"]);
    assert_eq!(described(&mut client, 0, "g").members[0].member_type, -1, "not told before version 1");
    broker.stop().await.unwrap();

    // They go on with the next coordinator, in the epoch in which they are. It tells them what they have, as it cannot know whether
    // they heard of it.
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let mut client = Client::new(&broker);
    let told = client.call(1, &living("one", 2, None));
    assert_eq!((told.error_code, told.member_epoch), (ErrorCode::NONE, 2));
    assert_eq!(given(&told).as_ref(), Some(&kept));
    let told = client.call(1, &living("one", 2, owned(&quorum, &kept)));
    assert_eq!((told.error_code, told.member_epoch, given(&told)), (ErrorCode::NONE, 2, None));
    assert_eq!(told.heartbeat_interval_ms, 500, "nothing has changed here");

    // One leaves, and the other one has everything.
    assert_eq!(client.call(1, &living("one", -1, None)).member_epoch, -1);
    let told = client.call(1, &living("two", 2, None));
    assert_eq!((told.member_epoch, given(&told)), (3, Some(vec![0, 1])));
    assert_eq!(client.call(1, &living("one", 2, None)).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_heartbeat_is_told_so() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let mut client = Client::new(&broker);
    let mut code = |version, change: &dyn Fn(&mut ConsumerGroupHeartbeatRequest)| {
        let mut request = joining("one");
        change(&mut request);
        client.call(version, &request).error_code
    };
    assert_eq!(code(1, &|it| it.member_id.clear()), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(1, &|it| it.group_id.clear()), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(1, &|it| it.group_id = "g".repeat(1_025)), ErrorCode::INVALID_GROUP_ID);
    assert_eq!(code(1, &|it| it.subscribed_topic_names = None), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(1, &|it| it.topic_partitions = None), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(1, &|it| it.rebalance_timeout_ms = -1), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(1, &|it| it.member_epoch = -3), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(1, &|it| it.member_epoch = 7), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(code(1, &|it| it.server_assignor = Some("best".into())), ErrorCode::UNSUPPORTED_ASSIGNOR);
    assert_eq!(
        code(1, &|it| it.subscribed_topic_regex = Some("(".into())),
        ErrorCode::INVALID_REGULAR_EXPRESSION
    );
    let many = vec!["x".repeat(249); 4_190];
    assert_eq!(
        code(1, &|it| it.subscribed_topic_names = Some(many.clone())),
        ErrorCode::UNKNOWN_SERVER_ERROR,
        "its record is larger than the log takes"
    );
    // In version 0 the coordinator gives the id.
    let mut unnamed = joining("");
    unnamed.group_id = "h".into();
    let joined = client.call(0, &unnamed);
    assert_eq!((joined.error_code, joined.member_epoch), (ErrorCode::NONE, 1));
    assert!(!joined.member_id.unwrap().is_empty());

    assert_eq!(client.call(1, &joining("one")).member_epoch, 1);
    assert_eq!(client.call(1, &living("one", 5, None)).error_code, ErrorCode::FENCED_MEMBER_EPOCH);
    let unknown = described(&mut client, 1, "nobody");
    assert_eq!(unknown.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    assert!(unknown.error_message.unwrap().contains("nobody"));
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_group_takes_consumers_in_and_is_classic_again_when_they_go() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let (mut old, mut new) = (Client::new(&broker), Client::new(&broker));
    let joined = join(&mut old, &classic("g", "", subscription()));
    let id = joined.member_id.clone();
    let mut share = subscription().to_vec();
    share.truncate(14);
    share.put_slice(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(sync(&mut old, "g", &joined, &[(&id, share.into())]).error_code, ErrorCode::NONE);
    assert_eq!(described(&mut new, 1, "g").error_code, ErrorCode::GROUP_ID_NOT_FOUND, "it is a classic one");

    // A consumer comes. What the classic member has stays its own until it has given it up.
    let told = new.call(1, &joining("new"));
    assert_eq!((told.member_epoch, given(&told)), (2, Some(vec![])));
    assert_eq!(heartbeat(&mut old, "g", &joined), ErrorCode::REBALANCE_IN_PROGRESS);
    let group = described(&mut new, 1, "g");
    let types: Vec<_> =
        group.members.iter().map(|member| (member.member_id.as_str(), member.member_type)).collect();
    let mut wanted = [("new", 1), (id.as_str(), 0)];
    wanted.sort_unstable();
    assert_eq!(types, wanted);

    // It joins without anything, fetches its new share, and the consumer has the rest.
    let joined = join(&mut old, &classic("g", &id, subscription()));
    assert_eq!(joined.generation_id, 2);
    let synced = sync(&mut old, "g", &joined, &[]);
    assert_eq!(
        (synced.error_code, synced.assignment.len()),
        (ErrorCode::NONE, 26),
        "one partition of orders"
    );
    assert_eq!(heartbeat(&mut old, "g", &joined), ErrorCode::NONE);
    assert_eq!(given(&new.call(1, &living("new", 2, None))).map(|given| given.len()), Some(1));
    let shown: Value = broker.get("/api/v1/groups/g").await.json().unwrap();
    assert_eq!((&shown["groupType"], &shown["state"]), (&json!("consumer"), &json!("Stable")));

    // The last consumer goes: the group is a classic one, and its member joins anew.
    assert_eq!(new.call(1, &living("new", -1, None)).member_epoch, -1);
    assert_eq!(described(&mut new, 1, "g").error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(heartbeat(&mut old, "g", &joined), ErrorCode::REBALANCE_IN_PROGRESS);
    let joined = join(&mut old, &classic("g", &id, subscription()));
    assert_eq!((joined.generation_id, joined.leader == id), (3, true));
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_make_no_sense_are_passed_on_and_harm_nobody() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let (mut client, mut other) = (Client::new(&broker), Client::new(&broker));
    // Lengths that are negative, longer than what is there, or of billions of things.
    let nonsense: [&'static [u8]; 6] = [
        b"",
        b"\x00",
        b"mine",
        b"\x00\x00\x7f\xff\xff\xff\x00\x06orders",
        b"\x00\x03\x00\x00\x00\x01\x7f\xff",
        b"\x00\x02\x80\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for (n, bytes) in nonsense.into_iter().enumerate() {
        let group = format!("n{n}");
        let joined = join(&mut client, &classic(&group, "", Bytes::from_static(bytes)));
        let id = joined.member_id.clone();
        assert_eq!(&joined.members[0].metadata[..], bytes);
        let synced = sync(&mut client, &group, &joined, &[(&id, Bytes::from_static(bytes))]);
        assert_eq!((synced.error_code, &synced.assignment[..]), (ErrorCode::NONE, bytes));
        let describe = DescribeGroupsRequest { groups: vec![group.clone()], ..Default::default() };
        let described = client.call(5, &describe).groups.remove(0);
        assert_eq!(&described.members[0].member_metadata[..], bytes);
        assert_eq!(&described.members[0].member_assignment[..], bytes);
        let shown: Value = broker.get(&format!("/api/v1/groups/{group}")).await.json().unwrap();
        assert_eq!((&shown["state"], &shown["members"][0]["assignment"]), (&json!("Stable"), &json!([])));
        // Nobody knows what its member reads, so it is not made a consumer group.
        let mut consumer = joining("new");
        consumer.group_id.clone_from(&group);
        assert_eq!(other.call(1, &consumer).error_code, ErrorCode::GROUP_ID_NOT_FOUND);
        assert_eq!(heartbeat(&mut client, &group, &joined), ErrorCode::NONE);
    }
    // And where there are consumers, such a member is not let in.
    assert_eq!(other.call(1, &joining("new")).error_code, ErrorCode::NONE);
    for bytes in nonsense {
        let refused = client.call(3, &classic("g", "", Bytes::from_static(bytes)));
        assert_eq!(refused.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    assert_eq!(described(&mut other, 1, "g").members.len(), 1);
    broker.stop().await.unwrap();
    // What was written can be read again.
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    assert_eq!(broker.get("/api/v1/groups").await.json::<Value>().unwrap().as_array().unwrap().len(), 7);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_too_large_for_the_log_is_told_so_and_nothing_is_lost() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let config = ["group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=1"];
    let broker = coordinating(&quorum, &dir, &config).await;
    let (mut first, mut second) = (Client::new(&broker), Client::new(&broker));
    let much = Bytes::from(vec![7; 600_000]);
    let alone = join(&mut first, &classic("g", "", much.clone()));
    let id = alone.member_id.clone();
    assert_eq!(sync(&mut first, "g", &alone, &[(&id, Bytes::new())]).error_code, ErrorCode::NONE);
    assert_eq!(commit(&mut first, "g", &alone, 5), ErrorCode::NONE);

    // Two of them are more than `max.message.bytes`: Kafka's answer is UNKNOWN_SERVER_ERROR, for all who wait.
    second.send(1, 3, &classic("g", "", much.clone()));
    eventually("a rebalance", async || {
        heartbeat(&mut first, "g", &alone) == ErrorCode::REBALANCE_IN_PROGRESS
    })
    .await;
    let leader = join(&mut first, &classic("g", &id, much.clone()));
    let follower = second.receive::<JoinGroupRequest>(3).1;
    assert_eq!((leader.generation_id, follower.error_code), (2, ErrorCode::NONE));
    let shares = [(id.as_str(), Bytes::new()), (follower.member_id.as_str(), Bytes::new())];
    assert_eq!(sync(&mut first, "g", &leader, &shares).error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(heartbeat(&mut second, "g", &follower), ErrorCode::REBALANCE_IN_PROGRESS);

    // The coordinator did not lose what it knows: both are still members, in a generation that was not written.
    let smaller = classic("g", &follower.member_id, Bytes::from_static(b"less"));
    second.send(2, 3, &smaller);
    let leader = join(&mut first, &classic("g", &id, much));
    assert_eq!((leader.generation_id, leader.members.len()), (3, 2));
    assert_eq!(second.receive::<JoinGroupRequest>(3).1.generation_id, 3);
    assert_eq!(sync(&mut first, "g", &leader, &shares).error_code, ErrorCode::NONE);
    assert_eq!(commit(&mut first, "g", &leader, 6), ErrorCode::NONE);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_take_effect_while_groups_are_at_work() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let mut client = Client::new(&broker);
    assert_eq!(client.call(1, &joining("one")).error_code, ErrorCode::NONE);
    let settings = [
        ("group.consumer.heartbeat.interval.ms", "888"),
        ("group.consumer.min.heartbeat.interval.ms", "777"),
        ("group.consumer.max.size", "1"),
        ("group.min.session.timeout.ms", "40000"),
    ];
    let set = |(name, value): (&str, &str)| (name.to_owned(), Some(value.to_owned()));
    let configs = settings.map(set).into();
    quorum.apply(Command::AlterBrokerConfigs { broker_id: None, configs }).result.unwrap();
    eventually("the interval is told", async || {
        client.call(1, &living("one", 1, None)).heartbeat_interval_ms == 777
    })
    .await;
    assert_eq!(client.call(1, &joining("two")).error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    let refused = client.call(3, &classic("h", "", subscription()));
    assert_eq!(refused.error_code, ErrorCode::INVALID_SESSION_TIMEOUT);

    // So does the size of records.
    let configs = [set(("message.max.bytes", "2000"))].into();
    quorum.apply(Command::AlterBrokerConfigs { broker_id: None, configs }).result.unwrap();
    let mut much = joining("three");
    much.group_id = "h".into();
    much.subscribed_topic_names = Some(vec!["x".repeat(200), "y".repeat(200), "z".repeat(200)]);
    eventually("it is too large", async || {
        client.call(1, &much).error_code == ErrorCode::UNKNOWN_SERVER_ERROR
    })
    .await;
    assert_eq!(client.call(1, &living("one", 1, None)).error_code, ErrorCode::NONE);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_by_its_own_settings_while_it_is_at_work() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let mut client = Client::new(&broker);
    let set = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let bounds = ["session.timeout.ms", "heartbeat.interval.ms"];
    let bounds = bounds.map(|name| set(&format!("group.consumer.min.{name}"), "1"));
    quorum.apply(Command::AlterBrokerConfigs { broker_id: None, configs: bounds.into() }).result.unwrap();
    assert_eq!(client.call(1, &joining("one")).error_code, ErrorCode::NONE);
    let mut other = joining("other");
    other.group_id = "h".into();
    assert_eq!(client.call(1, &other).error_code, ErrorCode::NONE);

    // The interval below which members come while a group changes is bounded by the group's own.
    let alter = |pairs: &[(&str, &str)]| Command::AlterGroupConfigs {
        group_id: "g".into(),
        configs: pairs.iter().map(|(name, value)| set(name, value)).collect(),
    };
    quorum.apply(alter(&[("consumer.heartbeat.interval.ms", "77")])).result.unwrap();
    eventually("the interval is told", async || {
        client.call(1, &living("one", 1, None)).heartbeat_interval_ms == 77
    })
    .await;
    let mut lives = living("other", 1, None);
    lives.group_id = "h".into();
    assert_ne!(client.call(1, &lives).heartbeat_interval_ms, 77, "it is another group's");

    // A member that is silent for the group's session is gone, long before others' sessions end.
    let shorter = [("consumer.session.timeout.ms", "300"), ("consumer.heartbeat.interval.ms", "78")];
    quorum.apply(alter(&shorter)).result.unwrap();
    eventually("that is told, or it is gone already", async || {
        let answer = client.call(1, &living("one", 1, None));
        answer.heartbeat_interval_ms == 78 || answer.error_code == ErrorCode::UNKNOWN_MEMBER_ID
    })
    .await;
    eventually("its session ends", async || described(&mut client, 1, "g").members.is_empty()).await;
    assert_eq!(described(&mut client, 1, "h").members.len(), 1);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn user_data_that_no_log_takes_is_refused_and_harms_nobody() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let (mut old, mut new) = (Client::new(&broker), Client::new(&broker));
    let saying = |bytes: usize| {
        let mut subscription = subscription().to_vec();
        subscription.truncate(14);
        subscription.put_i32(i32::try_from(bytes).unwrap());
        subscription.resize(subscription.len() + bytes, 7);
        Bytes::from(subscription)
    };
    // A consumer group keeps what its classic members say as it is, beside the topics that are in it.
    assert_eq!(new.call(1, &joining("new")).member_epoch, 1);
    let refused = old.call(3, &classic("g", "", saying(300_000)));
    assert_eq!(refused.error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(described(&mut new, 1, "g").members.len(), 1);
    assert_eq!(new.call(1, &living("new", 1, None)).error_code, ErrorCode::NONE);
    join(&mut old, &classic("g", "", saying(100_000)));
    assert_eq!(described(&mut new, 1, "g").members.len(), 2);

    // A classic group takes more, and stays one then.
    let joined = join(&mut old, &classic("h", "", saying(300_000)));
    let shares = [(joined.member_id.as_str(), Bytes::new())];
    assert_eq!(sync(&mut old, "h", &joined, &shares).error_code, ErrorCode::NONE);
    let mut consumer = joining("new");
    consumer.group_id = "h".into();
    assert_eq!(new.call(1, &consumer).error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(heartbeat(&mut old, "h", &joined), ErrorCode::NONE);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_members_read_is_described_as_they_say_it() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = coordinating(&quorum, &dir, AT_ONCE).await;
    let mut client = Client::new(&broker);
    let mut joins = joining("one");
    joins.subscribed_topic_names = None;
    joins.subscribed_topic_regex = Some("ord(er|eal)s".into());
    let joined = client.call(1, &joins);
    assert_eq!((joined.error_code, given(&joined)), (ErrorCode::NONE, Some(vec![0, 1])));
    let reads = |client: &mut Client, version| {
        let member = described(client, version, "g").members.remove(0);
        (member.subscribed_topic_names, member.subscribed_topic_regex.unwrap())
    };
    for version in [0, 1] {
        assert_eq!(reads(&mut client, version), (vec![], "ord(er|eal)s".to_owned()));
    }
    // It reads one more by its name, and then that alone.
    let mut other = living("one", 1, None);
    other.subscribed_topic_names = Some(vec!["audit".into()]);
    assert_eq!(client.call(1, &other).error_code, ErrorCode::NONE);
    assert_eq!(reads(&mut client, 1), (vec!["audit".to_owned()], "ord(er|eal)s".to_owned()));
    let mut other = living("one", described(&mut client, 1, "g").members[0].member_epoch, None);
    other.subscribed_topic_regex = Some(String::new());
    assert_eq!(client.call(1, &other).error_code, ErrorCode::NONE);
    assert_eq!(reads(&mut client, 1), (vec!["audit".to_owned()], String::new()));
    broker.stop().await.unwrap();
}

/// Commits an offset in partition 0 of `orders`.
fn commit(client: &mut Client, group: &str, member: &JoinGroupResponse, offset: i64) -> ErrorCode {
    let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: "orders".into(), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: member.generation_id,
        member_id: member.member_id.clone(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    client.call(7, &request).topics[0].partitions[0].error_code
}
