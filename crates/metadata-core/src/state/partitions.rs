//! What is known about partitions across topics: who hosts which topics, who leads how many partitions, which
//! topics have partitions without a leader. With it, a broker that goes costs its own partitions and not all.

use std::collections::BTreeMap;

use common::{BrokerId, Partition, TopicId, TopicName};

use super::cow_map::CowMap;
use crate::digest;

/// Derived from the topics and kept up to date with each change of a partition, by [`Delta`]s.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PartitionIndex {
    /// Partitions of all topics.
    total: usize,
    /// Partitions without a leader.
    leaderless: Tally,
    /// Partitions whose leader is not their first replica.
    non_preferred: Tally,
    /// Partitions whose replicas are moving.
    moving: Tally,
    /// Partitions whose ISR lacks replicas; one that is only being added does not count.
    under_replicated: usize,
    /// Only brokers that hold a replica.
    hosted: BTreeMap<BrokerId, Hosted>,
    /// Sum of the partitions' digests.
    digest: u64,
}

/// A number of partitions, and in which topics they are.
#[derive(Debug, Clone, Default, PartialEq)]
struct Tally {
    total: usize,
    /// Only topics with at least one.
    topics: CowMap<TopicName, usize>,
}

/// What a broker hosts.
#[derive(Debug, Clone, Default, PartialEq)]
struct Hosted {
    leaders: usize,
    replicas: Tally,
}

/// The difference that changed partitions of one topic make.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    total: isize,
    leaderless: isize,
    non_preferred: isize,
    moving: isize,
    under_replicated: isize,
    /// Replicas and leaderships.
    brokers: BTreeMap<BrokerId, (isize, isize)>,
    digest: u64,
}

impl Delta {
    /// A partition appears, or is this after a change.
    pub(crate) fn add(&mut self, topic: TopicId, partition: &Partition) {
        self.digest = self.digest.wrapping_add(digest::partition(topic, partition));
        self.count(partition, 1);
    }

    /// A partition disappears, or was this before a change.
    pub(crate) fn remove(&mut self, topic: TopicId, partition: &Partition) {
        self.digest = self.digest.wrapping_sub(digest::partition(topic, partition));
        self.count(partition, -1);
    }

    fn count(&mut self, partition: &Partition, one: isize) {
        self.total += one;
        if partition.leader != partition.replicas.first().copied() {
            self.non_preferred += one;
        }
        if partition.isr.len() < partition.settled_replicas() {
            self.under_replicated += one;
        }
        if partition.reassignment.is_some() {
            self.moving += one;
        }
        for replica in &partition.replicas {
            self.brokers.entry(*replica).or_default().0 += one;
        }
        match partition.leader {
            Some(leader) => self.brokers.entry(leader).or_default().1 += one,
            None => self.leaderless += one,
        }
    }
}

impl PartitionIndex {
    /// Takes over what changed in `topic`.
    pub(crate) fn apply(&mut self, topic: &TopicName, delta: Delta) {
        self.total = self.total.saturating_add_signed(delta.total);
        self.under_replicated = self.under_replicated.saturating_add_signed(delta.under_replicated);
        self.leaderless.add(topic, delta.leaderless);
        self.non_preferred.add(topic, delta.non_preferred);
        self.moving.add(topic, delta.moving);
        self.digest = self.digest.wrapping_add(delta.digest);
        for (broker, (replicas, leaders)) in delta.brokers {
            if (replicas, leaders) == (0, 0) {
                continue;
            }
            let hosted = self.hosted.entry(broker).or_default();
            hosted.replicas.add(topic, replicas);
            hosted.leaders = hosted.leaders.saturating_add_signed(leaders);
            if hosted.replicas.total == 0 {
                self.hosted.remove(&broker);
            }
        }
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn leaderless(&self) -> usize {
        self.leaderless.total
    }

    pub(crate) fn non_preferred(&self) -> usize {
        self.non_preferred.total
    }

    pub(crate) fn moving(&self) -> usize {
        self.moving.total
    }

    pub(crate) fn under_replicated(&self) -> usize {
        self.under_replicated
    }

    pub(crate) fn leaders(&self, broker: BrokerId) -> usize {
        self.hosted.get(&broker).map_or(0, |hosted| hosted.leaders)
    }

    pub(crate) fn replicas(&self, broker: BrokerId) -> usize {
        self.hosted.get(&broker).map_or(0, |hosted| hosted.replicas.total)
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Topics with partitions without a leader, by name.
    pub(crate) fn leaderless_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.leaderless.topics.keys()
    }

    /// Topics with partitions that their preferred leader does not lead, by name.
    pub(crate) fn non_preferred_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.non_preferred.topics.keys()
    }

    /// Topics with partitions whose replicas are moving, by name.
    pub(crate) fn moving_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.moving.topics.keys()
    }

    /// Topics that `broker` holds replicas of, by name.
    pub(crate) fn topics_of(&self, broker: BrokerId) -> impl Iterator<Item = &TopicName> {
        self.hosted.get(&broker).into_iter().flat_map(|hosted| hosted.replicas.topics.keys())
    }
}

impl Tally {
    fn add(&mut self, topic: &TopicName, difference: isize) {
        if difference == 0 {
            return;
        }
        self.total = self.total.saturating_add_signed(difference);
        match self.topics.get_mut(topic) {
            Some(count) => {
                *count = count.saturating_add_signed(difference);
                if *count == 0 {
                    self.topics.remove(topic);
                }
            }
            None => {
                let count = usize::try_from(difference).expect("only what was counted is taken away again");
                self.topics.insert(topic.clone(), count);
            }
        }
    }
}
