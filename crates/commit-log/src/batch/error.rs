//! What can be wrong with the bytes of a batch.

use super::Compression;
use crate::offset::Offset;

/// Bytes that are no valid batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end inside the batch.
    #[error("batch needs {needed} bytes, {have} are there")]
    Cut {
        /// Bytes of the whole batch, or of its header where not even that is there.
        needed: usize,
        /// Bytes there are.
        have: usize,
    },
    /// Not magic 2.
    #[error("batch has magic {0}; only 2 is supported")]
    Magic(i8),
    /// The length field cannot be that of a batch.
    #[error("batch length field is {0}; a batch has at least 49 bytes behind it")]
    Length(i32),
    /// The records or the header from the attributes on were altered.
    #[error("batch CRC-32C is {computed:#010x}, its header says {stored:#010x}")]
    Crc {
        /// In the header.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// An offset below 0 or one that leaves the range of offsets.
    #[error("batch at offset {base} with last offset delta {delta} is out of range")]
    Offsets {
        /// Base offset.
        base: Offset,
        /// Last offset delta.
        delta: i32,
    },
    /// A compression codec that does not exist.
    #[error("unknown compression codec {0}")]
    Codec(i16),
    /// The records do not decompress.
    #[error("{codec} records do not decompress: {reason}")]
    Decompress {
        /// The codec.
        codec: Compression,
        /// What the decoder says.
        reason: String,
    },
    /// The records decompress to more than the caller allows.
    #[error("{codec} records decompress to more than {limit} bytes")]
    TooLarge {
        /// The codec.
        codec: Compression,
        /// The limit.
        limit: usize,
    },
    /// A record that does not parse, or more or fewer records than the header says.
    #[error("record {index}: {reason}")]
    Record {
        /// Place in the batch, from 0.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
}
