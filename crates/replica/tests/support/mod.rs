//! A log in memory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]
#![allow(dead_code, reason = "each test uses some of it")]

use common::{LeaderEpoch, Offset};
use replica::ReplicaLog;

/// A record: the epoch it was written in, and a value that no other record has.
pub(crate) type Record = (LeaderEpoch, u64);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MemoryLog {
    start: i64,
    /// All from offset 0 on, those before the start too: a test compares them.
    records: Vec<Record>,
    confirmed: i64,
    /// Its disk failed: it takes no records, and nothing becomes safe.
    pub(crate) broken: bool,
    /// First offset of an undecided transaction.
    pub(crate) undecided: Option<Offset>,
    epochs: Vec<(LeaderEpoch, Offset)>,
}

impl ReplicaLog for MemoryLog {
    fn log_start(&self) -> Offset {
        Offset(self.start)
    }

    fn log_end(&self) -> Offset {
        Offset(self.records.len() as i64)
    }

    fn confirmed(&self) -> Offset {
        Offset(self.confirmed)
    }

    fn takes_records(&self) -> bool {
        !self.broken
    }

    fn last_stable(&self, high_watermark: Offset) -> Offset {
        self.undecided.map_or(high_watermark, |undecided| undecided.min(high_watermark))
    }

    fn epochs(&self) -> &[(LeaderEpoch, Offset)] {
        &self.epochs
    }
}

impl MemoryLog {
    /// Records of these epochs, all confirmed.
    pub(crate) fn of(epochs: &[i32]) -> Self {
        let mut log = Self::default();
        epochs.iter().for_each(|epoch| log.append((LeaderEpoch(*epoch), 0)));
        log.confirm();
        log
    }

    pub(crate) fn append(&mut self, record: Record) {
        self.records.push(record);
        self.index();
    }

    /// What was appended is safe now.
    pub(crate) fn confirm(&mut self) {
        if self.broken {
            return;
        }
        self.confirmed = self.log_end().0;
    }

    pub(crate) fn start_at(&mut self, start: Offset) {
        assert!(start <= self.log_end());
        self.start = self.start.max(start.0);
        self.confirmed = self.confirmed.max(self.start);
        self.index();
    }

    pub(crate) fn truncate(&mut self, to: Offset) {
        assert!(to >= self.log_start());
        self.records.truncate(to.0 as usize);
        self.confirmed = self.confirmed.min(to.0);
        self.index();
    }

    /// Everything goes; what the leader deleted stands in for what is before the new start.
    pub(crate) fn reset(&mut self, to: Offset) {
        self.records = vec![(LeaderEpoch(-1), 0); to.0 as usize];
        self.start = to.0;
        self.confirmed = to.0;
        self.index();
    }

    /// The disk works again, and has all that was appended.
    pub(crate) fn mend(&mut self) {
        self.broken = false;
        self.confirm();
    }

    /// The log is opened anew, with a disk that works: of what was not confirmed, some is lost.
    pub(crate) fn crash(&mut self, kept: usize) {
        self.broken = false;
        let unsafe_records = self.records.len() - self.confirmed as usize;
        self.records.truncate(self.confirmed as usize + kept % (unsafe_records + 1));
        // Recovery makes what it found safe.
        self.confirm();
        self.index();
    }

    /// From `from` on.
    pub(crate) fn read(&self, from: Offset, most: usize) -> Vec<Record> {
        assert!(from >= self.log_start());
        self.records[from.0 as usize..].iter().take(most).copied().collect()
    }

    /// All records, and where what can be read begins.
    pub(crate) fn all(&self) -> (usize, &[Record]) {
        (self.start as usize, &self.records)
    }

    fn index(&mut self) {
        self.epochs.clear();
        for (at, (epoch, _)) in self.records.iter().enumerate().skip(self.start as usize) {
            if self.epochs.last().is_none_or(|(last, _)| last < epoch) {
                self.epochs.push((*epoch, Offset(at as i64)));
            }
        }
    }
}
