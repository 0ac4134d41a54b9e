//! Which partition a record goes to: by its key as in Kafka's Java client, or, without a key, one partition for a batch's
//! worth of bytes and then the next (KIP-794).

use common::PartitionId;

/// The partition of a key: murmur2, as Java's default partitioner, so that all clients agree. `None` without partitions.
pub fn partition_of_key(key: &[u8], partitions: usize) -> Option<PartitionId> {
    let partitions = u32::try_from(partitions).ok().filter(|count| *count > 0)?;
    let partition = (murmur2(key) & 0x7fff_ffff) % partitions;
    i32::try_from(partition).ok().map(PartitionId)
}

/// 32-bit MurmurHash2 (Austin Appleby) with the seed of `org.apache.kafka.common.utils.Utils`.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Keys are shorter than 2 GiB; Java's length is an int.
    let mut hash = SEED ^ (data.len() as u32);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition that records without a key go to.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    index: usize,
    bytes: usize,
}

impl Sticky {
    /// The partition for a record of `size` bytes. One after another gets `batch_bytes`, those without a leader are
    /// passed over as long as there are others.
    pub(super) fn next(
        &mut self,
        size: usize,
        batch_bytes: usize,
        partitions: usize,
        has_leader: impl Fn(usize) -> bool,
    ) -> Option<PartitionId> {
        if partitions == 0 {
            return None;
        }
        if self.bytes >= batch_bytes || self.index >= partitions || !has_leader(self.index) {
            let others = (1..=partitions).map(|step| (self.index + step) % partitions);
            let led = others.clone().find(|index| has_leader(*index));
            self.index = led.or_else(|| others.clone().next()).unwrap_or_default();
            self.bytes = 0;
        }
        self.bytes += size;
        i32::try_from(self.index).ok().map(PartitionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `UtilsTest.testMurmur2` of Apache Kafka.
    #[test]
    fn keys_are_hashed_as_in_java() {
        let java = [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in java {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
        assert_eq!(partition_of_key(b"abc", 6), Some(PartitionId(479_470_107 % 6)));
        assert_eq!(partition_of_key(b"abc", 0), None);
    }

    #[test]
    fn each_partition_gets_a_batch_in_turn() {
        let mut sticky = Sticky::default();
        let order: Vec<i32> = (0..7).map(|_| sticky.next(50, 100, 3, |_| true).unwrap().0).collect();
        assert_eq!(order, [0, 0, 1, 1, 2, 2, 0]);
    }

    #[test]
    fn partitions_without_a_leader_are_passed_over() {
        let mut sticky = Sticky::default();
        let order: Vec<i32> =
            (0..4).map(|_| sticky.next(100, 100, 3, |index| index != 1).unwrap().0).collect();
        assert_eq!(order, [0, 2, 0, 2]);
        assert_eq!(sticky.next(100, 100, 3, |_| false), Some(PartitionId(0)), "there is no better one");
    }
}
