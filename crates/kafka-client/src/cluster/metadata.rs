//! What brokers say about the cluster, and what of it is newest. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use common::{BrokerId, LeaderEpoch, PartitionId};
use kafka_wire::{
    ErrorCode,
    messages::{MetadataResponse, metadata::MetadataResponseTopic},
};
use uuid::Uuid;

use crate::address::Address;

/// Who leads a partition, since which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    /// The broker.
    pub broker: BrokerId,
    /// Its epoch; -1 if the broker is too old to say.
    pub epoch: LeaderEpoch,
}

/// A partition as the brokers describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Who leads it, if anyone does.
    pub leader: Option<Leader>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: Vec<BrokerId>,
    /// Why it cannot be used, or none.
    pub error_code: ErrorCode,
}

/// A topic as the brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; nil if the broker is too old to say.
    pub id: Uuid,
    /// Its partitions, in order of their ids, from 0 on.
    pub partitions: Vec<PartitionMetadata>,
}

impl TopicMetadata {
    /// A partition by its id.
    pub fn partition(&self, id: PartitionId) -> Option<&PartitionMetadata> {
        self.partitions.get(usize::try_from(id.0).ok()?)
    }

    /// The ids of its partitions.
    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)).map(PartitionId)
    }
}

/// A leader that a broker names when it is not the leader itself (KIP-951).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderHint {
    /// The leader.
    pub leader: Leader,
    /// Where it listens, if the broker says so.
    pub address: Option<Address>,
}

/// All that is known. It only gets newer: who leads a partition is never replaced by an older epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// Where each broker listens.
    pub brokers: BTreeMap<BrokerId, Address>,
    /// Topics that were asked for and can be used.
    pub topics: BTreeMap<Arc<str>, Arc<TopicMetadata>>,
    /// Why other topics cannot be used.
    pub errors: BTreeMap<Arc<str>, ErrorCode>,
    /// Counts the answers that were taken in.
    pub generation: u64,
}

impl Metadata {
    /// Takes an answer in.
    pub fn apply(&mut self, response: &MetadataResponse) {
        self.generation += 1;
        self.cluster_id.clone_from(&response.cluster_id);
        let brokers = response.brokers.iter().filter_map(|broker| {
            Some((BrokerId(broker.node_id), Address::advertised(&broker.host, broker.port)?))
        });
        self.brokers = brokers.collect();
        for topic in &response.topics {
            let Some(name) = &topic.name else { continue };
            let name: Arc<str> = name.as_str().into();
            if topic.error_code.is_none() {
                let told = told(name.clone(), topic, self.topics.get(&name));
                self.errors.remove(&name);
                self.topics.insert(name, Arc::new(told));
            } else {
                // What does not exist any more must not be found; anything else passes.
                if topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                    self.topics.remove(&name);
                }
                self.errors.insert(name, topic.error_code);
            }
        }
    }

    /// Takes a hint in, if it is newer than what is known. Tells whether it was.
    pub fn apply_hint(&mut self, topic: &str, partition: PartitionId, hint: &LeaderHint) -> bool {
        let Some(known) = self.topics.get_mut(topic) else { return false };
        let newer = known.partition(partition).is_some_and(|known| is_newer(hint.leader, known.leader));
        let reachable = hint.address.is_some() || self.brokers.contains_key(&hint.leader.broker);
        if !newer || !reachable {
            return false;
        }
        let index = usize::try_from(partition.0).unwrap_or(usize::MAX);
        if let Some(known) = Arc::make_mut(known).partitions.get_mut(index) {
            known.leader = Some(hint.leader);
        }
        if let Some(address) = &hint.address {
            self.brokers.insert(hint.leader.broker, address.clone());
        }
        true
    }

    /// Whether an answer with all these topics came after generation `seen`.
    pub(super) fn is_newer(&self, seen: u64, topics: &BTreeSet<String>) -> bool {
        self.generation > seen && topics.iter().all(|topic| self.topics.contains_key(topic.as_str()))
    }

    /// Who leads a partition, as far as is known.
    pub fn leader(&self, topic: &str, partition: PartitionId) -> Option<Leader> {
        self.topics.get(topic)?.partition(partition)?.leader
    }
}

fn is_newer(leader: Leader, known: Option<Leader>) -> bool {
    leader.broker.0 >= 0 && known.is_none_or(|known| leader.epoch > known.epoch)
}

/// A topic as an answer describes it, except for leaders that are known to be newer.
fn told(name: Arc<str>, topic: &MetadataResponseTopic, known: Option<&Arc<TopicMetadata>>) -> TopicMetadata {
    let same = known.filter(|known| known.id == topic.topic_id);
    let mut partitions: Vec<PartitionMetadata> = Vec::with_capacity(topic.partitions.len());
    let mut sorted: Vec<_> = topic.partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.partition_index);
    for partition in sorted {
        // A gap would shift all ids behind it: what lies in it has no leader.
        let index = usize::try_from(partition.partition_index).unwrap_or_default();
        if index > topic.partitions.len() {
            break;
        }
        partitions.resize_with(index, PartitionMetadata::default);
        let told =
            Leader { broker: BrokerId(partition.leader_id), epoch: LeaderEpoch(partition.leader_epoch) };
        let told = (told.broker.0 >= 0).then_some(told);
        let known = same.and_then(|same| same.partition(PartitionId(partition.partition_index))?.leader);
        let leader = match (told, known) {
            (told, Some(known)) if partition.leader_epoch < known.epoch.0 && partition.leader_epoch >= 0 => {
                told.map(|_| known)
            }
            (told, _) => told,
        };
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        partitions.push(PartitionMetadata {
            leader,
            replicas: ids(&partition.replica_nodes),
            isr: ids(&partition.isr_nodes),
            error_code: partition.error_code,
        });
    }
    TopicMetadata { name, id: topic.topic_id, partitions }
}

#[cfg(test)]
mod tests {
    use kafka_wire::messages::metadata::{MetadataResponseBroker, MetadataResponsePartition};

    use super::*;

    fn response(id: u128, leaders: &[(i32, i32)]) -> MetadataResponse {
        let partitions =
            leaders.iter().enumerate().map(|(index, (leader_id, leader_epoch))| MetadataResponsePartition {
                partition_index: index as i32,
                leader_id: *leader_id,
                leader_epoch: *leader_epoch,
                ..MetadataResponsePartition::default()
            });
        let topic = MetadataResponseTopic {
            name: Some("t".to_owned()),
            topic_id: Uuid::from_u128(id),
            partitions: partitions.collect(),
            ..MetadataResponseTopic::default()
        };
        let broker = |node_id| MetadataResponseBroker {
            node_id,
            host: "h".to_owned(),
            port: 9092,
            ..MetadataResponseBroker::default()
        };
        MetadataResponse {
            brokers: vec![broker(1), broker(2)],
            topics: vec![topic],
            ..MetadataResponse::default()
        }
    }

    fn leader(broker: i32, epoch: i32) -> Leader {
        Leader { broker: BrokerId(broker), epoch: LeaderEpoch(epoch) }
    }

    fn of(metadata: &Metadata, partition: i32) -> Option<Leader> {
        metadata.leader("t", PartitionId(partition))
    }

    #[test]
    fn an_older_epoch_never_replaces_a_newer_one() {
        let mut metadata = Metadata::default();
        metadata.apply(&response(1, &[(1, 5), (2, 0)]));
        metadata.apply(&response(1, &[(2, 4), (1, 1)]));
        assert_eq!((of(&metadata, 0), of(&metadata, 1)), (Some(leader(1, 5)), Some(leader(1, 1))));
        // A new topic of the same name begins anew.
        metadata.apply(&response(2, &[(2, 0)]));
        assert_eq!((of(&metadata, 0), of(&metadata, 1)), (Some(leader(2, 0)), None));
    }

    #[test]
    fn a_hint_counts_if_it_is_newer_and_reachable() {
        let mut metadata = Metadata::default();
        metadata.apply(&response(1, &[(1, 5)]));
        let mut hint = |broker, epoch, address: Option<Address>| {
            let hint = LeaderHint { leader: leader(broker, epoch), address };
            metadata.apply_hint("t", PartitionId(0), &hint)
        };
        assert!(!hint(2, 5, None), "not newer");
        assert!(!hint(-1, 9, None), "no leader");
        assert!(!hint(3, 6, None), "nobody knows where broker 3 is");
        assert!(hint(3, 6, Some(Address::new("h", 1))));
        assert!(hint(2, 7, None));
        assert_eq!(of(&metadata, 0), Some(leader(2, 7)));
        metadata.apply(&response(1, &[(1, 6)]));
        assert_eq!(of(&metadata, 0), Some(leader(2, 7)), "an answer from before the hint");
    }

    #[test]
    fn a_deleted_topic_is_forgotten_and_a_passing_error_is_not_the_end() {
        let mut metadata = Metadata::default();
        metadata.apply(&response(1, &[(1, 5)]));
        let mut failed = response(1, &[]);
        failed.topics[0].error_code = ErrorCode::LEADER_NOT_AVAILABLE;
        metadata.apply(&failed);
        assert_eq!(of(&metadata, 0), Some(leader(1, 5)));
        failed.topics[0].error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        metadata.apply(&failed);
        assert_eq!(of(&metadata, 0), None);
        assert_eq!(metadata.errors.get("t"), Some(&ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }

    #[test]
    fn partitions_in_any_order_and_with_gaps_keep_their_ids() {
        let mut shuffled = response(1, &[(1, 0), (2, 0)]);
        shuffled.topics[0].partitions.reverse();
        let mut metadata = Metadata::default();
        metadata.apply(&shuffled);
        assert_eq!((of(&metadata, 0), of(&metadata, 1)), (Some(leader(1, 0)), Some(leader(2, 0))));
        shuffled.topics[0].partitions.pop();
        metadata.apply(&shuffled);
        assert_eq!((of(&metadata, 0), of(&metadata, 1)), (None, Some(leader(2, 0))));
    }
}
