//! Which brokers get the replicas of new partitions: Kafka's rack-aware round robin (`AdminUtils`, KIP-36).
//!
//! Leaders go round the brokers, and followers stand at a distance from their leader that grows by one with each
//! round, so that the partitions of a lost broker spread over all others. With racks, brokers are taken from the racks in
//! turn, and a rack gets a second replica of a partition only once every rack has one.

use std::collections::{BTreeMap, BTreeSet};

use common::BrokerId;

/// A broker that may get replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Who.
    pub broker_id: BrokerId,
    /// Its failure domain, if it has one.
    pub rack: Option<&'a str>,
}

/// What to place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Id of the first new partition: 0 for a new topic, else the number that exist.
    pub first_partition: usize,
    /// How many partitions.
    pub partitions: usize,
    /// Replicas of each. At least 1, at most the number of candidates.
    pub replication_factor: usize,
    /// Where the rounds start.
    pub seed: u64,
}

/// The replicas of each new partition, the preferred leader first. Racks count if every candidate has one.
///
/// Empty if the replication factor is 0 or exceeds the number of candidates.
pub fn place(candidates: &[Candidate<'_>], wanted: Wanted) -> Vec<Vec<BrokerId>> {
    if wanted.replication_factor == 0 || wanted.replication_factor > candidates.len() {
        return Vec::new();
    }
    let ring = Ring::new(candidates);
    let size = ring.brokers.len();
    let start = remainder(wanted.seed, size);
    let first_shift = remainder(wanted.seed / size as u64, size);
    (wanted.first_partition..wanted.first_partition + wanted.partitions)
        .map(|partition| {
            let rounds = partition / size - wanted.first_partition / size;
            ring.replicas(partition + start, first_shift + rounds, wanted.replication_factor)
        })
        .collect()
}

/// Brokers in the order that leaders are taken in.
struct Ring {
    /// Each with its rack's number, or with a rack of its own where racks do not count. Not empty.
    brokers: Vec<(BrokerId, usize)>,
    racks: usize,
    /// Followers' distance grows by this with each round: by one rack's width, so that it skips whole racks.
    stride: usize,
}

impl Ring {
    fn new(candidates: &[Candidate<'_>]) -> Self {
        let mut by_rack: BTreeMap<Option<&str>, Vec<BrokerId>> = BTreeMap::new();
        for candidate in candidates {
            by_rack.entry(candidate.rack).or_default().push(candidate.broker_id);
        }
        for brokers in by_rack.values_mut() {
            brokers.sort_unstable();
        }
        if by_rack.contains_key(&None) {
            let mut all: Vec<_> = by_rack.into_values().flatten().collect();
            all.sort_unstable();
            let brokers: Vec<_> = all.into_iter().enumerate().map(|(rack, broker)| (broker, rack)).collect();
            return Self { racks: brokers.len(), stride: 1, brokers };
        }
        // One broker of each rack, then the next of each, until all racks are used up.
        let racks: Vec<_> = by_rack.into_values().collect();
        let longest = racks.iter().map(Vec::len).max().unwrap_or(0);
        let brokers = (0..longest)
            .flat_map(|row| {
                racks.iter().enumerate().filter_map(move |(rack, brokers)| Some((*brokers.get(row)?, rack)))
            })
            .collect();
        Self { brokers, racks: racks.len(), stride: racks.len() }
    }

    /// The leader at position `leader`, then followers at growing distances from it that begin at `shift`.
    fn replicas(&self, leader: usize, shift: usize, replication_factor: usize) -> Vec<BrokerId> {
        let size = self.brokers.len();
        // Distances 1 to size - 1, each once, so that every other broker is seen.
        let distances = (0..size.saturating_sub(1)).map(|k| 1 + (shift * self.stride + k) % (size - 1));
        let others = distances.filter_map(|distance| self.brokers.get((leader + distance) % size)).copied();

        let mut replicas = Vec::with_capacity(replication_factor);
        let mut racks = BTreeSet::new();
        let mut passed_over = Vec::new();
        for (broker, rack) in self.brokers.get(leader % size).copied().into_iter().chain(others) {
            if replicas.len() == replication_factor {
                break;
            }
            if racks.len() == self.racks || racks.insert(rack) {
                replicas.push(broker);
            } else {
                passed_over.push(broker);
            }
        }
        // Every rack has a replica now, or there are enough: those passed over come next, as they stood in the ring.
        let missing = replication_factor.saturating_sub(replicas.len());
        replicas.extend(passed_over.into_iter().take(missing));
        replicas
    }
}

fn remainder(value: u64, size: usize) -> usize {
    usize::try_from(value % size as u64).expect("below a usize")
}
