//! Making good what rot has taken: offsets whose batches are damaged become *missing*, and what a peer has of them is
//! put in their place.
//!
//! **When a crash comes.** That a range is missing is noted durably before anyone is told; that it is not any more, only
//! after its batches are in place. In between, it is filled once more.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    Log,
    owned::Shared,
    ranges::{add_ranges, outside},
    replacing::Replacing,
};
use crate::{
    batch::{Batch, BatchError},
    error::{Damage, DiskError, LogError},
    offset::Offset,
    segment::{Segment, SegmentWriter},
};

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// Batches that cannot fill a missing range. Nothing has changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FillError {
    /// The range is not the front of one that is missing.
    #[error("offsets {} to {} are not the front of a missing range", .0.start, .0.end)]
    NotMissing(Range<Offset>),
    /// Not what a peer has.
    #[error(transparent)]
    Corrupt(#[from] BatchError),
    /// A batch that does not lie in the range, or not behind the one before it.
    #[error("batch at offsets {base} to {end} has no place between {} and {}", range.start, range.end)]
    Outside {
        /// Its base offset.
        base: Offset,
        /// Offset of whatever follows it.
        end: Offset,
        /// Where it should be.
        range: Range<Offset>,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Writes the batches of a peer between those that are there; needs no borrow of the log.
#[derive(Debug)]
pub struct FillJob {
    shared: Arc<Shared>,
    truncations: u64,
    range: Range<Offset>,
    records: Bytes,
    /// The segments that lie across the range: the first may have batches in front of it, the last behind it.
    old: Vec<Segment>,
    /// What of them is good.
    front: Vec<Range<Offset>>,
    back: Vec<Range<Offset>>,
    /// Base of a segment of its own for what is behind: the range does not reach that yet.
    back_base: Option<Offset>,
}

/// What came of a [`FillJob`].
#[derive(Debug)]
#[must_use = "nothing has changed before `install_filled`"]
pub struct Filled {
    truncations: u64,
    range: Range<Offset>,
    old: Vec<Segment>,
    new: Vec<Segment>,
}

impl FillJob {
    /// Does the work. An error changes nothing in the log.
    pub fn run(self) -> Result<Filled, LogError> {
        self.shared.check()?;
        let base = self.old.first().map_or(self.range.start, |old| old.base.min(self.range.start));
        let mut new = Vec::new();
        if !(self.old.is_empty() && self.records.is_empty()) {
            let mut writer = self.writer(base)?;
            self.copy(&mut writer, self.old.first(), &self.front)?;
            for batch in Batch::all(&self.records) {
                let batch = batch.map_err(|error| self.unreadable(&error))?;
                writer.push(&batch)?;
            }
            if let Some(back_base) = self.back_base {
                let mut behind = self.writer(back_base)?;
                self.copy(&mut behind, self.old.last(), &self.back)?;
                new.push(behind.finish()?);
            } else {
                self.copy(&mut writer, self.old.last(), &self.back)?;
            }
            new.insert(0, writer.finish()?);
            let dir = &self.shared.dir;
            self.shared.files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))?;
        }
        Ok(Filled { truncations: self.truncations, range: self.range, old: self.old, new })
    }

    fn writer(&self, base: Offset) -> Result<SegmentWriter, DiskError> {
        SegmentWriter::create(&self.shared.files, Arc::clone(&self.shared.dir), base)
    }

    fn copy(
        &self,
        writer: &mut SegmentWriter,
        old: Option<&Segment>,
        ranges: &[Range<Offset>],
    ) -> Result<(), LogError> {
        let Some(old) = old else { return Ok(()) };
        let files = &self.shared.files;
        for range in ranges {
            let mut next = range.start;
            while let Some(located) =
                old.locate(files, next, range.end, COPY_BYTES).map_err(|error| old.damaged_index(error))?
            {
                let bytes = old.read(files, &located)?;
                for batch in Batch::all(&bytes) {
                    let batch = batch.map_err(|error| self.unreadable(&error))?;
                    if batch.header().base_offset >= next {
                        writer.push(&batch)?;
                    }
                }
                next = located.end();
            }
        }
        Ok(())
    }

    fn unreadable(&self, error: &BatchError) -> Damage {
        Damage { segment: self.range.start, range: self.range.clone(), reason: error.to_string() }
    }
}

impl Log {
    /// Looks again at offsets that a read or a scrub found damaged. What is damaged indeed is missing from now on: reads
    /// of it name it, and [`Log::plan_fill`] takes what a peer has of it. Gives what is missing now and was not before.
    ///
    /// A false alarm, as after a truncation that came between, changes nothing.
    pub fn quarantine(&mut self, damage: &Damage) -> Result<Vec<Range<Offset>>, LogError> {
        self.settle()?;
        let durable = self.durable().offset();
        let until = damage.range.end.min(durable);
        if until > self.shared.checkpoint.current().recovery_point {
            // What is behind the recovery point would be judged anew after a crash, and might pass for a torn tail.
            self.flush()?;
        }
        let mut found = Vec::new();
        let first = self.segment_of(damage.range.start);
        let bases: Vec<Offset> = self.segments.iter().skip(first).map(|segment| segment.base).collect();
        for base in bases.into_iter().filter(|base| *base < until) {
            found.extend(self.look_again(base, damage.range.start.max(base)..until)?);
        }
        let known = |range: &Range<Offset>| {
            self.missing.iter().any(|missing| missing.start <= range.start && range.end <= missing.end)
        };
        found.retain(|range| !known(range));
        if !found.is_empty() {
            self.set_missing(add_ranges(&self.missing, found.iter().cloned()))?;
        }
        Ok(found)
    }

    /// What of a range of a segment is not as it was written.
    fn look_again(&mut self, base: Offset, range: Range<Offset>) -> Result<Vec<Range<Offset>>, LogError> {
        let Ok(index) = self.segments.binary_search_by_key(&base, |segment| segment.base) else {
            return Ok(Vec::new());
        };
        let all_frames = self.segments.get(index).is_none_or(|segment| segment.has_good_index(&self.files));
        if !all_frames {
            match self.restore_index(base) {
                Err(LogError::Damaged(damage)) => return Ok(vec![damage.range]),
                result => result?,
            }
        }
        let Some(segment) = self.segments.get(index) else { return Ok(Vec::new()) };
        let damages = segment.check_between(&self.files, range.start, range.end.min(segment.end))?;
        Ok(damages.into_iter().map(|damage| damage.range).collect())
    }

    /// A job that puts batches of a peer where some are missing: `records` is all that the peer has in `range`, which
    /// is a missing range or the front of one. A range of many segments is best filled in pieces of some MiB.
    ///
    /// A log that is compacted should be emptied and fetched anew instead ([`Log::reset`]): its peer may have records
    /// whose tombstones are gone here.
    pub fn plan_fill(&mut self, range: Range<Offset>, records: Bytes) -> Result<FillJob, FillError> {
        self.settle()?;
        let whole =
            self.missing.iter().find(|missing| missing.start == range.start && range.end <= missing.end);
        let Some(whole) = whole.filter(|_| !range.is_empty()).cloned() else {
            return Err(FillError::NotMissing(range));
        };
        check_records(&range, &records)?;
        self.begin_changes()?;
        if self.segments.last().is_some_and(|last| last.base < range.end) {
            // The last segment grows; only others are replaced.
            self.roll(self.log_end())?;
        }
        self.flush()?;
        let across = self.segments.iter().skip(self.segment_of(range.start));
        let old: Vec<Segment> = across
            .filter(|old| old.base < range.end && (old.base >= range.start || old.end > range.start))
            .cloned()
            .collect();
        let base = old.first().map_or(range.start, |old| old.base);
        let end = old.last().map_or(range.start, |old| old.end);
        let back = outside(&self.missing, whole.end..end.max(whole.end));
        Ok(FillJob {
            shared: Arc::clone(&self.shared),
            truncations: self.compaction.truncations,
            front: outside(&self.missing, base.min(range.start)..range.start),
            back_base: (range.end < whole.end && !back.is_empty()).then_some(whole.end),
            back,
            old,
            range,
            records,
        })
    }

    /// Puts filled offsets in place. `false` if the log has changed meanwhile so that they have none any more.
    pub fn install_filled(&mut self, filled: Filled) -> Result<bool, LogError> {
        let Filled { truncations, range, old, new } = filled;
        let at =
            self.missing.iter().position(|missing| missing.start == range.start && range.end <= missing.end);
        let current = truncations == self.compaction.truncations;
        let Some(at) = at.filter(|_| current) else {
            self.change(|| new.iter().try_for_each(|segment| segment.remove_new(&self.files)))?;
            return Ok(false);
        };
        if self.replace(Replacing { old, new: new.clone(), step: None })?.is_none() {
            self.change(|| new.iter().try_for_each(|segment| segment.remove_new(&self.files)))?;
            return Ok(false);
        }
        self.settle()?;
        let mut missing = self.missing.clone();
        if let Some(whole) = missing.get_mut(at) {
            whole.start = range.end;
        }
        missing.retain(|missing| !missing.is_empty());
        self.apply_again(&missing)?;
        self.set_missing(missing)?;
        self.forget_unapplied()?;
        Ok(true)
    }

    fn set_missing(&mut self, missing: Vec<Range<Offset>>) -> Result<(), LogError> {
        self.begin_changes()?;
        self.change(|| {
            self.shared.checkpoint.write(|next| {
                // What is missing below the start was forgotten with it.
                next.start_at(self.log_start());
                next.missing.clone_from(&missing);
            })
        })?;
        self.missing = missing;
        Ok(())
    }
}

/// Whole, unaltered batches in rising order, all of them in the range.
fn check_records(range: &Range<Offset>, records: &[u8]) -> Result<(), FillError> {
    let mut next = range.start;
    for batch in Batch::all(records) {
        let batch = batch?;
        batch.check_crc()?;
        let header = batch.header();
        header.check_offsets()?;
        let (base, end) = (header.base_offset, header.next_offset());
        if base < next || end > range.end {
            return Err(FillError::Outside { base, end, range: range.clone() });
        }
        next = end;
    }
    Ok(())
}
