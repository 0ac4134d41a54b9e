//! Commands that are too large, and clusters that are full.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a failed test")]

use common::{
    BrokerEpoch, BrokerId, ClusterId, IncarnationId, LeaderEpoch, MetadataVersion, PartitionEpoch,
    PartitionId, TopicId, TopicName,
    limits::{
        BROKERS_MAX, ELECTIONS_PER_COMMAND_MAX, GROUPS_WITH_CONFIGS_MAX, ISR_CHANGES_PER_COMMAND_MAX,
        REASSIGNMENTS_PER_COMMAND_MAX,
    },
};
use metadata_core::{
    Command, Outcome, Proposal, Rejection, State,
    command::{GROUP_CONFIGS_LEVEL, IsrChange, Move},
};
use uuid::Uuid;

/// A cluster with as many brokers as there may be.
fn full() -> State {
    let mut state = State::new(ClusterId("full".to_owned()));
    (0..BROKERS_MAX).for_each(|id| drop(apply(&mut state, register(id)).unwrap()));
    state
}

fn register(id: usize) -> Command {
    Command::RegisterBroker {
        broker_id: BrokerId(i32::try_from(id).unwrap()),
        incarnation_id: IncarnationId(Uuid::from_u128(id as u128)),
        host: "localhost".to_owned(),
        port: 8081,
        kafka_port: None,
        rack: None,
        directory_id: None,
        previous_is_gone: false,
    }
}

fn apply(state: &mut State, command: Command) -> Result<Outcome, Rejection> {
    let proposal = Proposal { time_ms: 0, author: "test".to_owned(), request_id: None, command };
    let next = MetadataVersion(state.version().0 + 1);
    state.apply(next, &proposal).result
}

fn bound(result: Result<Outcome, Rejection>) -> (u64, u64) {
    match result {
        Err(Rejection::LimitExceeded { value, bound, .. }) => (value, bound),
        other => panic!("no limit: {other:?}"),
    }
}

#[test]
fn brokers() {
    let mut state = full();
    assert_eq!(bound(apply(&mut state, register(BROKERS_MAX))), (1_001, 1_000));
    // Those that are in may register again, and one that goes makes room.
    apply(&mut state, register(7)).unwrap();
    apply(&mut state, Command::RemoveBroker { broker_id: BrokerId(7) }).unwrap();
    apply(&mut state, register(BROKERS_MAX)).unwrap();
}

#[test]
fn groups_with_settings() {
    let mut state = State::new(ClusterId("full".to_owned()));
    let level = GROUP_CONFIGS_LEVEL;
    apply(&mut state, Command::SetFeatureLevel { level, level_max: level }).unwrap();
    let set = |number: usize, value: Option<&str>| Command::AlterGroupConfigs {
        group_id: format!("group-{number}"),
        configs: [("consumer.session.timeout.ms".to_owned(), value.map(str::to_owned))].into(),
    };
    for number in 0..GROUPS_WITH_CONFIGS_MAX {
        apply(&mut state, set(number, Some("50000"))).unwrap();
    }
    assert_eq!(bound(apply(&mut state, set(GROUPS_WITH_CONFIGS_MAX, Some("50000")))), (10_001, 10_000));
    // Those that are in may change, and one that goes makes room.
    apply(&mut state, set(7, Some("51000"))).unwrap();
    apply(&mut state, set(7, None)).unwrap();
    apply(&mut state, set(GROUPS_WITH_CONFIGS_MAX, Some("50000"))).unwrap();
    state.check_invariants().unwrap();
}

#[test]
fn elements_of_one_command() {
    let mut state = full();
    let (broker_id, broker_epoch) = (BrokerId(0), BrokerEpoch(1));
    let topic_name = TopicName::new("orders").unwrap();
    let change = IsrChange {
        topic_name: topic_name.clone(),
        topic_id: TopicId(Uuid::nil()),
        partition: PartitionId(0),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        new_isr: Vec::new(),
    };
    let changes = vec![change; ISR_CHANGES_PER_COMMAND_MAX + 1];
    let alter = Command::AlterIsr { broker_id, broker_epoch, changes };
    assert_eq!(bound(apply(&mut state, alter)), (10_001, 10_000));

    let partitions = vec![(topic_name.clone(), PartitionId(0)); ELECTIONS_PER_COMMAND_MAX + 1];
    let elect = Command::ElectPreferredLeaders { partitions: partitions.clone() };
    assert_eq!(bound(apply(&mut state, elect)), (10_001, 10_000));
    let elect = Command::ElectUncleanLeaders { partitions };
    assert_eq!(bound(apply(&mut state, elect)), (10_001, 10_000));

    let cancel = Move { topic_name, partition: PartitionId(0), replicas: None };
    let reassign = Command::ReassignPartitions { moves: vec![cancel; REASSIGNMENTS_PER_COMMAND_MAX + 1] };
    assert_eq!(bound(apply(&mut state, reassign)), (10_001, 10_000));

    let fence = Command::FenceBrokers { brokers: vec![(broker_id, broker_epoch); BROKERS_MAX + 1] };
    assert_eq!(bound(apply(&mut state, fence)), (1_001, 1_000));
}
