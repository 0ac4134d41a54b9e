//! What of a batch stays.

use std::collections::BTreeMap;

use super::{OffsetMap, TransactionCleaner};
use crate::{
    batch::{Batch, BatchError, BuildError, Rebuild, Record, without_records},
    derived::{Applied, LastOfProducer},
    offset::ProducerId,
};

/// Most bytes that a batch may decompress to.
pub(crate) const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// A batch that cannot be cleaned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CleanError {
    #[error(transparent)]
    Read(#[from] BatchError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// What comes of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It stays as it is.
    Same,
    /// This takes its place.
    Changed(Vec<u8>),
    /// Nothing of it stays.
    Gone,
}

/// Decides batch by batch, from the front of the log on.
#[derive(Debug)]
pub(crate) struct Cleaner {
    pub(crate) map: OffsetMap,
    pub(crate) transactions: TransactionCleaner,
    /// Of the producers that the log remembers.
    pub(crate) producers: BTreeMap<ProducerId, LastOfProducer>,
    pub(crate) now_ms: i64,
    pub(crate) delete_retention_ms: i64,
}

impl Cleaner {
    /// The next batch.
    pub(crate) fn clean(&mut self, batch: &Batch<'_>) -> Result<Outcome, CleanError> {
        let applied = Applied::of(batch)?;
        let header = &applied.header;
        let dispensable = self.transactions.is_dispensable(&applied);
        let control = header.attributes.is_control();
        let horizon_passed = header.delete_horizon_ms().is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        let discard = dispensable && (!control || horizon_passed);
        let mut rebuilt = Rebuild::new(header);
        let mut has_tombstones = false;
        if !discard {
            for record in batch.payload(DECOMPRESSED_BYTES_MAX)?.records_with_bytes() {
                let (record, bytes) = record?;
                if control || self.stays(&record, horizon_passed) {
                    has_tombstones |= !control && record.value.is_none() && record.offset < self.map.end();
                    rebuilt.keep(&record, bytes);
                }
            }
        }
        if rebuilt.count() == 0 {
            return if !self.is_last_of_producer(&applied) {
                Ok(Outcome::Gone)
            } else if header.record_count == 0 {
                Ok(Outcome::Same)
            } else {
                Ok(Outcome::Changed(without_records(header)?))
            };
        }
        let needs_horizon =
            (has_tombstones || (control && dispensable)) && header.delete_horizon_ms().is_none();
        if needs_horizon {
            rebuilt.set_delete_horizon(self.now_ms.saturating_add(self.delete_retention_ms))?;
        } else if rebuilt.count() == header.record_count {
            return Ok(Outcome::Same);
        }
        Ok(Outcome::Changed(rebuilt.build()?))
    }

    fn stays(&self, record: &Record<'_>, horizon_passed: bool) -> bool {
        if record.offset >= self.map.end() {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_latest = self.map.get(key).is_none_or(|latest| latest <= record.offset);
        is_latest && (record.value.is_some() || !horizon_passed)
    }

    /// Whether the numbering of a producer goes on from this batch, or, where it has written nothing since, its epoch.
    fn is_last_of_producer(&self, batch: &Applied) -> bool {
        let header = &batch.header;
        let Some(producer) = header.producer() else { return false };
        self.producers.get(&producer.id).is_some_and(|last| match last.last_offset {
            Some(last_offset) => header.last_offset() == last_offset,
            None => header.attributes.is_control() && producer.epoch == last.epoch,
        })
    }
}
