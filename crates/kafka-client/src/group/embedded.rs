//! What members of classic groups of consumers tell each other: `ConsumerProtocolSubscription` and
//! `ConsumerProtocolAssignment`. Pure; whatever comes in is somebody else's, and harmless.

use bytes::{BufMut, Bytes, BytesMut};
use common::PartitionId;

use super::Partitions;
use crate::offsets::TopicPartition;

/// What a member reads, and what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) topics: Vec<String>,
    /// Version 1 and above.
    pub(super) owned: Partitions,
    /// In which generation it had that; version 2 and above, -1: none.
    pub(super) generation: i32,
}

/// Version 2: with what is owned, and since which generation (KIP-792).
const SUBSCRIPTION_VERSION: i16 = 2;

impl Subscription {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i16(SUBSCRIPTION_VERSION);
        put_count(&mut bytes, self.topics.len());
        for topic in &self.topics {
            put_string(&mut bytes, topic);
        }
        bytes.put_i32(-1);
        put_partitions(&mut bytes, &self.owned);
        bytes.put_i32(self.generation);
        bytes.freeze()
    }

    /// Bytes that are none read nothing.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        Self::read(&mut Reader(bytes)).unwrap_or_default()
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let version = reader.i16()?;
        let topics = reader.array(|reader| reader.string().map(str::to_owned))?;
        reader.skip_bytes()?;
        let owned = if version >= 1 { reader.partitions()? } else { Partitions::new() };
        let generation = if version >= 2 { reader.i32()? } else { -1 };
        Some(Self { topics, owned, generation })
    }
}

/// A member's share.
pub(super) fn encode_share(share: &Partitions) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    put_partitions(&mut bytes, share);
    bytes.put_i32(-1);
    bytes.freeze()
}

/// A member's share; empty if the bytes are none.
pub(super) fn decode_share(bytes: &[u8]) -> Partitions {
    let mut reader = Reader(bytes);
    reader.i16().and_then(|_version| reader.partitions()).unwrap_or_default()
}

fn put_count(bytes: &mut BytesMut, count: usize) {
    bytes.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
}

fn put_string(bytes: &mut BytesMut, text: &str) {
    // Names of topics are shorter.
    bytes.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    bytes.put_slice(text.as_bytes());
}

fn put_partitions(bytes: &mut BytesMut, partitions: &Partitions) {
    let all: Vec<&TopicPartition> = partitions.iter().collect();
    let topics: Vec<_> = all.chunk_by(|one, other| one.topic == other.topic).collect();
    put_count(bytes, topics.len());
    for of_topic in topics {
        put_string(bytes, of_topic.first().map_or("", |place| place.topic.as_str()));
        put_count(bytes, of_topic.len());
        for place in of_topic {
            bytes.put_i32(place.partition.0);
        }
    }
}

/// Every read is `None` beyond the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.i16()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn skip_bytes(&mut self) -> Option<()> {
        match self.i32()? {
            -1 => Some(()),
            length => self.take(usize::try_from(length).ok()?).map(|_| ()),
        }
    }

    /// Nothing is set aside by the announced count: each item takes bytes, or the array ends.
    fn array<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.i32()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn partitions(&mut self) -> Option<Partitions> {
        let topics = self.array(|reader| {
            let topic = reader.string()?;
            let partitions = reader.array(Self::i32)?;
            Some((topic, partitions))
        })?;
        let places = topics.into_iter().flat_map(|(topic, partitions)| {
            partitions.into_iter().map(move |partition| TopicPartition::new(topic, PartitionId(partition)))
        });
        Some(places.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(places: &[(&str, i32)]) -> Partitions {
        places.iter().map(|(topic, id)| TopicPartition::new(*topic, PartitionId(*id))).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let owned = places(&[("a", 0), ("a", 7), ("b", 1)]);
        assert_eq!(decode_share(&encode_share(&owned)), owned);
        let subscription =
            Subscription { topics: vec!["a".to_owned(), "b".to_owned()], owned, generation: 5 };
        assert_eq!(Subscription::decode(&subscription.encode()), subscription);
        // Version 0, as old clients write it.
        let old = Subscription::decode(b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff");
        assert_eq!((old.topics, old.owned, old.generation), (vec!["a".to_owned()], Partitions::new(), -1));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            Subscription::decode(&bytes);
            decode_share(&bytes);
        }
    }
}
