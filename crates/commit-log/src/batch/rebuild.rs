//! Making a batch again with some of its records, as compaction does: offsets, sequence, epoch, producer and codec
//! stay what they were, so that for everyone but those who look for the missing records it is the same batch.

use super::{
    Attributes, BatchError, BatchHeader, Compression, HEADER_BYTES, LENGTH_PREFIX_BYTES, Record,
    TimestampType, builder::BuildError, record,
};

/// Collects the records that stay.
#[derive(Debug)]
pub(crate) struct Rebuild {
    header: BatchHeader,
    /// The records' bytes, as they were.
    payload: Vec<u8>,
    count: i32,
    max_timestamp_ms: i64,
}

impl Rebuild {
    /// Nothing stays yet of the batch with this header.
    pub(crate) fn new(header: &BatchHeader) -> Self {
        Self { header: *header, payload: Vec::new(), count: 0, max_timestamp_ms: -1 }
    }

    /// A record stays, with these bytes.
    pub(crate) fn keep(&mut self, record: &Record<'_>, bytes: &[u8]) {
        self.payload.extend_from_slice(bytes);
        self.count = self.count.saturating_add(1);
        self.max_timestamp_ms = self.max_timestamp_ms.max(record.timestamp_ms);
    }

    /// How many records stay.
    pub(crate) fn count(&self) -> i32 {
        self.count
    }

    /// Notes in the batch when its tombstones may go (KIP-534): in the place of the base timestamp, so that all
    /// records get their timestamps relative to that.
    pub(crate) fn set_delete_horizon(&mut self, horizon_ms: i64) -> Result<(), BatchError> {
        let plain = std::mem::take(&mut self.payload);
        let header = BatchHeader {
            record_count: self.count,
            attributes: self.header.attributes.with_compression(Compression::None),
            ..self.header
        };
        for kept in super::Payload::open(&header, &plain, plain.len())?.records() {
            let kept = kept?;
            let offset_delta = i32::try_from(kept.offset - header.base_offset).unwrap_or(i32::MAX);
            let timestamp_delta = kept.timestamp_ms.saturating_sub(horizon_ms);
            let headers: Vec<_> = kept.headers.iter().collect();
            record::encode(
                &mut self.payload,
                offset_delta,
                timestamp_delta,
                kept.key,
                kept.value,
                headers.into_iter(),
            );
        }
        self.header.attributes = self.header.attributes.with_delete_horizon();
        self.header.base_timestamp_ms = horizon_ms;
        Ok(())
    }

    /// The bytes of the batch.
    pub(crate) fn build(mut self) -> Result<Vec<u8>, BuildError> {
        let codec = self.header.attributes.compression().unwrap_or_default();
        if codec != Compression::None {
            self.payload =
                codec.compress(&self.payload).map_err(|source| BuildError::Compress { codec, source })?;
        }
        if self.header.attributes.timestamp_type() == TimestampType::CreateTime {
            self.header.max_timestamp_ms = self.max_timestamp_ms;
        }
        self.header.record_count = self.count;
        encode(self.header, &self.payload)
    }
}

/// The batch without its records: what stays of a producer's last batch, for its sequence and epoch.
pub(crate) fn without_records(header: &BatchHeader) -> Result<Vec<u8>, BuildError> {
    let attributes = header.attributes.with_compression(Compression::None).without_delete_horizon();
    encode(BatchHeader { attributes, base_timestamp_ms: -1, record_count: 0, ..*header }, &[])
}

/// A batch of nobody without records, which takes the offsets of this one.
pub(crate) fn placeholder(header: &BatchHeader) -> Result<Vec<u8>, BuildError> {
    let (producer_id, producer_epoch, base_sequence) = (-1, -1, -1);
    let attributes = Attributes::default();
    without_records(&BatchHeader { attributes, producer_id, producer_epoch, base_sequence, ..*header })
}

fn encode(mut header: BatchHeader, payload: &[u8]) -> Result<Vec<u8>, BuildError> {
    let size = HEADER_BYTES + payload.len();
    header.length = i32::try_from(size - LENGTH_PREFIX_BYTES).map_err(|_| BuildError::TooLarge(size))?;
    header.crc = header.compute_crc(payload);
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
    Ok(out)
}
