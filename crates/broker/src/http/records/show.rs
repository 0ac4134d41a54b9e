//! From stored batches to records in JSON.

use bytes::Bytes;
use commit_log::{
    AbortedTransaction,
    batch::{AbortedFilter, Batch, BatchError, Record},
};
use common::{Offset, PartitionId};
use http_api::records::{Data, ReadRecord, RecordHeader, WantedFormat};

/// The most that one batch may decompress to, in bytes.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Bytes of keys and values after which a page ends, if it has a record.
const PAGE_BYTES: usize = 8 << 20;

/// Which records of the batches are shown.
pub(super) struct Wanted {
    pub(super) partition: PartitionId,
    pub(super) from: Offset,
    pub(super) records_max: usize,
    pub(super) format: WantedFormat,
    /// Aborted transactions; none for readers that see their records too.
    pub(super) aborted: Vec<AbortedTransaction>,
}

/// Records, and where to read on.
pub(super) struct Shown {
    pub(super) records: Vec<ReadRecord>,
    pub(super) next: Offset,
}

/// Shows the records of whole batches, in order.
pub(super) fn show(pieces: &[Bytes], wanted: &Wanted) -> Result<Shown, BatchError> {
    let mut shown = Shown { records: Vec::new(), next: wanted.from };
    let mut bytes = 0;
    let mut aborted = AbortedFilter::new(wanted.aborted.iter().map(|it| (it.producer, it.first)));
    for batch in pieces.iter().flat_map(|piece| Batch::all(piece)) {
        let batch = batch?;
        if aborted.hides(&batch, DECOMPRESSED_BYTES_MAX)? {
            shown.next = shown.next.max(batch.header().next_offset());
            continue;
        }
        let payload = batch.payload(DECOMPRESSED_BYTES_MAX)?;
        for record in payload.records() {
            let record = record?;
            if record.offset < wanted.from {
                continue;
            }
            if shown.records.len() == wanted.records_max || bytes > PAGE_BYTES {
                return Ok(shown);
            }
            bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            shown.next = record.offset + 1;
            shown.records.push(one(&record, wanted.partition, wanted.format));
        }
        shown.next = shown.next.max(batch.header().next_offset());
    }
    Ok(shown)
}

/// One record.
pub(super) fn one(record: &Record<'_>, partition: PartitionId, format: WantedFormat) -> ReadRecord {
    let (key, key_format) = Data::of(record.key, format).unzip();
    let (value, value_format) = Data::of(record.value, format).unzip();
    let header = |header: commit_log::batch::RecordHeader<'_>| RecordHeader {
        key: String::from_utf8_lossy(header.key).into_owned(),
        value: Data::of(header.value, format).map(|(data, _)| data),
    };
    ReadRecord {
        partition,
        offset: record.offset,
        timestamp: record.timestamp_ms,
        key,
        key_format,
        value,
        value_format,
        headers: record.headers.iter().map(header).collect(),
    }
}
