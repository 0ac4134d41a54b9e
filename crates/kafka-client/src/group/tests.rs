//! Members against a coordinator that keeps joins waiting, and falls silent.

use std::{pin::pin, sync::Arc, time::Duration};

use common::PartitionId;
use kafka_wire::{
    ApiKey, FrameReader, Incoming, Message as _, RequestHeader, encode_response,
    messages::{
        ApiVersionsResponse, ConsumerGroupHeartbeatResponse, FindCoordinatorResponse, HeartbeatResponse,
        JoinGroupRequest, JoinGroupResponse, MetadataResponse, SyncGroupRequest, SyncGroupResponse,
        api_versions::ApiVersion,
        consumer_group_heartbeat::{Assignment, ResponseTopicPartitions},
        find_coordinator::Coordinator as Found,
        join_group::JoinGroupResponseMember,
        metadata::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use uuid::Uuid;

use super::*;
use crate::{Address, Cluster, ClusterOptions, ConnectionOptions, ErrorCode};

const TOPIC: &str = "t";
const TOPIC_ID: Uuid = Uuid::from_u128(7);

/// For what happens at once, or never.
const DEADLINE: Duration = Duration::from_secs(60);

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);

const COOPERATIVE: GroupProtocol = GroupProtocol::Classic(Assignor::CooperativeSticky);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Every request is answered.
    #[default]
    Stable,
    /// Somebody joins: a join is answered when that is over.
    Rebalancing,
    /// Nothing is answered, also later, that comes now or waits.
    Silent,
}

/// What the coordinator has seen and is at.
#[derive(Debug, Clone, Default)]
struct State {
    phase: Phase,
    generation: i32,
    parked_joins: usize,
    /// While a join is parked.
    heartbeats: usize,
}

/// A broker that is everything: one topic of one partition, one group of one member.
struct Coordinator {
    address: Address,
    state: Arc<watch::Sender<State>>,
    _tasks: JoinSet<()>,
}

impl Coordinator {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let state = Arc::new(watch::Sender::<State>::default());
        let (shared, own) = (Arc::clone(&state), address.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if shared.borrow().phase != Phase::Silent {
                    connections.spawn(serve(stream, Arc::clone(&shared), own.clone()));
                }
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// A member whose requests may take for ever.
    fn member(&self, protocol: GroupProtocol, session_timeout: Duration) -> GroupMember {
        let connection = ConnectionOptions { request_timeout: FOR_EVER, ..ConnectionOptions::default() };
        let options = ClusterOptions { connection, ..ClusterOptions::default() };
        let cluster = Cluster::new([self.address.clone()], options);
        let options = GroupOptions {
            session_timeout,
            rebalance_timeout: FOR_EVER,
            heartbeat_interval: Duration::from_millis(20),
            ..GroupOptions::new("g", [TOPIC.to_owned()], protocol)
        };
        GroupMember::join(cluster, options)
    }

    fn enter(&self, phase: Phase) {
        self.state.send_modify(|state| (state.phase, state.parked_joins, state.heartbeats) = (phase, 0, 0));
    }

    async fn until(&self, what: &str, is_so: impl FnMut(&State) -> bool) {
        let mut state = self.state.subscribe();
        let seen = timeout(DEADLINE, state.wait_for(is_so)).await;
        assert!(seen.is_ok(), "{what}");
    }
}

async fn serve(mut stream: TcpStream, state: Arc<watch::Sender<State>>, own: Address) {
    let mut frames = FrameReader::new(1 << 20);
    while let Ok(1..) = stream.read_buf(&mut frames.space()).await {
        while let Some(frame) = frames.next_frame().unwrap() {
            let Incoming::Request { header, body } = Incoming::read(&frame).unwrap() else { panic!() };
            let answer = answer(&header, &body, &state, &own).await;
            if state.borrow().phase == Phase::Silent {
                return std::future::pending().await;
            }
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

async fn answer(
    header: &RequestHeader,
    body: &bytes::Bytes,
    state: &watch::Sender<State>,
    own: &Address,
) -> bytes::Bytes {
    let (id, version) = (header.correlation_id, header.version);
    let frame = match header.key {
        ApiKey::ApiVersions => encode_response(id, version, &versions()),
        ApiKey::Metadata => encode_response(id, version, &metadata(own)),
        ApiKey::FindCoordinator => {
            let (host, port) = (own.host.clone(), i32::from(own.port));
            let found = Found { key: "g".into(), node_id: 1, host, port, ..Found::default() };
            let coordinators = vec![found];
            let response = FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
            encode_response(id, version, &response)
        }
        ApiKey::JoinGroup => {
            let request = JoinGroupRequest::from_body(body, version).unwrap();
            encode_response(id, version, &joined(request, state).await)
        }
        ApiKey::SyncGroup => {
            let mut request = SyncGroupRequest::from_body(body, version).unwrap();
            let assignment = request.assignments.remove(0).assignment;
            encode_response(id, version, &SyncGroupResponse { assignment, ..SyncGroupResponse::default() })
        }
        ApiKey::Heartbeat => {
            state.send_modify(|state| state.heartbeats += usize::from(state.parked_joins > 0));
            let is_stable = state.borrow().phase == Phase::Stable;
            let error_code = if is_stable { ErrorCode::NONE } else { ErrorCode::REBALANCE_IN_PROGRESS };
            encode_response(id, version, &HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
        }
        ApiKey::ConsumerGroupHeartbeat => encode_response(id, version, &heard()),
        other => panic!("{other:?}"),
    };
    frame.unwrap().into_bytes().unwrap()
}

fn versions() -> ApiVersionsResponse {
    let apis = [
        (ApiKey::ApiVersions, 4),
        (ApiKey::Metadata, 12),
        (ApiKey::FindCoordinator, 4),
        (ApiKey::JoinGroup, 9),
        (ApiKey::SyncGroup, 5),
        (ApiKey::Heartbeat, 4),
        (ApiKey::ConsumerGroupHeartbeat, 0),
    ];
    let api_keys =
        apis.map(|(api, max_version)| ApiVersion { api_key: api as i16, min_version: 0, max_version });
    ApiVersionsResponse { api_keys: api_keys.to_vec(), ..ApiVersionsResponse::default() }
}

fn metadata(own: &Address) -> MetadataResponse {
    let partition = MetadataResponsePartition { leader_id: 1, ..MetadataResponsePartition::default() };
    let topic = MetadataResponseTopic {
        name: Some(TOPIC.into()),
        topic_id: TOPIC_ID,
        partitions: vec![partition],
        ..MetadataResponseTopic::default()
    };
    let (host, port) = (own.host.clone(), i32::from(own.port));
    let broker = MetadataResponseBroker { node_id: 1, host, port, ..MetadataResponseBroker::default() };
    MetadataResponse { brokers: vec![broker], topics: vec![topic], ..MetadataResponse::default() }
}

/// The one member leads, in a generation of its own.
async fn joined(request: JoinGroupRequest, state: &watch::Sender<State>) -> JoinGroupResponse {
    state.send_modify(|state| state.parked_joins += usize::from(state.phase == Phase::Rebalancing));
    let mut phases = state.subscribe();
    phases.wait_for(|state| state.phase != Phase::Rebalancing).await.unwrap();
    drop(phases);
    state.send_modify(|state| state.generation += 1);
    let metadata = request.protocols.into_iter().next().unwrap().metadata;
    let member = JoinGroupResponseMember { member_id: "m".into(), metadata, ..Default::default() };
    JoinGroupResponse {
        generation_id: state.borrow().generation,
        protocol_type: Some("consumer".into()),
        protocol_name: Some("cooperative-sticky".into()),
        leader: "m".into(),
        member_id: "m".into(),
        members: vec![member],
        ..JoinGroupResponse::default()
    }
}

fn heard() -> ConsumerGroupHeartbeatResponse {
    let all = ResponseTopicPartitions { topic_id: TOPIC_ID, partitions: vec![0] };
    ConsumerGroupHeartbeatResponse {
        member_epoch: 1,
        heartbeat_interval_ms: 20,
        assignment: Some(Assignment { topic_partitions: vec![all] }),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

async fn next(member: &mut GroupMember) -> Change {
    let change = timeout(DEADLINE, member.next()).await.expect("a change in time").unwrap();
    assert_eq!(change.partitions, [TopicPartition::new(TOPIC, PartitionId(0))].into());
    change
}

/// Whatever it is at: it gives everything up when its session is over by its own clock, and comes back when it can.
async fn is_cut_off(protocol: GroupProtocol, joins_meanwhile: bool) {
    let coordinator = Coordinator::start().await;
    let mut member = coordinator.member(protocol, Duration::from_millis(500));
    assert_eq!(next(&mut member).await.kind, ChangeKind::Assigned);
    let lost = {
        let mut change = pin!(next(&mut member));
        let mut early = None;
        if joins_meanwhile {
            coordinator.enter(Phase::Rebalancing);
            tokio::select! {
                () = coordinator.until("it joins", |state| state.parked_joins > 0) => {}
                // Where everything takes long, its session may be over before.
                lost = &mut change => early = Some(lost),
            }
        }
        coordinator.enter(Phase::Silent);
        match early {
            Some(lost) => lost,
            None => change.await,
        }
    };
    assert_eq!(lost.kind, ChangeKind::Lost);
    let refused = member.commit(Default::default()).await.unwrap_err();
    assert!(matches!(refused, GroupError::NotInGroup { .. }), "{refused}");
    coordinator.enter(Phase::Stable);
    drop(lost);
    assert_eq!(next(&mut member).await.kind, ChangeKind::Assigned);
}

#[tokio::test]
async fn a_member_that_is_cut_off_while_its_join_is_parked_gives_up() {
    is_cut_off(COOPERATIVE, true).await;
}

#[tokio::test]
async fn a_member_that_is_cut_off_gives_up() {
    is_cut_off(COOPERATIVE, false).await;
    is_cut_off(GroupProtocol::Consumer, false).await;
}

#[tokio::test]
async fn a_member_whose_join_is_parked_lives_on_and_keeps_what_it_has() {
    let coordinator = Coordinator::start().await;
    let mut member = coordinator.member(COOPERATIVE, FOR_EVER);
    assert_eq!(next(&mut member).await.kind, ChangeKind::Assigned);
    coordinator.enter(Phase::Rebalancing);
    coordinator.until("it sends heartbeats meanwhile", |state| state.heartbeats > 2).await;
    coordinator.enter(Phase::Stable);
    let in_the_next = async {
        while member.epoch() != 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, in_the_next).await.expect("the next generation begins");
    assert!(futures_util::poll!(pin!(member.next())).is_pending(), "nothing has changed");
}
