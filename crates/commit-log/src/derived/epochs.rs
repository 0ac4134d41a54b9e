//! Which leader epoch begins at which offset (KIP-101, KIP-279): what followers truncate by.

use common::LeaderEpoch;

use super::{put_count, take_all};
use crate::{bytes::Reader, offset::Offset};

/// Where an epoch ends, as OffsetForLeaderEpoch answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch in the log that is not above the one asked for.
    pub epoch: LeaderEpoch,
    /// Offset of whatever follows the last record of that epoch.
    pub end: Offset,
}

/// Each epoch with its first offset. Both rise strictly from entry to entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl Epochs {
    /// An epoch begins, unless it or a later one has begun already. Negative: a batch of no epoch.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if epoch.0 < 0 || self.latest().is_some_and(|latest| latest >= epoch) {
            return;
        }
        // An epoch in which nothing was written has no records to tell it by.
        self.entries.retain(|(_, first)| *first < start);
        self.entries.push((epoch, start));
    }

    pub(crate) fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// The epoch that the record at `offset` was written in.
    pub(crate) fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let until = self.entries.partition_point(|(_, first)| *first <= offset);
        self.entries.get(until.checked_sub(1)?).map(|(epoch, _)| *epoch)
    }

    /// Where `epoch` ends, in a log that ends at `log_end`. `None` if the log knows nothing as old as that, or
    /// nothing that recent.
    pub(crate) fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<EpochEnd> {
        if self.latest()? < epoch {
            return None;
        }
        let until = self.entries.partition_point(|(known, _)| *known <= epoch);
        let (epoch, _) = self.entries.get(until.checked_sub(1)?)?;
        let end = self.entries.get(until).map_or(log_end, |(_, first)| *first);
        Some(EpochEnd { epoch: *epoch, end })
    }

    pub(crate) fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// Forgets what ended before `start`; the epoch at `start` begins there now.
    pub(crate) fn start_at(&mut self, start: Offset) {
        let gone = self.entries.partition_point(|(_, first)| *first <= start).saturating_sub(1);
        self.entries.drain(..gone);
        if let Some((_, first)) = self.entries.first_mut() {
            *first = (*first).max(start);
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_count(out, self.entries.len());
        for (epoch, start) in &self.entries {
            out.extend_from_slice(&epoch.0.to_be_bytes());
            out.extend_from_slice(&start.0.to_be_bytes());
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let entries = take_all(reader, |reader| Some((LeaderEpoch(reader.i32()?), Offset(reader.i64()?))))?;
        entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1).then_some(Self { entries })
    }
}
