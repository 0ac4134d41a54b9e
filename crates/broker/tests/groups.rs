//! Consumer groups as Kafka clients see them: a broker coordinates, is restarted, loads, and goes on.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use broker::broker_config::BrokerConfig;
use bytes::Bytes;
use kafka_wire::{
    ErrorCode, Records, Request, decode_response, encode_request,
    messages::{
        DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest,
        InitProducerIdRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest,
        OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, ProduceRequest, SyncGroupRequest,
        join_group::JoinGroupRequestProtocol,
        leave_group::MemberIdentity,
        offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch::{OffsetFetchRequestGroup, OffsetFetchResponsePartitions},
        produce::{PartitionProduceData, TopicProduceData},
        sync_group::SyncGroupRequestAssignment,
    },
};
use serde_json::{Value, json};
use support::{
    BrokerFixture, Quorum, eventually,
    groups::{AT_ONCE, coordinating},
};
use tempfile::TempDir;

/// Longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that does nothing by itself.
struct Client(TcpStream);

impl Client {
    fn new(broker: &BrokerFixture) -> Self {
        let stream = TcpStream::connect(broker.kafka()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn send<R: Request>(&mut self, version: i16, request: &R) {
        let frame = encode_request(7, Some("test"), version, request).unwrap();
        self.0.write_all(&frame.into_bytes().unwrap()).unwrap();
    }

    fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.0.read_exact(&mut frame).unwrap();
        decode_response::<R>(&frame.into(), version).unwrap().1
    }

    fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    /// Joins as a member of the group `g`; comes back with the id that it is given.
    fn begin_to_join(&mut self, member_id: &str) -> String {
        let mut request = join(member_id);
        if member_id.is_empty() {
            let first = self.call(9, &request);
            assert_eq!(first.error_code, ErrorCode::MEMBER_ID_REQUIRED);
            request.member_id = first.member_id;
        }
        self.send(9, &request);
        request.member_id
    }

    fn joined(&mut self) -> JoinGroupResponse {
        let joined = self.receive::<JoinGroupRequest>(9);
        assert_eq!(joined.error_code, ErrorCode::NONE);
        joined
    }

    fn commit(&mut self, version: i16, commit: &OffsetCommitRequest) -> ErrorCode {
        self.call(version, commit).topics[0].partitions[0].error_code
    }

    fn offset(&mut self, group: &str) -> OffsetFetchResponsePartitions {
        let group = OffsetFetchRequestGroup { group_id: group.into(), topics: None, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
        let response = self.call(9, &request);
        let group = &response.groups[0];
        assert_eq!(group.error_code, ErrorCode::NONE);
        group
            .topics
            .first()
            .map(|topic| topic.partitions[0].clone())
            .unwrap_or_else(|| OffsetFetchResponsePartitions { committed_offset: -1, ..Default::default() })
    }
}

fn join(member_id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: Bytes::from_static(b"mine") };
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    }
}

fn sync(joined: &JoinGroupResponse, shares: &[(&str, &'static str)]) -> SyncGroupRequest {
    let share = |(member, share): &(&str, &'static str)| SyncGroupRequestAssignment {
        member_id: (*member).into(),
        assignment: Bytes::from_static(share.as_bytes()),
    };
    SyncGroupRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: shares.iter().map(share).collect(),
        ..SyncGroupRequest::default()
    }
}

fn heartbeat(joined: &JoinGroupResponse) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..HeartbeatRequest::default()
    }
}

/// A commit of an offset in partition 0 of `orders`, from outside the group unless a member is given.
fn commit(group: &str, offset: i64, member: Option<&JoinGroupResponse>) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        committed_leader_epoch: 3,
        committed_metadata: Some("note".into()),
    };
    let topic =
        OffsetCommitRequestTopic { name: "orders".into(), partitions: vec![partition], ..Default::default() };
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: member.map_or(-1, |member| member.generation_id),
        member_id: member.map(|member| member.member_id.clone()).unwrap_or_default(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}

async fn start(quorum: &Quorum, dir: &TempDir) -> BrokerFixture {
    coordinating(quorum, dir, AT_ONCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_for_a_transaction_coordinator_is_told_to_give_up() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    let mut client = Client::new(&broker);
    let several =
        FindCoordinatorRequest { key_type: 1, coordinator_keys: vec!["t".into()], ..Default::default() };
    let one = FindCoordinatorRequest { key_type: 1, key: "t".into(), ..Default::default() };
    let refused = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    assert_eq!(client.call(6, &several).coordinators[0].error_code, refused);
    assert_eq!(client.call(2, &one).error_code, refused);
    let init = InitProducerIdRequest { transactional_id: Some("t".into()), ..Default::default() };
    let init = client.call(4, &init);
    assert_eq!((init.error_code, init.producer_id, init.producer_epoch), (refused, -1, -1));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_join_share_commit_and_leave() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    let (mut first, mut second) = (Client::new(&broker), Client::new(&broker));

    // Alone, it leads at once.
    let first_id = first.begin_to_join("");
    let joined = first.joined();
    assert_eq!((joined.leader.as_str(), joined.generation_id), (first_id.as_str(), 1));
    let synced = first.call(5, &sync(&joined, &[(&first_id, "all")]));
    assert_eq!((synced.error_code, &synced.assignment[..]), (ErrorCode::NONE, &b"all"[..]));
    assert_eq!(first.call(4, &heartbeat(&joined)).error_code, ErrorCode::NONE);
    assert_eq!(first.commit(8, &commit("g", 5, Some(&joined))), ErrorCode::NONE);

    // A second one: the first learns of it by its heartbeat, and joins again.
    let second_id = second.begin_to_join("");
    eventually("a rebalance", async || {
        first.call(4, &heartbeat(&joined)).error_code == ErrorCode::REBALANCE_IN_PROGRESS
    })
    .await;
    first.begin_to_join(&first_id);
    let (leader, follower) = (first.joined(), second.joined());
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    second.send(5, &sync(&follower, &[]));
    let synced = first.call(5, &sync(&leader, &[(&first_id, "one"), (&second_id, "two")]));
    assert_eq!(&synced.assignment[..], b"one");
    assert_eq!(&second.receive::<SyncGroupRequest>(5).assignment[..], b"two");

    // The former generation is over.
    assert_eq!(first.commit(8, &commit("g", 6, Some(&joined))), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(first.commit(8, &commit("g", 7, Some(&leader))), ErrorCode::NONE);
    let offset = first.offset("g");
    let told = (offset.committed_offset, offset.committed_leader_epoch, offset.metadata.as_deref());
    assert_eq!(told, (7, 3, Some("note")));

    let listed = first.call(5, &ListGroupsRequest::default()).groups;
    let told: Vec<_> =
        listed.iter().map(|group| (group.group_id.as_str(), group.group_state.as_str())).collect();
    assert_eq!(told, [("g", "Stable")]);
    let describe = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
    let described = first.call(6, &describe).groups.remove(0);
    assert_eq!((described.members.len(), described.protocol_data.as_str()), (2, "range"));
    assert_eq!(described.members[0].client_host, "/127.0.0.1");

    // Both leave; then the group can be deleted.
    let delete = DeleteGroupsRequest { groups_names: vec!["g".into()] };
    assert_eq!(first.call(2, &delete).results[0].error_code, ErrorCode::NON_EMPTY_GROUP);
    let leaving = |member_id: &str| MemberIdentity { member_id: member_id.into(), ..Default::default() };
    let members = vec![leaving(&first_id), leaving(&second_id), leaving("nobody")];
    let leave = LeaveGroupRequest { group_id: "g".into(), members, ..LeaveGroupRequest::default() };
    let codes: Vec<_> = first.call(5, &leave).members.iter().map(|member| member.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(first.call(2, &delete).results[0].error_code, ErrorCode::NONE);
    assert_eq!(first.offset("g").committed_offset, -1);
    assert_eq!(first.call(6, &describe).groups[0].error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_offsets_outlive_the_broker() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    let mut client = Client::new(&broker);
    let id = client.begin_to_join("");
    let joined = client.joined();
    client.call(5, &sync(&joined, &[(&id, "all")]));
    for offset in 0..200 {
        client.send(8, &commit("g", offset, Some(&joined)));
    }
    for _ in 0..200 {
        let committed = client.receive::<OffsetCommitRequest>(8);
        assert_eq!(committed.topics[0].partitions[0].error_code, ErrorCode::NONE);
    }
    assert_eq!(client.commit(2, &commit("h", 77, None)), ErrorCode::NONE);
    broker.stop().await.unwrap();

    let broker = start(&quorum, &dir).await;
    let mut client = Client::new(&broker);
    assert_eq!(client.offset("g").committed_offset, 199);
    assert_eq!(client.offset("h").committed_offset, 77);
    // The member is still in its generation, and goes on.
    assert_eq!(client.call(4, &heartbeat(&joined)).error_code, ErrorCode::NONE);
    assert_eq!(client.commit(8, &commit("g", 300, Some(&joined))), ErrorCode::NONE);
    let again = client.call(5, &sync(&joined, &[]));
    assert_eq!(&again.assignment[..], b"all");

    // What no group reads may be forgotten.
    let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
    let topics = vec![OffsetDeleteRequestTopic { name: "orders".into(), partitions }];
    let forget = OffsetDeleteRequest { group_id: "h".into(), topics };
    assert_eq!(client.call(0, &forget).topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(client.offset("h").committed_offset, -1);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_has_no_offsets_and_takes_none() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    let mut client = Client::new(&broker);
    assert_eq!(client.offset("nobody").committed_offset, -1);
    let mut unknown = commit("g", 1, None);
    unknown.topics[0].name = "none".into();
    assert_eq!(client.commit(8, &unknown), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(client.commit(10, &unknown), ErrorCode::UNKNOWN_TOPIC_ID);
    let mut known = commit("g", 4, None);
    known.topics[0].topic_id = quorum.core().state.topic("orders").unwrap().topic_id.0;
    assert_eq!(client.commit(10, &known), ErrorCode::NONE);
    assert_eq!(client.offset("g").committed_offset, 4);

    // Of partitions that are not there nothing can be forgotten, and of groups that are not there nobody can leave.
    let partitions = [0, 9].map(|partition_index| OffsetDeleteRequestPartition { partition_index });
    let topics = vec![OffsetDeleteRequestTopic { name: "orders".into(), partitions: partitions.into() }];
    let forgotten = client.call(0, &OffsetDeleteRequest { group_id: "g".into(), topics });
    let mut codes: Vec<_> =
        forgotten.topics[0].partitions.iter().map(|it| (it.partition_index, it.error_code)).collect();
    codes.sort_unstable_by_key(|(index, _)| *index);
    assert_eq!(codes, [(0, ErrorCode::NONE), (9, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]);
    let members = vec![MemberIdentity { member_id: "m".into(), ..MemberIdentity::default() }];
    let leave = LeaveGroupRequest { group_id: "nobody".into(), members, ..LeaveGroupRequest::default() };
    let left = client.call(5, &leave);
    assert_eq!(
        (left.error_code, left.members[0].error_code),
        (ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID)
    );

    // The topic of the offsets is the coordinator's alone.
    let data = PartitionProduceData { index: 0, records: Records::Bytes(Bytes::from_static(b"anything")) };
    let topic = TopicProduceData {
        name: "__consumer_offsets".into(),
        partition_data: vec![data],
        ..TopicProduceData::default()
    };
    let produce =
        ProduceRequest { acks: -1, timeout_ms: 1_000, topic_data: vec![topic], ..Default::default() };
    let refused = client.call(9, &produce);
    assert_eq!(refused.responses[0].partition_responses[0].error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    broker.stop().await.unwrap();
}

/// Each answer stands where its partition stood.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_not_there_take_no_offsets() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    let mut client = Client::new(&broker);
    let mut several = commit("g", 6, None);
    let at = |index| OffsetCommitRequestPartition {
        partition_index: index,
        ..several.topics[0].partitions[0].clone()
    };
    let mut too_much = at(1);
    too_much.committed_metadata = Some("x".repeat(5_000));
    several.topics = vec![
        OffsetCommitRequestTopic { name: "none".into(), ..Default::default() },
        OffsetCommitRequestTopic {
            name: "orders".into(),
            partitions: vec![at(2), at(0), at(-1), too_much, at(i32::MAX)],
            ..Default::default()
        },
    ];
    let answers = client.call(8, &several).topics;
    let codes: Vec<_> = answers[1]
        .partitions
        .iter()
        .map(|partition| (partition.partition_index, partition.error_code))
        .collect();
    let not_there = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(
        codes,
        [
            (2, not_there),
            (0, ErrorCode::NONE),
            (-1, not_there),
            (1, ErrorCode::OFFSET_METADATA_TOO_LARGE),
            (i32::MAX, not_there)
        ]
    );
    assert_eq!((answers[0].name.as_str(), answers[0].partitions.len()), ("none", 0));
    assert_eq!(client.offset("g").committed_offset, 6);
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_waits_is_answered_when_the_broker_leaves() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    let (mut first, mut second) = (Client::new(&broker), Client::new(&broker));
    let id = first.begin_to_join("");
    let joined = first.joined();
    first.call(5, &sync(&joined, &[(&id, "all")]));
    second.begin_to_join("");
    eventually("a rebalance", async || {
        first.call(4, &heartbeat(&joined)).error_code == ErrorCode::REBALANCE_IN_PROGRESS
    })
    .await;
    broker.stop().await.unwrap();
    assert_eq!(second.receive::<JoinGroupRequest>(9).error_code, ErrorCode::NOT_COORDINATOR);
}

/// The log of its offsets is damaged, and no other replica has it: nobody is told that there are no offsets, and everybody who asks
/// is told why.
#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_cannot_be_read_are_not_taken_for_none() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    assert_eq!(Client::new(&broker).commit(8, &commit("g", 5, None)), ErrorCode::NONE);
    broker.stop().await.unwrap();
    let partition = coordinator::partition_of("g", 3);
    let is_its = |name: &str| name.starts_with(&format!("__consumer_offsets-{partition}"));
    let mut entries = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
    let log = entries.find(|entry| is_its(entry.file_name().to_str().unwrap())).unwrap().path();
    let segment = log.join("00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
    settings.kafka_port = Some(0);
    settings.config = BrokerConfig::parse(AT_ONCE.iter().copied()).unwrap();
    let broker = BrokerFixture::following(settings).await;
    let mut told = String::new();
    eventually("who looks at the broker's health is told", async || {
        let readiness = broker.readiness().await;
        told = readiness.checks.into_iter().find(|check| check.name == "groups").unwrap().detail;
        told.contains("cannot be loaded")
    })
    .await;
    assert!(
        told.contains(&format!("; 1 cannot be loaded: {partition}: ")) && told.contains("damaged"),
        "{told}"
    );
    let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
    let fetch = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
    let fetched = Client::new(&broker).call(9, &fetch);
    assert_eq!(fetched.groups[0].error_code, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let shown = broker.get("/api/v1/groups/g").await;
    let detail = shown.json::<Value>().unwrap()["detail"].as_str().unwrap().to_owned();
    assert!(
        shown.status == 503 && detail.contains("cannot be loaded") && detail.contains("damaged"),
        "{detail}"
    );
    let scraped = String::from_utf8(broker.get("/metrics").await.body.to_vec()).unwrap();
    let failed = "kafka_server_group_coordinator_metrics_num_partitions{state=\"failed\"} 1";
    assert!(scraped.lines().any(|line| line == failed), "{scraped}");
}

/// The same figures, for dashboards that are made for kafka_exporter.
async fn told_in_metrics(broker: &BrokerFixture) {
    let place = "consumergroup=\"g\",topic=\"orders\"";
    let seconds = format!("dmq_consumer_group_lag_seconds{{{place}}} ");
    let mut scraped = String::new();
    eventually("how far the group is behind is told", async || {
        scraped = String::from_utf8(broker.get("/metrics").await.body.to_vec()).unwrap();
        scraped.contains(&seconds)
    })
    .await;
    for line in [
        "kafka_consumergroup_members{consumergroup=\"g\"} 1",
        &format!("kafka_consumergroup_current_offset{{{place},partition=\"0\"}} 4"),
        &format!("kafka_consumergroup_lag{{{place},partition=\"0\"}} 6"),
        &format!("kafka_consumergroup_lag_sum{{{place}}} 6"),
        &format!("kafka_consumergroup_current_offset_sum{{{place}}} 4"),
        "kafka_topic_partitions{topic=\"orders\"} 2",
        "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"0\"} 10",
        "dmq_consumer_groups 1",
    ] {
        assert!(scraped.lines().any(|told| told == line), "{line} in\n{scraped}");
    }
    let seconds = scraped.lines().find_map(|line| line.strip_prefix(&seconds)?.parse::<f64>().ok());
    assert!(seconds.unwrap() > 1_000.0);
    assert!(scraped.contains("kafka_broker_info{id=\"101\",address=\"127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_whose_replies_wait_hides_no_other_in_the_metrics() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let settings = [AT_ONCE, &["replica.lag.time.max.ms=86400000"]].concat();
    let broker = coordinating(&quorum, &dir, &settings).await;
    let coordinated_by = |partition| {
        let mut ids = (0..).map(|number| format!("group-{number}"));
        ids.find(|id| coordinator::partition_of(id, 3) == partition).unwrap()
    };
    let (waits, other) = (coordinated_by(0), coordinated_by(1));
    let mut client = Client::new(&broker);
    for group in [&waits, &other] {
        assert_eq!(client.commit(8, &commit(group, 4, None)), ErrorCode::NONE);
    }
    let scrape = async || String::from_utf8(broker.get("/metrics").await.body.to_vec()).unwrap();
    let of = |group: &str| format!("kafka_consumergroup_members{{consumergroup=\"{group}\"}} 0\n");
    let counted = "\ndmq_consumer_groups 2\n";
    eventually("both are told", async || {
        let told = scrape().await;
        told.contains(counted) && told.contains(&of(&waits)) && told.contains(&of(&other))
    })
    .await;

    // Its records have to be on a replica that never comes.
    quorum.register_other(102);
    quorum.move_to("__consumer_offsets", &[101, 102]);
    let mut told = String::new();
    eventually("its replies wait", async || {
        Client::new(&broker).send(8, &commit(&waits, 5, None));
        told = scrape().await;
        !told.contains(&of(&waits))
    })
    .await;
    assert!(told.contains(&of(&other)), "{told}");
    assert!(!told.contains("\ndmq_consumer_groups "), "how many there are is not known: {told}");
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_shown_reset_and_deleted_over_rest() {
    let (quorum, dir) = (Quorum::start(1).await, TempDir::new().unwrap());
    let broker = start(&quorum, &dir).await;
    let mut client = Client::new(&broker);
    let mut builder = commit_log::batch::BatchBuilder::default();
    for _ in 0..10 {
        builder.record(1_000, None, Some(b"value"));
    }
    let records = Records::Bytes(builder.build(common::Offset(0)).unwrap().into());
    let data = PartitionProduceData { index: 0, records };
    let topic =
        TopicProduceData { name: "orders".into(), partition_data: vec![data], ..TopicProduceData::default() };
    let produce =
        ProduceRequest { acks: -1, timeout_ms: 9_000, topic_data: vec![topic], ..Default::default() };
    assert_eq!(client.call(9, &produce).responses[0].partition_responses[0].error_code, ErrorCode::NONE);

    let id = client.begin_to_join("");
    let joined = client.joined();
    let assignment = "\u{0}\u{1}\u{0}\u{0}\u{0}\u{1}\u{0}\u{6}orders\u{0}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{0}";
    client.call(5, &sync(&joined, &[(&id, assignment)]));
    assert_eq!(client.commit(8, &commit("g", 4, Some(&joined))), ErrorCode::NONE);
    let get = async |path: &str| broker.get(path).await.json::<Value>().unwrap();
    let listed = get("/api/v1/groups").await;
    assert_eq!((&listed[0]["groupId"], &listed[0]["coordinatorId"]), (&json!("g"), &json!(101)));
    let mut shown = Value::Null;
    // What is not known in time is left out.
    eventually("how far the group is behind is known", async || {
        shown = get("/api/v1/groups/g").await;
        shown["offsets"][0]["lagMs"].is_i64()
    })
    .await;
    assert!(shown["stateText"].as_str().unwrap().starts_with("stable for "), "{shown}");
    assert_eq!((&shown["state"], &shown["lag"]), (&json!("Stable"), &json!(6)));
    let offset = &shown["offsets"][0];
    assert_eq!(
        (&offset["offset"], &offset["logEndOffset"], &offset["lag"]),
        (&json!(4), &json!(10), &json!(6))
    );
    assert!(offset["lagMs"].as_i64().unwrap() > 1_000_000, "written in 1970: {offset}");
    assert_eq!(offset["memberId"], json!(id));
    assert_eq!(shown["members"][0]["assignment"], json!([{"topic": "orders", "partitions": [0]}]));

    told_in_metrics(&broker).await;

    // Only a group without members is put elsewhere, or deleted.
    let earliest = json!({"to": "earliest", "dryRun": false});
    assert_eq!(broker.post("/api/v1/groups/g/offsets", &earliest).await.status, 409);
    assert_eq!(broker.delete("/api/v1/groups/g").await.status, 409);
    let members = vec![MemberIdentity { member_id: id, ..Default::default() }];
    client.call(5, &LeaveGroupRequest { group_id: "g".into(), members, ..LeaveGroupRequest::default() });
    let dry = broker.post("/api/v1/groups/g/offsets", &json!({"to": {"shift": -3}})).await;
    let wanted = json!({"groupId": "g", "dryRun": true,
        "partitions": [{"topic": "orders", "partition": 0, "from": 4, "to": 1, "change": -3}]});
    assert_eq!(dry.json::<Value>().unwrap(), wanted);
    assert_eq!(client.offset("g").committed_offset, 4);
    assert_eq!(broker.post("/api/v1/groups/g/offsets", &earliest).await.status, 200);
    assert_eq!(client.offset("g").committed_offset, 0);
    let unknown = json!({"to": "latest", "topics": [{"topic": "orders", "partitions": [9]}]});
    assert_eq!(broker.post("/api/v1/groups/g/offsets", &unknown).await.status, 404);
    assert_eq!(broker.delete("/api/v1/groups/g").await.status, 204);
    assert_eq!(broker.get("/api/v1/groups/g").await.status, 404);
    broker.stop().await.unwrap();
}
