//! Compaction: of the records with a key, only the last one stays. As in Kafka (`LogCleaner`, KIP-58, KIP-354,
//! KIP-534, KIP-98).
//!
//! Two walks. The first goes over what is new since the last compaction, and notes for each key its last offset, in a
//! [map](OffsetMap) of bounded size; where that is full, the rest waits for the next compaction. The second goes over
//! everything in front of where the first one ended, and writes what stays to new segments:
//!
//! - Records that a later one with the same key replaces go. So do records of aborted transactions, and records
//!   without a key, which a compacted log does not take.
//! - A tombstone stays for `delete.retention.ms` after the first compaction that saw it, so that consumers learn of the
//!   deletion. When that time ends is noted in the batch. The same holds for the marker of a transaction of which
//!   nothing is left.
//! - Batches keep their offsets, sequence numbers, epochs and codec. The last batch of each producer stays without
//!   records, so that its numbering goes on; and so that a segment ends where it ended, the last batch of one does.
//!
//! What is here decides and makes bytes; `log::compaction` plans, swaps files and remembers how far it went.

mod clean;
mod map;
mod transactions;

pub(crate) use clean::{Cleaner, DECOMPRESSED_BYTES_MAX, Outcome};
pub(crate) use map::OffsetMap;
pub(crate) use transactions::TransactionCleaner;

#[cfg(test)]
mod tests;
