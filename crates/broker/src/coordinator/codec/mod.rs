//! The records of `__consumer_offsets` as bytes: Kafka's form (ADR 0004) on one side, the pure coordinator's on the other.

mod consumer;
mod decode;
mod encode;
mod offsets_and_classic;
#[cfg(test)]
mod tests;

use common::topic_name::InvalidTopicName;
use kafka_wire::{DecodeError, codec::DecodeProblem, group_record::GroupRecordKey};
use thiserror::Error;

pub(super) use self::{decode::decode, encode::encode};

/// Key and value of a record; a value of `None` removes what the key names.
pub(super) type Encoded = (Vec<u8>, Option<Vec<u8>>);

/// Why a record does not make sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum BadRecord {
    /// Of a kind that somebody newer wrote.
    #[error("a record of type {0}, which is not known")]
    Unknown(i16),
    /// Not what its kind looks like, or of a version that somebody newer wrote.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Without a key.
    #[error("a record without a key")]
    NoKey,
    /// An offset of something that is no topic.
    #[error(transparent)]
    Topic(#[from] InvalidTopicName),
}

impl BadRecord {
    /// Whether a newer broker may know what it is.
    pub(super) fn is_of_the_future(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Malformed(error) => matches!(*error.problem, DecodeProblem::Version { .. }),
            Self::NoKey | Self::Topic(_) => false,
        }
    }
}

/// A value that has a form in Kafka.
trait Value: Sized {
    /// The key that it is kept under.
    type Key: GroupRecordKey;

    /// The version that it is written in.
    fn version(&self) -> i16 {
        0
    }

    /// In Kafka's form.
    fn into_wire(self) -> WireValue<Self>;

    /// From Kafka's form.
    fn from_wire(value: WireValue<Self>) -> Self;
}

/// Kafka's form of a value.
type WireValue<V> = <<V as Value>::Key as GroupRecordKey>::Value;
