//! Making batches: control batches, internal topics, compacted copies, tests.

use common::LeaderEpoch;

use super::{
    Attributes, BatchHeader, Compression, ControlRecord, HEADER_BYTES, LENGTH_PREFIX_BYTES, NewRecord, record,
};
use crate::offset::{Offset, ProducerStamp};

/// A batch that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// More bytes than the length field can say.
    #[error("batch of {0} bytes is larger than the format allows")]
    TooLarge(usize),
    /// The codec failed.
    #[error("{codec} records do not compress: {source}")]
    Compress {
        /// The codec.
        codec: Compression,
        /// Why.
        source: std::io::Error,
    },
}

/// Collects records into one batch.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    /// Everything but length, CRC and count, which [`BatchBuilder::build`] fills in.
    header: BatchHeader,
    payload: Vec<u8>,
    count: i32,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new(Compression::None)
    }
}

impl BatchBuilder {
    /// An empty batch of a producer that does not number its records.
    pub fn new(compression: Compression) -> Self {
        let header = BatchHeader {
            base_offset: Offset(0),
            length: 0,
            leader_epoch: LeaderEpoch(-1),
            crc: 0,
            attributes: Attributes::default().with_compression(compression),
            last_offset_delta: -1,
            base_timestamp_ms: -1,
            max_timestamp_ms: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
        };
        Self { header, payload: Vec::new(), count: 0 }
    }

    /// The end of a transaction, as the leader of each of its partitions writes it.
    pub fn end_transaction(producer: ProducerStamp, control: ControlRecord, timestamp_ms: i64) -> Self {
        let mut builder =
            Self::default().producer(ProducerStamp { base_sequence: -1, ..producer }).transactional();
        builder.header.attributes = builder.header.attributes.with_control();
        let (key, value) = control.encode();
        builder.push(&NewRecord { timestamp_ms, key: Some(&key), value: Some(&value), headers: &[] });
        builder
    }

    /// Says who wrote it.
    #[must_use]
    pub fn producer(mut self, stamp: ProducerStamp) -> Self {
        self.header.producer_id = stamp.id.0;
        self.header.producer_epoch = stamp.epoch;
        self.header.base_sequence = stamp.base_sequence;
        self
    }

    /// Makes it part of its producer's transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.with_transactional();
        self
    }

    /// Sets the leader epoch, for batches that are not appended by a leader.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> Self {
        self.header.leader_epoch = epoch;
        self
    }

    /// Adds a record behind the others.
    pub fn push(&mut self, new: &NewRecord<'_>) -> &mut Self {
        if self.count == 0 {
            self.header.base_timestamp_ms = new.timestamp_ms;
        }
        self.header.last_offset_delta += 1;
        let delta = self.header.last_offset_delta;
        let timestamp_delta = new.timestamp_ms.saturating_sub(self.header.base_timestamp_ms);
        record::encode(
            &mut self.payload,
            delta,
            timestamp_delta,
            new.key,
            new.value,
            new.headers.iter().copied(),
        );
        self.added(new.timestamp_ms);
        self
    }

    /// Adds a record with key and value alone.
    pub fn record(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> &mut Self {
        self.push(&NewRecord { timestamp_ms, key, value, headers: &[] })
    }

    fn added(&mut self, timestamp_ms: i64) {
        self.header.max_timestamp_ms = self.header.max_timestamp_ms.max(timestamp_ms);
        self.count = self.count.saturating_add(1);
    }

    /// How many records it has.
    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// The finished bytes, with `base_offset` as the offset of the first record.
    pub fn build(&self, base_offset: Offset) -> Result<Vec<u8>, BuildError> {
        let codec = self.header.attributes.compression().unwrap_or_default();
        let packed;
        let payload = if codec == Compression::None || self.count == 0 {
            &self.payload
        } else {
            packed =
                codec.compress(&self.payload).map_err(|source| BuildError::Compress { codec, source })?;
            &packed
        };
        let size = HEADER_BYTES + payload.len();
        let mut header = self.header;
        header.base_offset = base_offset;
        header.record_count = self.count;
        if self.count == 0 {
            // Nothing to decompress: an empty frame of a codec would only cost bytes.
            header.attributes = header.attributes.with_compression(Compression::None);
        }
        header.length = i32::try_from(size - LENGTH_PREFIX_BYTES).map_err(|_| BuildError::TooLarge(size))?;
        header.crc = header.compute_crc(payload);
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(payload);
        Ok(out)
    }
}
