//! The recent end of the metadata change stream, which `?since=V` is answered from.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use common::{MetadataVersion, Partition, Topic};

use crate::{Change, Event};

/// A node's bounded ring of recent events. Not replicated: each node keeps as much as it has seen and can afford.
#[derive(Debug)]
pub struct ChangeLog {
    /// Events in the order they happened. All events above `floor`, and none at or below it that a reader would get.
    entries: VecDeque<Entry>,
    /// Version of the newest event that is no longer held, or of the state the ring began with.
    floor: MetadataVersion,
    /// Sum of the entries' sizes.
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry {
    version: MetadataVersion,
    event: Arc<Event>,
    /// Estimated bytes in memory.
    bytes: usize,
}

impl ChangeLog {
    /// An empty ring for a state at `version`, holding at most so many events and (estimated) bytes.
    pub fn new(version: MetadataVersion, events_max: usize, bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), floor: version, bytes: 0, events_max, bytes_max }
    }

    /// Forgets everything: the state was replaced by one at `version`.
    pub fn reset(&mut self, version: MetadataVersion) {
        self.entries.clear();
        self.bytes = 0;
        self.floor = version;
    }

    /// Adds what a command changed.
    pub fn push(&mut self, changes: &[Change]) {
        for change in changes {
            let bytes = estimated_bytes(&change.event);
            self.bytes += bytes;
            self.entries.push_back(Entry {
                version: change.version,
                event: Arc::clone(&change.event),
                bytes,
            });
        }
        while self.entries.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.floor = oldest.version;
        }
    }

    /// The events after `version`, in order; `None` if some of them are no longer held: a full image is needed.
    pub fn since(&self, version: MetadataVersion) -> Option<Vec<(MetadataVersion, Arc<Event>)>> {
        if version < self.floor {
            return None;
        }
        let start = self.entries.partition_point(|entry| entry.version <= version);
        Some(self.entries.range(start..).map(|entry| (entry.version, Arc::clone(&entry.event))).collect())
    }

    /// The oldest version that [`since`](Self::since) can answer for.
    pub fn floor(&self) -> MetadataVersion {
        self.floor
    }

    /// How many events are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What an event takes in memory beside what grows, and what one setting does.
const EVENT: usize = 128;

/// What an event takes in memory, to within a small factor.
fn estimated_bytes(event: &Event) -> usize {
    EVENT
        + match event {
            Event::TopicCreated { topic } => size_of::<Topic>() + partitions(&topic.partitions),
            Event::PartitionsAdded { partitions: changed, .. }
            | Event::PartitionsChanged { partitions: changed, .. } => partitions(changed),
            Event::TopicConfigsChanged { configs: changed, .. }
            | Event::BrokerConfigsChanged { configs: changed, .. } => configs(changed),
            Event::GroupConfigsChanged { group_id, configs: changed } => group_id.len() + configs(changed),
            Event::BrokerRegistered { broker } => broker.host.len(),
            Event::TopicDeleted { .. }
            | Event::BrokerStatusChanged { .. }
            | Event::BrokerRemoved { .. }
            | Event::ProducerIdsAllocated { .. }
            | Event::FeatureLevelChanged { .. } => 0,
        }
}

fn configs(configs: &BTreeMap<String, String>) -> usize {
    configs.iter().map(|(name, value)| EVENT + name.len() + value.len()).sum()
}

fn partitions(partitions: &[Partition]) -> usize {
    let brokers = |p: &Partition| {
        let moving = p.reassignment.as_deref();
        let moving = moving.map_or(0, |it| it.target.len() + it.adding.len() + it.removing.len());
        let ids = p.replicas.len() + p.isr.len() + p.eligible_leader_replicas.len() + moving;
        ids * size_of::<common::BrokerId>()
    };
    partitions.iter().map(|partition| size_of::<Partition>() + brokers(partition)).sum()
}

#[cfg(test)]
mod tests {
    use common::BrokerId;

    use super::*;
    use crate::Before;

    fn change(version: u64, seq: u32) -> Change {
        Change {
            version: MetadataVersion(version),
            seq,
            time_ms: 0,
            author: "test".into(),
            request_id: None,
            before: Before::Nothing,
            event: Arc::new(Event::BrokerRemoved { broker_id: BrokerId(i32::try_from(version).unwrap()) }),
        }
    }

    fn since(log: &ChangeLog, version: u64) -> Option<Vec<u64>> {
        let events = log.since(MetadataVersion(version))?;
        Some(events.iter().map(|(version, _)| version.0).collect())
    }

    #[test]
    fn answers_from_the_version_it_began_with() {
        let mut log = ChangeLog::new(MetadataVersion(10), 100, usize::MAX);
        assert_eq!(since(&log, 9), None);
        assert_eq!(since(&log, 10), Some(vec![]));
        log.push(&[change(12, 0), change(12, 1)]);
        log.push(&[change(15, 0)]);
        assert_eq!(since(&log, 10), Some(vec![12, 12, 15]));
        assert_eq!(since(&log, 11), Some(vec![12, 12, 15]));
        assert_eq!(since(&log, 12), Some(vec![15]));
        assert_eq!(since(&log, 15), Some(vec![]));
        assert_eq!(since(&log, 99), Some(vec![]));
        log.reset(MetadataVersion(20));
        assert_eq!(since(&log, 15), None);
        assert_eq!(since(&log, 20), Some(vec![]));
    }

    #[test]
    fn never_answers_with_a_part_of_what_a_command_did() {
        let mut log = ChangeLog::new(MetadataVersion(0), 3, usize::MAX);
        log.push(&[change(1, 0), change(1, 1), change(2, 0)]);
        log.push(&[change(3, 0)]);
        assert_eq!(log.len(), 3);
        // One event of version 1 is still held, but not the other.
        assert_eq!(since(&log, 0), None);
        assert_eq!(since(&log, 1), Some(vec![2, 3]));
    }

    #[test]
    fn is_bounded_by_bytes_too() {
        let mut log = ChangeLog::new(MetadataVersion(0), usize::MAX, 1_000);
        for version in 1..=1_000 {
            log.push(&[change(version, 0)]);
            assert!(log.bytes <= 1_000);
        }
        assert!(!log.is_empty());
        assert_eq!(log.floor().0, 1_000 - log.len() as u64);
    }
}
