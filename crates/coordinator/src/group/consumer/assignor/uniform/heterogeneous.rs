//! Members read different topics: what they have is kept, what is left goes to whoever has the least, and then partitions
//! move from those who have more to those who have less, as long as that makes them more equal.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Spec, Topic};
use crate::assignment::Assignment;

/// After so many rounds over all topics the assignment is good enough, should it still change.
const ROUNDS_MAX: usize = 64;

pub(super) fn assign(spec: &Spec<'_>) -> Vec<Assignment> {
    let mut topics = spec.topics();
    // Whose partitions have little choice come first.
    topics.sort_by_key(|topic| topic.readers.len());
    let mut loads = vec![0_usize; spec.members.len()];
    let mut places: Vec<Places> = topics.iter().map(|topic| Places::keep(topic, spec, &mut loads)).collect();
    for (topic, places) in topics.iter().zip(&mut places) {
        places.fill(topic, &mut loads);
    }
    for _ in 0..ROUNDS_MAX {
        let mut moved = false;
        for (topic, places) in topics.iter().zip(&mut places) {
            moved |= places.balance(topic, &mut loads);
        }
        if !moved {
            break;
        }
    }
    let mut targets = vec![Assignment::default(); spec.members.len()];
    for (topic, places) in topics.iter().zip(places) {
        for (member, partitions) in places.of_member {
            if let Some(target) = targets.get_mut(member) {
                partitions.into_iter().for_each(|partition| target.insert(topic.id, partition));
            }
        }
    }
    targets
}

/// Where the partitions of one topic are.
struct Places {
    /// By the member's number.
    of_member: BTreeMap<usize, Vec<i32>>,
    unassigned: BTreeSet<i32>,
}

impl Places {
    fn keep(topic: &Topic, spec: &Spec<'_>, loads: &mut [usize]) -> Self {
        let mut places = Self { of_member: BTreeMap::new(), unassigned: (0..topic.partitions).collect() };
        for reader in &topic.readers {
            let Some(member) = spec.members.get(*reader) else { continue };
            for partition in member.target.of_topic(topic.id) {
                if places.unassigned.remove(partition) {
                    places.put(*reader, *partition, loads);
                }
            }
        }
        places
    }

    fn put(&mut self, member: usize, partition: i32, loads: &mut [usize]) {
        self.of_member.entry(member).or_default().push(partition);
        if let Some(load) = loads.get_mut(member) {
            *load += 1;
        }
    }

    fn take(&mut self, member: usize, loads: &mut [usize]) -> Option<i32> {
        let partition = self.of_member.get_mut(&member)?.pop();
        if self.of_member.get(&member).is_some_and(Vec::is_empty) {
            self.of_member.remove(&member);
        }
        if let Some(load) = loads.get_mut(member).filter(|_| partition.is_some()) {
            *load -= 1;
        }
        partition
    }

    fn fill(&mut self, topic: &Topic, loads: &mut [usize]) {
        let mut readers = by_load(topic.readers.iter().copied(), loads);
        for partition in std::mem::take(&mut self.unassigned) {
            let Some((_, least)) = readers.pop_first() else { return };
            self.put(least, partition, loads);
            readers.extend(with_load(least, loads));
        }
    }

    /// Moves partitions of this topic from whoever has the most to whoever has the least.
    fn balance(&mut self, topic: &Topic, loads: &mut [usize]) -> bool {
        let mut moved = false;
        let mut readers = by_load(topic.readers.iter().copied(), loads);
        let mut owners = by_load(self.of_member.keys().copied(), loads);
        while let (Some(least), Some(most)) = (readers.first().copied(), owners.last().copied()) {
            if most.0 < least.0 + 2 {
                break;
            }
            let Some(partition) = self.take(most.1, loads) else { break };
            self.put(least.1, partition, loads);
            moved = true;
            for (member, load) in [(least.1, least.0), (most.1, most.0)] {
                readers.remove(&(load, member));
                owners.remove(&(load, member));
                readers.extend(with_load(member, loads));
                if self.of_member.contains_key(&member) {
                    owners.extend(with_load(member, loads));
                }
            }
        }
        moved
    }
}

fn by_load(members: impl Iterator<Item = usize>, loads: &[usize]) -> BTreeSet<(usize, usize)> {
    members.filter_map(|member| with_load(member, loads)).collect()
}

fn with_load(member: usize, loads: &[usize]) -> Option<(usize, usize)> {
    loads.get(member).map(|load| (*load, member))
}
