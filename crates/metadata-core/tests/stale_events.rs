//! Events about what is not there, or not the same any more, change nothing: whoever follows the stream may get an
//! event that its image is already ahead of.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod samples;

use std::sync::Arc;

use common::{
    Broker, BrokerEpoch, BrokerId, BrokerStatus, ClusterId, IncarnationId, LeaderEpoch, MetadataVersion,
    Partition, PartitionEpoch, PartitionId, Topic, TopicId, TopicName,
};
use metadata_core::{Event, State};
use proptest::prelude::*;
use uuid::Uuid;

const VERSION: MetadataVersion = MetadataVersion(100);

fn empty() -> State {
    let mut state = State::new(ClusterId("test".to_owned()));
    state.evolve(VERSION, &Event::FeatureLevelChanged { level: 1 });
    state
}

fn events() -> Vec<Event> {
    samples::events().into_iter().map(|(_, event)| event).collect()
}

/// Applies an event and tells whether it changed anything.
fn changes(state: &State, event: &Event) -> bool {
    let mut after = state.clone();
    after.evolve(VERSION, event);
    after.digest() != state.digest()
}

#[test]
fn about_unknown_topics_and_brokers() {
    let state = empty();
    for event in events() {
        let makes = matches!(
            event,
            Event::TopicCreated { .. }
                | Event::BrokerRegistered { .. }
                | Event::BrokerConfigsChanged { broker_id: None, .. }
                | Event::GroupConfigsChanged { .. }
                | Event::ProducerIdsAllocated { .. }
        );
        assert_eq!(changes(&state, &event), makes, "{event:?}");
    }
}

#[test]
fn about_a_former_topic_of_the_same_name() {
    let mut state = empty();
    let Some(Event::TopicCreated { topic }) = events().into_iter().next() else {
        panic!("the first sample creates a topic");
    };
    let recreated = Topic { topic_id: TopicId(Uuid::nil()), ..Topic::clone(&topic) };
    state.evolve(VERSION, &Event::TopicCreated { topic: Arc::new(recreated) });
    let of_topic = |event: &Event| {
        matches!(
            event,
            Event::TopicConfigsChanged { .. }
                | Event::PartitionsAdded { .. }
                | Event::PartitionsChanged { .. }
                | Event::TopicDeleted { .. }
        )
    };
    for event in events().into_iter().filter(of_topic) {
        assert!(!changes(&state, &event), "{event:?}");
    }
}

#[test]
fn about_a_former_registration() {
    let mut state = empty();
    let broker = events().into_iter().find_map(|event| match event {
        Event::BrokerRegistered { broker } => Some(broker),
        _ => None,
    });
    let broker = broker.unwrap();
    let (broker_id, broker_epoch) = (broker.broker_id, broker.broker_epoch);
    let successor = Broker {
        broker_epoch: BrokerEpoch(broker_epoch.0 + 1),
        incarnation_id: IncarnationId(Uuid::nil()),
        ..broker
    };
    state.evolve(VERSION, &Event::BrokerRegistered { broker: successor });
    let status = BrokerStatus::Offline;
    assert!(!changes(&state, &Event::BrokerStatusChanged { broker_id, broker_epoch, status }));
}

/// Partitions that leave a gap, or have no place, are left out; the rest counts.
#[test]
fn with_partitions_out_of_place() {
    let mut state = empty();
    for event in events() {
        if matches!(event, Event::TopicCreated { .. }) {
            state.evolve(VERSION, &event);
        }
        for id in [-1, 7, i32::MAX] {
            let out_of_place = match event.clone() {
                Event::PartitionsAdded { topic_name, topic_id, mut partitions } => {
                    partitions.iter_mut().for_each(|partition| partition.id = PartitionId(id));
                    Event::PartitionsAdded { topic_name, topic_id, partitions }
                }
                Event::PartitionsChanged { topic_name, topic_id, mut partitions } => {
                    partitions.iter_mut().for_each(|partition| partition.id = PartitionId(id));
                    Event::PartitionsChanged { topic_name, topic_id, partitions }
                }
                _ => continue,
            };
            assert!(!changes(&state, &out_of_place), "{out_of_place:?}");
        }
    }
}

fn ids() -> impl Strategy<Value = Vec<BrokerId>> {
    prop::collection::vec((0..4).prop_map(BrokerId), 0..4)
}

/// Partitions as no decision makes them: leaders that are no replicas, replicas twice, none at all.
fn partition() -> impl Strategy<Value = Partition> {
    (-1..4, prop::option::of((0..4).prop_map(BrokerId)), 0..3, ids(), ids()).prop_map(
        |(id, leader, epoch, replicas, isr)| Partition {
            id: PartitionId(id),
            leader,
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(epoch),
            replicas,
            isr,
            ..Partition::default()
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    (0..4, 0..3_usize, 0..3_u128, prop::collection::vec(partition(), 0..4)).prop_map(
        |(kind, name, id, partitions)| {
            let topic_name = TopicName::new(["a.b", "a_b", "c"][name]).unwrap();
            let topic_id = TopicId(Uuid::from_u128(id));
            match kind {
                0 => {
                    let configs = [].into();
                    let topic = Topic { topic_name, topic_id, replication_factor: 1, configs, partitions };
                    Event::TopicCreated { topic: Arc::new(topic) }
                }
                1 => Event::PartitionsAdded { topic_name, topic_id, partitions },
                2 => Event::PartitionsChanged { topic_name, topic_id, partitions },
                _ => Event::TopicDeleted { topic_name, topic_id },
            }
        },
    )
}

proptest! {
    /// Events that no decision made, from a broken peer, do not stop whoever follows the stream.
    #[test]
    fn that_were_never_decided(events in prop::collection::vec(any_event(), 0..60)) {
        let mut state = empty();
        for event in &events {
            state.evolve(VERSION, event);
            let _ = state.check_invariants();
        }
        for event in &events {
            if let Event::TopicCreated { topic } = event {
                let (topic_name, topic_id) = (topic.topic_name.clone(), topic.topic_id);
                state.evolve(VERSION, &Event::TopicDeleted { topic_name, topic_id });
            }
        }
        prop_assert_eq!(state.topic_count(), 0);
        prop_assert_eq!(state.digest(), empty().digest());
    }
}
