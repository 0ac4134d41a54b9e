//! Where a leader epoch ends (KIP-101, KIP-279): what followers truncate by, and what OffsetForLeaderEpoch answers.

use common::{LeaderEpoch, Offset};

/// Where an epoch ends in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch in the log that is not above the one asked for; the one asked for itself where the log has
    /// nothing as old.
    pub epoch: LeaderEpoch,
    /// Offset of whatever follows its last record.
    pub end: Offset,
}

/// Where `asked` ends in a log of these epochs, each with its first offset, that ends at `log_end`.
///
/// An epoch that is newer than all of the log ends where the log does: the caller makes sure that it may ask for it.
/// One that is older than all of the log ends where the log's first epoch begins; `None` in a log without epochs.
pub fn end_of(epochs: &[(LeaderEpoch, Offset)], asked: LeaderEpoch, log_end: Offset) -> Option<EpochEnd> {
    let until = epochs.partition_point(|(epoch, _)| *epoch <= asked);
    let end = match epochs.get(until) {
        Some((_, start)) => *start,
        None => log_end,
    };
    match until.checked_sub(1).and_then(|at| epochs.get(at)) {
        Some((epoch, _)) => Some(EpochEnd { epoch: *epoch, end }),
        None if epochs.is_empty() => None,
        None => Some(EpochEnd { epoch: asked, end }),
    }
}
