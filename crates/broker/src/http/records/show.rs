//! From stored batches to records in JSON.

use std::collections::BTreeSet;

use bytes::Bytes;
use commit_log::{
    AbortedTransaction, ProducerId,
    batch::{Batch, BatchError, ControlRecord, Record},
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
    /// Aborted transactions, by their first offset; none for readers that see their records too.
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
    let mut open = Aborted::new(&wanted.aborted);
    for batch in pieces.iter().flat_map(|piece| Batch::all(piece)) {
        let batch = batch?;
        if open.hides(&batch)? {
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

/// Which producers' transactions are being skipped, as the batches go by (KIP-98).
struct Aborted<'a> {
    to_come: &'a [AbortedTransaction],
    skipped: BTreeSet<ProducerId>,
}

impl<'a> Aborted<'a> {
    fn new(to_come: &'a [AbortedTransaction]) -> Self {
        Self { to_come, skipped: BTreeSet::new() }
    }

    /// Whether consumers do not see this batch: control records, and records of aborted transactions.
    fn hides(&mut self, batch: &Batch<'_>) -> Result<bool, BatchError> {
        let header = batch.header();
        while let Some((first, rest)) = self.to_come.split_first()
            && first.first <= header.last_offset()
        {
            self.skipped.insert(first.producer);
            self.to_come = rest;
        }
        let Some(producer) = header.producer() else { return Ok(header.attributes.is_control()) };
        if header.attributes.is_control() {
            let payload = batch.payload(DECOMPRESSED_BYTES_MAX)?;
            if let Some(record) = payload.records().next().transpose()?
                && ControlRecord::parse(&record).is_some()
            {
                // The transaction that was skipped ends here; the next one may count.
                self.skipped.remove(&producer.id);
            }
            return Ok(true);
        }
        Ok(header.attributes.is_transactional() && self.skipped.contains(&producer.id))
    }
}
