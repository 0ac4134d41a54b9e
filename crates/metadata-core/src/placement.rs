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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates<'a>(racks: &[Option<&'a str>]) -> Vec<Candidate<'a>> {
        (0..).zip(racks).map(|(id, rack)| Candidate { broker_id: BrokerId(id), rack: *rack }).collect()
    }

    fn placed(racks: &[Option<&str>], wanted: Wanted) -> Vec<Vec<i32>> {
        let partitions = place(&candidates(racks), wanted);
        partitions.into_iter().map(|replicas| replicas.into_iter().map(|id| id.0).collect()).collect()
    }

    /// The example in the documentation of Kafka's `AdminUtils`: 5 brokers, 10 partitions, 3 replicas.
    #[test]
    fn without_racks_as_in_kafka() {
        let wanted = Wanted { first_partition: 0, partitions: 10, replication_factor: 3, seed: 0 };
        let expected = [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3, 4],
            [3, 4, 0],
            [4, 0, 1],
            [0, 2, 3],
            [1, 3, 4],
            [2, 4, 0],
            [3, 0, 1],
            [4, 1, 2],
        ];
        assert_eq!(placed(&[None; 5], wanted), expected);
    }

    /// The other example there: racks 0: (0, 3), 1: (4, 1)... as a list that alternates between racks.
    #[test]
    fn racks_are_taken_in_turn() {
        let racks = ["a", "b", "c", "c", "a", "b"].map(Some);
        let ring = Ring::new(&candidates(&racks));
        let order: Vec<_> = ring.brokers.iter().map(|(broker, _)| broker.0).collect();
        assert_eq!(order, [0, 1, 2, 4, 5, 3]);
        let wanted = Wanted { first_partition: 0, partitions: 6, replication_factor: 3, seed: 0 };
        let expected = [[0, 1, 2], [1, 2, 4], [2, 4, 5], [4, 5, 3], [5, 3, 0], [3, 0, 1]];
        assert_eq!(placed(&racks, wanted), expected);
    }

    #[test]
    fn what_cannot_be_placed() {
        let wanted =
            |replication_factor| Wanted { first_partition: 0, partitions: 1, replication_factor, seed: 0 };
        assert!(placed(&[None; 2], wanted(3)).is_empty());
        assert!(placed(&[None; 2], wanted(0)).is_empty());
        assert_eq!(placed(&[None], wanted(1)), [[0]]);
    }

    proptest! {
        #[test]
        fn every_placement_is_legal_balanced_and_spread_over_racks(
            racks in prop::collection::vec(0..5_usize, 1..20),
            has_racks in any::<bool>(),
            first_partition in 0..100_usize,
            rounds in 1..8_usize,
            factor in 1..20_usize,
            seed in any::<u64>(),
        ) {
            const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
            let rack_of = |rack: usize| has_racks.then_some(NAMES[rack]);
            let brokers: Vec<_> = racks.iter().map(|rack| rack_of(*rack)).collect();
            let (size, factor) = (brokers.len(), factor.min(brokers.len()));
            let partitions = rounds * size;
            let wanted = Wanted { first_partition, partitions, replication_factor: factor, seed };
            let placed = placed(&brokers, wanted);
            prop_assert_eq!(placed.len(), partitions);

            let mut leaders = vec![0; size];
            let racks_total = racks.iter().collect::<BTreeSet<_>>().len();
            for replicas in &placed {
                let distinct: BTreeSet<_> = replicas.iter().collect();
                prop_assert_eq!((replicas.len(), distinct.len()), (factor, factor));
                let used: BTreeSet<_> = replicas.iter().map(|id| racks[usize::try_from(*id).unwrap()]).collect();
                if has_racks {
                    prop_assert_eq!(used.len(), factor.min(racks_total));
                }
                leaders[usize::try_from(replicas[0]).unwrap()] += 1;
            }
            // Whole rounds: everybody leads as often as everybody else.
            prop_assert!(leaders.iter().all(|led| *led == rounds), "{leaders:?}");
        }
    }
}
