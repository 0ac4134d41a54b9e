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

#[cfg(test)]
mod tests {
    use super::*;

    /// Epochs 2, 3 and 6 of a log from 10 to 40.
    const EPOCHS: [(LeaderEpoch, Offset); 3] =
        [(LeaderEpoch(2), Offset(10)), (LeaderEpoch(3), Offset(20)), (LeaderEpoch(6), Offset(30))];

    fn end(asked: i32) -> (i32, i64) {
        let end = end_of(&EPOCHS, LeaderEpoch(asked), Offset(40)).unwrap();
        (end.epoch.0, end.end.0)
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        assert_eq!([end(2), end(3), end(6)], [(2, 20), (3, 30), (6, 40)]);
    }

    #[test]
    fn an_epoch_that_wrote_nothing_is_answered_by_the_one_before() {
        assert_eq!([end(4), end(5), end(7)], [(3, 30), (3, 30), (6, 40)]);
    }

    #[test]
    fn what_is_older_than_the_log_ended_where_it_begins() {
        assert_eq!([end(0), end(1)], [(0, 10), (1, 10)]);
        assert_eq!(end_of(&[], LeaderEpoch(1), Offset(40)), None);
    }
}
