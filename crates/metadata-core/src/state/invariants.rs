//! What always holds of the state, as a check that tests run after every command and that a snapshot has to pass.

use std::collections::BTreeSet;

use common::{
    Broker, Partition, Topic,
    limits::{BROKERS_MAX, PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, REPLICATION_FACTOR_MAX, TOPICS_MAX},
    topic_config,
};

use super::{Delta, PartitionIndex, State};
use crate::command::{FEATURE_LEVEL_INITIAL, FEATURE_LEVEL_MAX};

/// Refuses with a text unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}

impl State {
    /// Checks every invariant of the state and of the indexes over it; the error says which one is broken where.
    /// O(everything).
    ///
    /// 1. The feature level is one this build knows, and producer ids are never negative.
    /// 2. Broker epochs are Raft indexes up to the version, no two alike; ids are not negative.
    /// 3. Partition `i` stands at position `i`. Its replicas are registered brokers, at least one, none twice.
    /// 4. Its ISR is a subset of the replicas, in their order, and never empty.
    /// 5. It has a leader exactly if a member of its ISR is ONLINE. The leader is in the ISR, and then the whole ISR is ONLINE.
    /// 6. Topic names share no collision key, ids are unique, settings are valid.
    /// 7. Everything stays within [`common::limits`].
    /// 8. Every index and digest is what it would be if it were built anew.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_entities()?;
        self.check_indexes()
    }

    /// Invariants 1 to 7, for a state whose indexes were just built.
    pub(crate) fn check_entities(&self) -> Result<(), String> {
        let level = self.features.level;
        let levels = FEATURE_LEVEL_INITIAL..=FEATURE_LEVEL_MAX;
        ensure!(levels.contains(&level), "feature level {level} is not one this build knows: {levels:?}");
        ensure!(self.producer_ids.next >= 0, "next producer id {} is negative", self.producer_ids.next);
        self.check_brokers()?;
        let (topics, partitions) = (self.topics.len(), self.partitions.total());
        ensure!(topics <= TOPICS_MAX, "{topics} topics exceed the bound {TOPICS_MAX}");
        ensure!(partitions <= PARTITIONS_MAX, "{partitions} partitions exceed the bound {PARTITIONS_MAX}");
        self.topics().try_for_each(|topic| self.check_topic(topic))
    }

    fn check_brokers(&self) -> Result<(), String> {
        let count = self.brokers.len();
        ensure!(count <= BROKERS_MAX, "{count} brokers exceed the bound {BROKERS_MAX}");
        let mut epochs = BTreeSet::new();
        for Broker { broker_id, broker_epoch, .. } in self.brokers() {
            ensure!(broker_id.0 >= 0, "broker id {broker_id} is negative");
            let known = u64::try_from(broker_epoch.0).is_ok_and(|epoch| epoch <= self.version.0);
            ensure!(known, "broker {broker_id}: epoch {broker_epoch} is not 0 to version {}", self.version);
            ensure!(
                epochs.insert(*broker_epoch),
                "broker {broker_id}: epoch {broker_epoch} is another's too"
            );
        }
        Ok(())
    }

    fn check_topic(&self, topic: &Topic) -> Result<(), String> {
        let name = &topic.topic_name;
        let partitions = topic.partitions.len();
        ensure!(
            (1..=PARTITIONS_PER_TOPIC_MAX).contains(&partitions),
            "topic {name} has {partitions} partitions, not 1 to {PARTITIONS_PER_TOPIC_MAX}"
        );
        let other = self.topics.colliding(name);
        ensure!(other.is_none(), "topics {name} and {other:?} collide");
        let found = self.topic_by_id(topic.topic_id).map(|found| &found.topic_name);
        ensure!(found == Some(name), "topic id {} of {name} finds {found:?}", topic.topic_id);
        topic_config::validate(&topic.configs).map_err(|error| format!("topic {name}: {error}"))?;
        for (position, partition) in topic.partitions.iter().enumerate() {
            let id = partition.id.0;
            ensure!(usize::try_from(id) == Ok(position), "topic {name}: partition {id} stands at {position}");
            self.check_partition(partition)
                .map_err(|error| format!("topic {name} partition {id}: {error}"))?;
        }
        Ok(())
    }

    fn check_partition(&self, partition: &Partition) -> Result<(), String> {
        let Partition { leader, leader_epoch, partition_epoch, replicas, isr, .. } = partition;
        ensure!((1..=REPLICATION_FACTOR_MAX).contains(&replicas.len()), "{} replicas", replicas.len());
        ensure!(leader_epoch.0 >= 0 && partition_epoch.0 >= 0, "an epoch is negative: {partition:?}");
        for (position, replica) in replicas.iter().enumerate() {
            ensure!(self.broker(*replica).is_some(), "replica {replica} is not registered");
            ensure!(
                !replicas.iter().skip(position + 1).any(|other| other == replica),
                "two replicas on {replica}"
            );
        }
        ensure!(!isr.is_empty(), "the ISR is empty");
        let mut rest = replicas.iter();
        let ordered = isr.iter().all(|member| rest.any(|replica| replica == member));
        ensure!(ordered, "ISR {isr:?} is no part of replicas {replicas:?} in their order");
        let online = isr.iter().filter(|member| self.brokers.is_online(**member)).count();
        match leader {
            Some(leader) => {
                ensure!(isr.contains(leader), "leader {leader} is not in the ISR {isr:?}");
                ensure!(online == isr.len(), "led by {leader}, but not all of the ISR {isr:?} is ONLINE");
            }
            None => ensure!(online == 0, "no leader, but one of the ISR {isr:?} is ONLINE"),
        }
        Ok(())
    }

    /// Invariant 8.
    fn check_indexes(&self) -> Result<(), String> {
        let mut partitions = PartitionIndex::default();
        for topic in self.topics() {
            let mut delta = Delta::default();
            topic.partitions.iter().for_each(|partition| delta.add(topic.topic_id, partition));
            partitions.apply(&topic.topic_name, delta);
        }
        ensure!(
            partitions == self.partitions,
            "partition index: {:?}\nrebuilt: {partitions:?}",
            self.partitions
        );
        ensure!(self.topics.indexes_hold(), "topic indexes differ from rebuilt ones");
        ensure!(self.brokers.indexes_hold(), "broker digest differs from a rebuilt one");
        ensure!(self.requests.indexes_hold(), "request indexes differ from rebuilt ones");
        Ok(())
    }
}
