//! What a log knows beyond its bytes: leader epochs, producers, transactions.
//!
//! All of it follows from the batches alone, in order. So there is one way to change it, [`Derived::apply`], for
//! leaders, followers and recovery; it is stored whole, as of one offset; and it is cut with the log by
//! going back to a stored one and applying again what is left: `derived(truncate(log, n)) ==
//! derived(replay(log[..n]))`, except for what was dropped since because of age.

mod epochs;
mod producers;
mod transactions;

pub use epochs::EpochEnd;
pub use producers::{OpenTransaction, ProducerBatch, ProducerError, ProducerState};
pub use transactions::AbortedTransaction;

pub(crate) use producers::{Admission, LastOfProducer};

use epochs::Epochs;
use producers::Producers;
use transactions::Transactions;

use crate::{
    batch::{Batch, BatchError, BatchHeader, ControlRecord},
    bytes::Reader,
    offset::Offset,
};

/// Most bytes a batch with transaction markers may decompress to; real ones have about 20.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// See the [module](self).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
    pub(crate) transactions: Transactions,
}

/// What applying a batch needs to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) header: BatchHeader,
    /// The end of a transaction, in a control batch.
    pub(crate) control: Option<ControlRecord>,
}

impl Applied {
    /// Looks into the batch only if it is a control batch.
    pub(crate) fn of(batch: &Batch<'_>) -> Result<Self, BatchError> {
        let header = *batch.header();
        let mut control = None;
        if header.attributes.is_control() {
            let payload = batch.payload(CONTROL_BYTES_MAX)?;
            control = payload.records().next().transpose()?.as_ref().and_then(ControlRecord::parse);
        }
        Ok(Self { header, control })
    }
}

impl Derived {
    /// The log goes on with this batch.
    pub(crate) fn apply(&mut self, batch: &Applied) {
        let header = &batch.header;
        self.epochs.assign(header.leader_epoch, header.base_offset);
        let Some(producer) = header.producer() else { return };
        match batch.control {
            Some(control) => {
                if let Some(first) = self.producers.end_transaction(header, producer, control) {
                    self.transactions.end(producer.id, first, header.last_offset(), control.end);
                }
            }
            None if header.attributes.is_control() => {
                if header.record_count == 0 {
                    self.producers.note_epoch(header, producer);
                }
            }
            None => {
                if self.producers.append(header, producer) {
                    self.transactions.begin(header.base_offset, producer.id);
                }
            }
        }
    }

    /// The log now starts at `start`.
    pub(crate) fn start_at(&mut self, start: Offset) {
        self.epochs.start_at(start);
        self.transactions.start_at(start);
    }

    /// Forgets producers that have written nothing since `before_ms` and have no transaction open.
    pub(crate) fn expire_producers(&mut self, before_ms: i64) {
        self.producers.expire(before_ms);
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.epochs.encode(out);
        self.producers.encode(out);
        self.transactions.encode(out);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epochs: Epochs::decode(reader)?,
            producers: Producers::decode(reader)?,
            transactions: Transactions::decode(reader)?,
        })
    }
}

/// Number of entries that follow, as four bytes.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

/// Entries with their number in front. The number is not believed: entries are taken as they come.
fn take_all<T>(
    reader: &mut Reader<'_>,
    mut entry: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(entry(reader)?);
    }
    Some(entries)
}

#[cfg(test)]
mod tests;
