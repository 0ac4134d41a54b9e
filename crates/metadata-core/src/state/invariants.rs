//! What always holds of the state, as a check that tests run after every command and that a snapshot has to pass.

use std::collections::BTreeSet;

use common::{
    Broker, BrokerId, Partition, Topic, broker_config,
    limits::{BROKERS_MAX, PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, REPLICATION_FACTOR_MAX, TOPICS_MAX},
    topic_config,
};

use super::{Delta, PartitionIndex, State};
use crate::{
    command::{FEATURE_LEVEL_INITIAL, FEATURE_LEVEL_MAX},
    election::Rules,
    reassignment::{complete, settled},
};

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
    /// 4. Its ISR and its eligible replicas are subsets of the replicas, in their order, and share nothing; nobody is
    ///    eligible while the ISR is large enough for the high watermark to move.
    /// 5. It has a leader exactly if somebody in the ISR or eligible is ONLINE; or, if its topic allows unclean elections,
    ///    anybody who is not only being added. The leader is in the ISR, and then the whole ISR is ONLINE.
    /// 6. A move leads from the settled replicas, which come first, to its target; it is not complete.
    /// 7. Topic names share no collision key, ids are unique, settings are valid. Settings of brokers are valid, and those of
    ///    one broker are a registered one's. Settings of groups are valid, and within the bounds that those of brokers give.
    /// 8. Everything stays within [`common::limits`].
    /// 9. Every index and digest is what it would be if it were built anew.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_entities()?;
        self.check_indexes()
    }

    /// Invariants 1 to 8, for a state whose indexes were just built.
    pub(crate) fn check_entities(&self) -> Result<(), String> {
        let level = self.features.level;
        let levels = FEATURE_LEVEL_INITIAL..=FEATURE_LEVEL_MAX;
        ensure!(levels.contains(&level), "feature level {level} is not one this build knows: {levels:?}");
        ensure!(self.producer_ids.next >= 0, "next producer id {} is negative", self.producer_ids.next);
        self.check_brokers()?;
        self.check_broker_configs()?;
        self.check_group_configs()?;
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

    fn check_broker_configs(&self) -> Result<(), String> {
        let configs = &self.broker_configs;
        let valid = |configs, for_one| broker_config::validate(configs, for_one).map_err(|it| it.to_string());
        valid(configs.of_all(), false)?;
        configs.brokers().try_for_each(|(id, configs)| {
            ensure!(self.broker(id).is_some(), "settings of broker {id}, which is not registered");
            ensure!(!configs.is_empty(), "broker {id} has an entry without settings");
            valid(configs, true)
        })
    }

    fn check_group_configs(&self) -> Result<(), String> {
        self.group_configs.check()?;
        self.group_configs.validate(self.broker_configs.of_all()).map_err(|unfit| unfit.to_string())
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
            self.check_partition(partition, Rules::of(self, topic))
                .map_err(|error| format!("topic {name} partition {id}: {error}"))?;
        }
        Ok(())
    }

    fn check_partition(&self, partition: &Partition, rules: Rules) -> Result<(), String> {
        let Partition { leader, leader_epoch, partition_epoch, replicas, isr, .. } = partition;
        ensure!((1..=2 * REPLICATION_FACTOR_MAX).contains(&replicas.len()), "{} replicas", replicas.len());
        ensure!(leader_epoch.0 >= 0 && partition_epoch.0 >= 0, "an epoch is negative: {partition:?}");
        for (position, replica) in replicas.iter().enumerate() {
            ensure!(self.broker(*replica).is_some(), "replica {replica} is not registered");
            ensure!(
                !replicas.iter().skip(position + 1).any(|other| other == replica),
                "two replicas on {replica}"
            );
        }
        let eligible = &partition.eligible_leader_replicas;
        for (what, members) in [("ISR", isr), ("eligible", eligible)] {
            let mut rest = replicas.iter();
            let ordered = members.iter().all(|member| rest.any(|replica| replica == member));
            ensure!(ordered, "{what} {members:?} is no part of replicas {replicas:?} in their order");
        }
        ensure!(!eligible.iter().any(|id| isr.contains(id)), "eligible {eligible:?} and in the ISR {isr:?}");
        let min_isr = partition.min_isr(rules.min_insync);
        ensure!(
            eligible.is_empty() || isr.len() < min_isr,
            "eligible {eligible:?} though the ISR {isr:?} has {min_isr}"
        );
        let is_online = |id: &&BrokerId| self.brokers.is_online(**id);
        match leader {
            Some(leader) => {
                ensure!(isr.contains(leader), "leader {leader} is not in the ISR {isr:?}");
                let offline = isr.iter().find(|member| !is_online(member));
                ensure!(offline.is_none(), "led by {leader}, but {offline:?} of the ISR is not ONLINE");
            }
            None => {
                let unclean = if rules.unclean { settled(partition) } else { &[] };
                let able = isr.iter().chain(eligible).chain(unclean).find(is_online);
                ensure!(able.is_none(), "no leader, but {able:?} may lead: {partition:?}");
            }
        }
        check_move(partition, rules)
    }

    /// Invariant 9.
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
        ensure!(self.group_configs.indexes_hold(), "digest of groups' settings differs from a rebuilt one");
        ensure!(self.requests.indexes_hold(), "request indexes differ from rebuilt ones");
        Ok(())
    }
}

fn check_move(partition: &Partition, rules: Rules) -> Result<(), String> {
    let Some(moving) = partition.reassignment.as_deref() else { return Ok(()) };
    let (target, settled) = (&moving.target, settled(partition));
    ensure!((1..=REPLICATION_FACTOR_MAX).contains(&target.len()), "{} replicas in the target", target.len());
    let distinct: BTreeSet<_> = target.iter().collect();
    ensure!(distinct.len() == target.len(), "the target {target:?} has a replica twice");
    let beyond = |ids: &[BrokerId], others: &[BrokerId]| {
        ids.iter().copied().filter(|id| !others.contains(id)).collect::<Vec<_>>()
    };
    ensure!(moving.adding == beyond(target, settled), "{moving:?} does not add to {settled:?} what it says");
    ensure!(
        moving.removing == beyond(settled, target),
        "{moving:?} does not take from {settled:?} what it says"
    );
    ensure!(
        partition.replicas.ends_with(&moving.adding),
        "{moving:?} adds what is not last in {partition:?}"
    );
    let mut completed = partition.clone();
    complete(&mut completed, rules);
    ensure!(completed == *partition, "the move is complete: {partition:?}");
    Ok(())
}
