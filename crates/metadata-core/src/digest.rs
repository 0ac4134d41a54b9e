//! Hashes that are the same on every build and machine, unlike [`std::hash`]'s: for comparing the states of nodes
//! and for telling whether a repeated request asks for the same thing. They guard against bugs and bit rot, not
//! against an attacker.

use std::io;

use common::{Broker, BrokerId, BrokerStatus, Partition, Topic, TopicId};

/// Folds words into a hash: multiply and fold the halves of the product, as in wyhash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest(u64);

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

impl Digest {
    /// Starts a hash of one kind of thing; things of different kinds with the same content differ.
    pub(crate) fn new(kind: u64) -> Self {
        Self(SEED).word(kind)
    }

    #[must_use]
    pub(crate) fn word(self, word: u64) -> Self {
        let product = u128::from(self.0 ^ word ^ SEED) * u128::from(FACTOR);
        // The upper half alone would lose the word's upper bits, the lower half alone its lower ones.
        #[expect(clippy::cast_possible_truncation, reason = "takes the halves of the product")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        Self(folded.rotate_left(23).wrapping_add(word))
    }

    #[must_use]
    pub(crate) fn int(self, value: impl Into<i64>) -> Self {
        self.word(value.into().cast_unsigned())
    }

    #[must_use]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words.iter().fold(self, |hash, word| hash.word(u64::from_le_bytes(*word)));
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u64::from(*byte));
        hash.word(tail).word(bytes.len() as u64)
    }

    pub(crate) fn finish(self) -> u64 {
        let last = self.word(FACTOR);
        last.0 ^ (last.0 >> 31)
    }
}

/// Hashes what is written to it. Only the concatenation counts, not how it was cut into writes.
#[derive(Debug)]
pub(crate) struct DigestWriter {
    hash: Digest,
    /// Bytes that do not fill a word yet.
    word: u64,
    length: u64,
}

impl DigestWriter {
    pub(crate) fn new(kind: u64) -> Self {
        Self { hash: Digest::new(kind), word: 0, length: 0 }
    }

    pub(crate) fn finish(self) -> u64 {
        self.hash.word(self.word).word(self.length).finish()
    }
}

impl io::Write for DigestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.word = (self.word << 8) | u64::from(*byte);
            self.length += 1;
            if self.length.is_multiple_of(8) {
                self.hash = self.hash.word(self.word);
                self.word = 0;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The hash of a topic without its partitions.
pub(crate) fn topic(topic: &Topic) -> u64 {
    let start = Digest::new(1)
        .bytes(topic.topic_name.as_str().as_bytes())
        .bytes(topic.topic_id.0.as_bytes())
        .int(topic.replication_factor)
        .word(topic.configs.len() as u64);
    let configs = topic.configs.iter();
    configs.fold(start, |hash, (name, value)| hash.bytes(name.as_bytes()).bytes(value.as_bytes())).finish()
}

/// The hash of a partition of the topic.
pub(crate) fn partition(topic_id: TopicId, partition: &Partition) -> u64 {
    let (upper, lower) = topic_id.0.as_u64_pair();
    let start = Digest::new(2)
        .word(upper)
        .word(lower)
        .int(partition.id.0)
        .int(partition.leader.map_or(-1, |leader| leader.0))
        .int(partition.leader_epoch.0)
        .int(partition.partition_epoch.0)
        .word(partition.replicas.len() as u64);
    let replicas = partition.replicas.iter().chain(&partition.isr);
    let settled = replicas.fold(start, |hash, broker| hash.int(broker.0));
    let (eligible, moving) = (&partition.eligible_leader_replicas, partition.reassignment.as_deref());
    if eligible.is_empty() && moving.is_none() {
        return settled.finish();
    }
    let lists = moving.map(|moving| [&moving.target, &moving.adding, &moving.removing]);
    let lists = [&partition.isr, eligible].into_iter().chain(lists.into_iter().flatten());
    let hash = Digest::new(6).word(settled.finish());
    let list = |hash: Digest, ids: &Vec<BrokerId>| {
        ids.iter().fold(hash.word(ids.len() as u64), |hash, broker| hash.int(broker.0))
    };
    lists.fold(hash, list).finish()
}

/// The hash of a broker.
pub(crate) fn broker(broker: &Broker) -> u64 {
    let status = match broker.status {
        BrokerStatus::Online => 1,
        BrokerStatus::Offline => 2,
        BrokerStatus::Draining => 3,
    };
    let rack = broker.rack.as_deref();
    let hash = Digest::new(3)
        .int(broker.broker_id.0)
        .int(broker.broker_epoch.0)
        .bytes(broker.incarnation_id.0.as_bytes())
        .bytes(broker.host.as_bytes())
        .word(broker.port.into())
        .int(broker.kafka_port.map_or(-1, i64::from))
        .word(rack.is_some().into())
        .bytes(rack.unwrap_or_default().as_bytes())
        .word(status);
    let (directory, lost) = (broker.directory_id, broker.disk_lost_at);
    if directory.is_none() && lost.is_none() {
        return hash.finish();
    }
    let id = directory.map(|id| id.0.into_bytes());
    hash.bytes(id.as_ref().map_or(&[], <[u8; 16]>::as_slice)).int(lost.map_or(-1, |epoch| epoch.0)).finish()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Write};

    use super::*;

    #[test]
    fn is_the_same_on_every_build() {
        assert_eq!(Digest::new(1).word(2).bytes(b"three and some more").finish(), 6_742_750_357_510_023_840);
    }

    #[test]
    fn near_inputs_differ() {
        let mut seen = BTreeSet::new();
        for a in 0..200_u64 {
            for b in 0..200_u64 {
                assert!(seen.insert(Digest::new(1).word(a).word(b).finish()));
            }
        }
        for length in 0..64 {
            assert!(seen.insert(Digest::new(2).bytes(&vec![0; length]).finish()));
        }
    }

    #[test]
    fn cuts_between_writes_do_not_count() {
        let text = b"the quick brown fox jumps over the lazy dog";
        let mut whole = DigestWriter::new(7);
        whole.write_all(text).unwrap();
        let whole = whole.finish();
        for cut in 0..text.len() {
            let mut parts = DigestWriter::new(7);
            parts.write_all(&text[..cut]).unwrap();
            parts.write_all(&text[cut..]).unwrap();
            assert_eq!(parts.finish(), whole);
        }
    }
}
