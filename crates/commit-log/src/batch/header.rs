//! The 61 bytes in front of the records of a batch.

use std::fmt;

use common::LeaderEpoch;

use super::{BatchError, Compression};
use crate::{
    bytes::Reader,
    offset::{Offset, ProducerId, ProducerStamp},
};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 61;

/// Base offset and length: the bytes that the length field does not count.
pub const LENGTH_PREFIX_BYTES: usize = 12;

/// What Kafka's CRC leaves out: base offset, length, leader epoch, magic, and the CRC itself.
pub(crate) const HEAD_OUTSIDE_CRC_BYTES: usize = 21;

/// The only magic there is a log for.
const MAGIC: i8 = 2;

/// Smallest value of the length field: a header without records.
const LENGTH_MIN: i32 = 49;

/// Who sets the timestamps of a partition's records (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer, per record.
    #[default]
    CreateTime,
    /// The leader, one for the whole batch.
    LogAppendTime,
}

/// The flags of a batch.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// How the records are compressed.
    pub fn compression(self) -> Result<Compression, BatchError> {
        Compression::from_code(self.0 & Self::COMPRESSION)
    }

    /// Who set the timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are control records, which no consumer sees.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is instead the time after which compaction may drop tombstones (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    pub(crate) fn with_compression(self, compression: Compression) -> Self {
        Self(self.0 & !Self::COMPRESSION | compression.code())
    }

    pub(crate) fn with_log_append_time(self) -> Self {
        Self(self.0 | Self::LOG_APPEND_TIME)
    }

    pub(crate) fn with_transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    pub(crate) fn with_control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }

    pub(crate) fn with_delete_horizon(self) -> Self {
        Self(self.0 | Self::DELETE_HORIZON)
    }

    pub(crate) fn without_delete_horizon(self) -> Self {
        Self(self.0 & !Self::DELETE_HORIZON)
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// The header of a batch, as it stands in the bytes: parsed, not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record. The leader sets it.
    pub base_offset: Offset,
    /// Bytes behind the length field; at least 49.
    pub length: i32,
    /// Epoch of the leader that appended the batch. The leader sets it.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Flags.
    pub attributes: Attributes,
    /// Offset of the last record the batch was made with, less the base offset. Compaction keeps it when it
    /// drops records.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to, in ms; see [`Attributes::has_delete_horizon`].
    pub base_timestamp_ms: i64,
    /// Largest timestamp of the records, in ms.
    pub max_timestamp_ms: i64,
    /// Who wrote it, raw: id -1 means nobody that numbers its batches.
    pub producer_id: i64,
    /// The producer's epoch, -1 without one.
    pub producer_epoch: i16,
    /// The producer's number for the first record, -1 without one.
    pub base_sequence: i32,
    /// How many records there are.
    pub record_count: i32,
}

impl BatchHeader {
    /// The header at the front of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let cut = BatchError::Cut { needed: HEADER_BYTES, have: bytes.len() };
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or_else(|| cut.clone())?;
        let mut reader = Reader::new(header);
        let mut fields = || {
            Some((
                reader.i64()?,
                reader.i32()?,
                reader.i32()?,
                reader.i8()?,
                Self {
                    base_offset: Offset(0),
                    length: 0,
                    leader_epoch: LeaderEpoch(0),
                    crc: reader.u32()?,
                    attributes: Attributes(reader.i16()?),
                    last_offset_delta: reader.i32()?,
                    base_timestamp_ms: reader.i64()?,
                    max_timestamp_ms: reader.i64()?,
                    producer_id: reader.i64()?,
                    producer_epoch: reader.i16()?,
                    base_sequence: reader.i32()?,
                    record_count: reader.i32()?,
                },
            ))
        };
        let (base_offset, length, leader_epoch, magic, rest) = fields().ok_or(cut)?;
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        if length < LENGTH_MIN {
            return Err(BatchError::Length(length));
        }
        Ok(Self { base_offset: Offset(base_offset), length, leader_epoch: LeaderEpoch(leader_epoch), ..rest })
    }

    /// The bytes of this header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut rest = out.as_mut_slice();
        let mut put = |bytes: &[u8]| {
            if let Some((field, tail)) = std::mem::take(&mut rest).split_at_mut_checked(bytes.len()) {
                field.copy_from_slice(bytes);
                rest = tail;
            }
        };
        put(&self.base_offset.0.to_be_bytes());
        put(&self.length.to_be_bytes());
        put(&self.leader_epoch.0.to_be_bytes());
        put(&MAGIC.to_be_bytes());
        put(&self.crc.to_be_bytes());
        put(&self.attributes.0.to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        put(&self.base_timestamp_ms.to_be_bytes());
        put(&self.max_timestamp_ms.to_be_bytes());
        put(&self.producer_id.to_be_bytes());
        put(&self.producer_epoch.to_be_bytes());
        put(&self.base_sequence.to_be_bytes());
        put(&self.record_count.to_be_bytes());
        out
    }

    /// CRC-32C of a batch with this header and these bytes behind it.
    pub(crate) fn compute_crc(&self, payload: &[u8]) -> u32 {
        let header = self.encode();
        crc32c::crc32c_append(
            crc32c::crc32c(header.get(HEAD_OUTSIDE_CRC_BYTES..).unwrap_or_default()),
            payload,
        )
    }

    /// Bytes of the whole batch.
    pub fn size_bytes(&self) -> usize {
        LENGTH_PREFIX_BYTES + usize::try_from(self.length).unwrap_or(0)
    }

    /// Offset of the last record the batch was made with.
    pub fn last_offset(&self) -> Offset {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Offset of whatever follows.
    pub fn next_offset(&self) -> Offset {
        self.last_offset() + 1
    }

    /// When its tombstones and markers may go, in ms, if a compaction has said so (KIP-534).
    pub(crate) fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp_ms)
    }

    /// Refuses offsets below 0, deltas below 0, and what would leave the range of offsets.
    pub(crate) fn check_offsets(&self) -> Result<(), BatchError> {
        let fits = self.base_offset.0 >= 0
            && self.last_offset_delta >= 0
            && self.base_offset.0.checked_add(i64::from(self.last_offset_delta) + 1).is_some();
        if fits {
            Ok(())
        } else {
            Err(BatchError::Offsets { base: self.base_offset, delta: self.last_offset_delta })
        }
    }

    /// Who wrote it, if it says so.
    pub fn producer(&self) -> Option<ProducerStamp> {
        (self.producer_id >= 0).then_some(ProducerStamp {
            id: ProducerId(self.producer_id),
            epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
        })
    }
}
