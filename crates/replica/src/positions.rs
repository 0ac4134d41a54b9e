//! The positions of a replica that anybody may see, with their order checked, in release builds too.

use common::Offset;

use crate::ReplicaLog;

/// What a consumer may see of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Everything that is committed to the replicas, decided or not.
    ReadUncommitted,
    /// Only up to the first undecided transaction.
    ReadCommitted,
}

/// Always: `log_start <= last_stable <= high_watermark <= log_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positions {
    log_start: Offset,
    last_stable: Offset,
    high_watermark: Offset,
    log_end: Offset,
}

impl Positions {
    /// Of a log and its high watermark.
    ///
    /// # Panics
    /// If they are out of order: then the replica has been told of its log wrongly, and nothing it would answer can be
    /// trusted.
    pub fn of(log: &impl ReplicaLog, high_watermark: Offset) -> Self {
        let (log_start, log_end) = (log.log_start(), log.log_end());
        assert!(
            log_start <= high_watermark && high_watermark <= log_end,
            "positions out of order: log start {log_start}, high watermark {high_watermark}, log end {log_end}"
        );
        // A transaction may have begun before what retention left.
        let last_stable = log.last_stable(high_watermark).max(log_start);
        assert!(
            last_stable <= high_watermark,
            "last stable offset {last_stable} is above the high watermark {high_watermark}"
        );
        Self { log_start, last_stable, high_watermark, log_end }
    }

    /// Offset of the first record that may be read.
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// Offset of the first undecided transaction's first record, or the high watermark.
    pub fn last_stable(&self) -> Offset {
        self.last_stable
    }

    /// Records below it are on every replica of the ISR and on `min.insync.replicas` of them at least: they stay.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Offset that the next record gets.
    pub fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Up to where a consumer may read.
    pub fn readable(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable,
        }
    }
}
