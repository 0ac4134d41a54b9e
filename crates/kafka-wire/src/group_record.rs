//! How the records of `__consumer_offsets` are laid out: Kafka's own form, so that its tools can read them.
//!
//! A key is the number of its kind and then its fields, a value is its version and then its fields. Keys have one plain
//! version each: compaction compares them as bytes. A record without a value removes what its key names.

use std::{fmt, ops::RangeInclusive};

use bytes::Bytes;

use crate::codec::{DecodeError, DecodeProblem, Decoder, EncodeError, Encoder, Struct};

/// The version of every key.
const KEY_VERSION: i16 = 0;

/// The key of a kind of record.
pub trait GroupRecordKey: Struct + Default + Clone + PartialEq + fmt::Debug {
    /// The number of the kind.
    const TYPE: i16;
    /// Kafka's name of the key.
    const NAME: &'static str;
    /// What is kept under it.
    type Value: GroupRecordValue;

    /// Reads a key of this kind, its number included.
    ///
    /// # Errors
    /// If `key` is of another kind, or its bytes are not what they should be.
    fn from_bytes(key: &Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(key, Self::NAME, KEY_VERSION, false);
        if decoder.read::<i16>("type")? != Self::TYPE {
            return Err(decoder.error("type", DecodeProblem::Version { min: Self::TYPE, max: Self::TYPE }));
        }
        let read = Self::decode(&mut decoder)?;
        decoder.finish("end of key")?;
        Ok(read)
    }

    /// The key as bytes.
    ///
    /// # Errors
    /// If a text is longer than the form allows.
    fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let mut encoder = Encoder::new(Self::TYPE.to_be_bytes().to_vec(), Self::NAME, KEY_VERSION, false);
        self.encode(&mut encoder)?;
        Ok(encoder.finish().0)
    }
}

/// The value of a kind of record.
pub trait GroupRecordValue: Struct + Default + Clone + PartialEq + fmt::Debug {
    /// Kafka's name of the value.
    const NAME: &'static str;
    /// The versions that can be read and written.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version; above the highest if there is none.
    const FLEXIBLE_SINCE: i16;

    /// Reads a value, in the version that it says it has.
    ///
    /// # Errors
    /// If the version is not known, or the bytes are not what they should be.
    fn from_bytes(value: &Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(value, Self::NAME, *Self::VERSIONS.end(), false);
        let version: i16 = decoder.read("version")?;
        if !Self::VERSIONS.contains(&version) {
            let (min, max) = Self::VERSIONS.into_inner();
            return Err(decoder.error("version", DecodeProblem::Version { min, max }));
        }
        let body = decoder.into_rest();
        let mut decoder = Decoder::new(&body, Self::NAME, version, version >= Self::FLEXIBLE_SINCE);
        let read = Self::decode(&mut decoder)?;
        decoder.finish("end of value")?;
        Ok(read)
    }

    /// The value as bytes, in a version.
    ///
    /// # Errors
    /// If the version cannot carry it.
    fn to_bytes(&self, version: i16) -> Result<Vec<u8>, EncodeError> {
        let bytes = version.to_be_bytes().to_vec();
        let mut encoder = Encoder::new(bytes, Self::NAME, version, version >= Self::FLEXIBLE_SINCE);
        if !Self::VERSIONS.contains(&version) {
            return Err(encoder.error("version", "the value is not known in this version"));
        }
        self.encode(&mut encoder)?;
        Ok(encoder.finish().0)
    }
}

/// The number of the kind that a key is of; `None` if it is too short to have one.
pub fn record_type(key: &[u8]) -> Option<i16> {
    key.first_chunk().map(|number| i16::from_be_bytes(*number))
}
