//! What a leader checks before it appends a client's batch, as Kafka's `LogValidator` does.

use super::{Batch, BatchError, TimestampType};

/// The settings of a topic that a batch must obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRules {
    /// Largest batch, compressed, in bytes (`max.message.bytes`).
    pub max_bytes: usize,
    /// Largest batch, decompressed, in bytes, where records are looked at.
    pub max_decompressed_bytes: usize,
    /// Who sets timestamps (`message.timestamp.type`).
    pub timestamp_type: TimestampType,
    /// How far a timestamp may lie in the past, in ms (`message.timestamp.before.max.ms`).
    pub timestamp_before_max_ms: i64,
    /// How far a timestamp may lie in the future, in ms (`message.timestamp.after.max.ms`).
    pub timestamp_after_max_ms: i64,
    /// How closely to look.
    pub records: RecordCheck,
}

/// How closely batches are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordCheck {
    /// At the header and the CRC alone: whoever wrote the batch vouches for its records.
    Header,
    /// At every record.
    Records,
    /// At every record, and none may be without a key: for compacted topics.
    Keys,
}

impl Default for BatchRules {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            max_bytes: 1_048_588,
            max_decompressed_bytes: 64 * 1024 * 1024,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            records: RecordCheck::Header,
        }
    }
}

/// A client's batch that is not appended. Each variant has one error code of Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// CORRUPT_MESSAGE (2).
    #[error(transparent)]
    Corrupt(#[from] BatchError),
    /// MESSAGE_TOO_LARGE (10).
    #[error("batch of {size} bytes exceeds max.message.bytes {max}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// INVALID_RECORD (87).
    #[error("batch is invalid: {0}")]
    Form(&'static str),
    /// INVALID_RECORD (87), with the places of the records for `record_errors`.
    #[error("{} records without a key in a compacted topic, the first at {:?}", .0.len(), .0.first())]
    NullKeys(Vec<usize>),
    /// INVALID_TIMESTAMP (32).
    #[error("timestamp {timestamp_ms} is more than {max_ms} ms away from the leader's {now_ms}")]
    Timestamp {
        /// Largest or offending timestamp.
        timestamp_ms: i64,
        /// The bound that it breaks.
        max_ms: i64,
        /// The leader's clock.
        now_ms: i64,
    },
}

/// Checks a batch from a client. `now_ms` is the leader's clock.
pub fn validate(batch: &Batch<'_>, rules: &BatchRules, now_ms: i64) -> Result<(), InvalidBatch> {
    let header = batch.header();
    let size = header.size_bytes();
    if size > rules.max_bytes {
        return Err(InvalidBatch::TooLarge { size, max: rules.max_bytes });
    }
    batch.check_crc()?;
    header.attributes.compression()?;
    form(batch).map_err(InvalidBatch::Form)?;
    if rules.timestamp_type == TimestampType::CreateTime {
        timestamp(header.max_timestamp_ms, rules, now_ms)?;
    }
    if rules.records > RecordCheck::Header { records(batch, rules, now_ms) } else { Ok(()) }
}

fn form(batch: &Batch<'_>) -> Result<(), &'static str> {
    let header = batch.header();
    let check = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };
    check(header.base_offset.0 == 0, "its base offset is not 0")?;
    check(header.record_count > 0, "it has no records")?;
    check(
        header.last_offset_delta == header.record_count - 1,
        "its last offset delta is not its count less 1",
    )?;
    check(!header.attributes.is_control(), "clients do not write control batches")?;
    check(!header.attributes.has_delete_horizon(), "clients do not set a delete horizon")?;
    check(
        header.attributes.timestamp_type() == TimestampType::CreateTime,
        "clients do not set LogAppendTime",
    )?;
    match header.producer() {
        Some(producer) => {
            check(producer.epoch >= 0, "it has a producer id without an epoch")?;
            check(producer.base_sequence >= 0, "it has a producer id without a sequence")
        }
        None => {
            check(header.producer_id == -1, "its producer id is below -1")?;
            check(!header.attributes.is_transactional(), "it is transactional without a producer id")
        }
    }
}

fn timestamp(timestamp_ms: i64, rules: &BatchRules, now_ms: i64) -> Result<(), InvalidBatch> {
    // -1: a client without a clock; Kafka takes it.
    let outside = |max_ms| Err(InvalidBatch::Timestamp { timestamp_ms, max_ms, now_ms });
    if timestamp_ms == -1 {
        Ok(())
    } else if timestamp_ms.saturating_sub(now_ms) > rules.timestamp_after_max_ms {
        outside(rules.timestamp_after_max_ms)
    } else if now_ms.saturating_sub(timestamp_ms) > rules.timestamp_before_max_ms {
        outside(rules.timestamp_before_max_ms)
    } else {
        Ok(())
    }
}

/// Walks the records: as many as announced, numbered without gaps, with the announced largest timestamp.
fn records(batch: &Batch<'_>, rules: &BatchRules, now_ms: i64) -> Result<(), InvalidBatch> {
    let header = batch.header();
    let payload = batch.payload(rules.max_decompressed_bytes)?;
    let mut without_key = Vec::new();
    let mut max_timestamp_ms = -1;
    for (index, record) in payload.records().enumerate() {
        let record = record?;
        if i64::try_from(index) != Ok(record.offset - header.base_offset) {
            return Err(InvalidBatch::Form("its records are not numbered without gaps"));
        }
        if rules.records == RecordCheck::Keys && record.key.is_none() {
            without_key.push(index);
        }
        if rules.timestamp_type == TimestampType::CreateTime {
            timestamp(record.timestamp_ms, rules, now_ms)?;
        }
        max_timestamp_ms = max_timestamp_ms.max(record.timestamp_ms);
    }
    if !without_key.is_empty() {
        return Err(InvalidBatch::NullKeys(without_key));
    }
    if max_timestamp_ms == header.max_timestamp_ms {
        Ok(())
    } else {
        Err(InvalidBatch::Form("its largest timestamp is not its records'"))
    }
}
