//! Members against a coordinator that keeps joins waiting, and falls silent.

use std::{pin::pin, slice, sync::Arc, thread, time::Duration};

use common::PartitionId;
use kafka_wire::{
    ApiKey,
    messages::{
        ConsumerGroupHeartbeatResponse, FindCoordinatorResponse, HeartbeatResponse, JoinGroupRequest,
        JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
        consumer_group_heartbeat::{Assignment, ResponseTopicPartitions},
        find_coordinator::Coordinator as Found,
        join_group::JoinGroupResponseMember,
    },
};
use tokio::{sync::watch, time::timeout};
use uuid::Uuid;

use super::*;
use crate::{
    Cluster, ClusterOptions, ConnectionOptions, ErrorCode,
    stand_in::{self, Asked, StandIn},
};

const TOPIC: &str = "t";
const TOPIC_ID: Uuid = Uuid::from_u128(7);

/// For what happens at once, or never.
const DEADLINE: Duration = Duration::from_secs(60);

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// From one look or heartbeat to the next.
const OFTEN: Duration = Duration::from_millis(20);

const COOPERATIVE: GroupProtocol = GroupProtocol::Classic(Assignor::CooperativeSticky);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Every request is answered.
    Stable,
    /// Somebody joins: a join is answered when that is over.
    Rebalancing,
    /// Nothing is answered, also later, that comes now or waits.
    Silent,
}

/// What the coordinator has seen and is at.
#[derive(Debug, Clone)]
struct State {
    phase: Phase,
    /// How many the topic has.
    partitions: usize,
    generation: i32,
    parked_joins: usize,
    /// While a join is parked.
    heartbeats: usize,
}

/// A broker that is everything: one topic, one group of one member.
struct Coordinator {
    stand_in: StandIn,
    state: Arc<watch::Sender<State>>,
}

impl Coordinator {
    async fn start() -> Self {
        let state =
            State { phase: Phase::Stable, partitions: 1, generation: 0, parked_joins: 0, heartbeats: 0 };
        let state = Arc::new(watch::Sender::new(state));
        let shared = Arc::clone(&state);
        let stand_in = StandIn::start(move |asked| answer_unless_silent(asked, Arc::clone(&shared))).await;
        Self { stand_in, state }
    }

    /// A member whose requests may take for ever.
    fn member(&self, protocol: GroupProtocol, session_timeout: Duration) -> GroupMember {
        let connection = ConnectionOptions { request_timeout: FOR_EVER, ..ConnectionOptions::default() };
        let options = ClusterOptions { connection, metadata_max_age: OFTEN, ..ClusterOptions::default() };
        let cluster = Cluster::new([self.stand_in.address.clone()], options);
        let options = GroupOptions {
            session_timeout,
            rebalance_timeout: FOR_EVER,
            heartbeat_interval: OFTEN,
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

async fn answer_unless_silent(asked: Asked, state: Arc<watch::Sender<State>>) -> stand_in::Answer {
    let answer = answer(&asked, &state).await;
    match (state.borrow().phase, asked.header.key) {
        // It takes no new connections.
        (Phase::Silent, ApiKey::ApiVersions) => return None,
        (Phase::Silent, _) => {}
        _ => return answer,
    }
    std::future::pending().await
}

async fn answer(asked: &Asked, state: &watch::Sender<State>) -> stand_in::Answer {
    let own = &asked.at;
    match asked.header.key {
        ApiKey::ApiVersions => asked.answer_versions(&[
            (ApiKey::Metadata, 12),
            (ApiKey::FindCoordinator, 4),
            (ApiKey::JoinGroup, 9),
            (ApiKey::SyncGroup, 5),
            (ApiKey::Heartbeat, 4),
            (ApiKey::ConsumerGroupHeartbeat, 0),
        ]),
        ApiKey::Metadata => {
            let leaders = vec![(1, 0); state.borrow().partitions];
            asked.answer(&stand_in::metadata(slice::from_ref(own), (TOPIC, TOPIC_ID), &leaders))
        }
        ApiKey::FindCoordinator => {
            let (host, port) = (own.host.clone(), i32::from(own.port));
            let found = Found { key: "g".into(), node_id: 1, host, port, ..Found::default() };
            let coordinators = vec![found];
            asked.answer(&FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() })
        }
        ApiKey::JoinGroup => asked.answer(&joined(asked.read(), state).await),
        ApiKey::SyncGroup => {
            let assignment = asked.read::<SyncGroupRequest>().assignments.remove(0).assignment;
            asked.answer(&SyncGroupResponse { assignment, ..SyncGroupResponse::default() })
        }
        ApiKey::Heartbeat => {
            state.send_modify(|state| state.heartbeats += usize::from(state.parked_joins > 0));
            let is_stable = state.borrow().phase == Phase::Stable;
            let error_code = if is_stable { ErrorCode::NONE } else { ErrorCode::REBALANCE_IN_PROGRESS };
            asked.answer(&HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
        }
        ApiKey::ConsumerGroupHeartbeat => asked.answer(&heard()),
        other => panic!("{other:?}"),
    }
}

/// The one member leads, in a generation of its own.
async fn joined(request: JoinGroupRequest, state: &watch::Sender<State>) -> JoinGroupResponse {
    state.send_modify(|state| state.parked_joins += usize::from(state.phase == Phase::Rebalancing));
    let mut phases = state.subscribe();
    phases.wait_for(|state| state.phase != Phase::Rebalancing).await.unwrap();
    drop(phases);
    state.send_modify(|state| state.generation += 1);
    let protocol = request.protocols.into_iter().next().unwrap();
    let metadata = protocol.metadata;
    let member = JoinGroupResponseMember { member_id: "m".into(), metadata, ..Default::default() };
    JoinGroupResponse {
        generation_id: state.borrow().generation,
        protocol_type: Some("consumer".into()),
        protocol_name: Some(protocol.name),
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

/// The next change: what happens to which partitions.
async fn changes(member: &mut GroupMember) -> (ChangeKind, Vec<i32>) {
    let change = timeout(DEADLINE, member.next()).await.expect("a change in time").unwrap();
    (change.kind, change.partitions.iter().map(|place| place.partition.0).collect())
}

/// The next change, which is of all that there is.
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

#[tokio::test]
async fn the_leader_joins_again_when_a_topic_gets_partitions() {
    for (assignor, then) in [
        (Assignor::CooperativeSticky, vec![(ChangeKind::Assigned, vec![1, 2])]),
        (Assignor::Range, vec![(ChangeKind::Revoked, vec![0]), (ChangeKind::Assigned, vec![0, 1, 2])]),
    ] {
        let coordinator = Coordinator::start().await;
        let mut member = coordinator.member(GroupProtocol::Classic(assignor), FOR_EVER);
        assert_eq!(changes(&mut member).await, (ChangeKind::Assigned, vec![0]));
        coordinator.state.send_modify(|state| state.partitions = 3);
        for change in then {
            assert_eq!(changes(&mut member).await, change);
        }
        assert_eq!(member.epoch(), 2, "it joins once");
    }
}

/// What SIGSTOP does to a process: nothing of it runs, and the clock does.
async fn is_stopped(protocol: GroupProtocol) {
    let coordinator = Coordinator::start().await;
    let mut member = coordinator.member(protocol, Duration::from_secs(1));
    timeout(DEADLINE, async {
        while !member.is_in_group() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it joins");
    // There is one thread, which is here.
    while member.is_in_group() {
        thread::park_timeout(Duration::from_millis(1));
    }
    let refused = member.commit(Default::default()).await.unwrap_err();
    assert!(matches!(refused, GroupError::NotInGroup { .. }), "{refused}");
    loop {
        let change = next(&mut member).await;
        if change.kind == ChangeKind::Assigned {
            assert!(change.life > 0, "what was assigned before is not told any more");
            return;
        }
    }
}

#[tokio::test]
async fn a_member_that_was_stopped_begins_with_nothing_that_it_had_before() {
    is_stopped(COOPERATIVE).await;
    is_stopped(GroupProtocol::Consumer).await;
}
