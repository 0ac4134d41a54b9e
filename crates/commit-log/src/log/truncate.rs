//! Cutting a log at its end, and emptying it. What the log knows is cut with it, in the same step.
//!
//! **Order on disk:** first the recovery point goes back and takes what the log knew with it, then the
//! files go, the last first, then the others are synced and the new last one is cut, before the next append. A crash
//! in between leaves a log that ends somewhere between the old and the new end: the truncation did not happen, or
//! not all of it, and whoever wanted it asks again.

use std::ops::Range;

use super::{Log, positions::Positions, read::with_index, recovery_point::Snapshots, unapplied::Unapplied};
use crate::{
    batch::Batch,
    checkpoint::{State, decode_derived, encode_derived, read_snapshot},
    derived::{Applied, Derived},
    error::{DiskError, IndexError, LogError},
    offset::Offset,
    segment::{Segment, file_name},
};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

impl Log {
    /// Removes every batch that does not end below `to`. Gives the new end, which is lower than `to` if a batch or a
    /// gap lay across it. What is left is durable. Flushes that are under way confirm nothing any more.
    pub fn truncate(&mut self, to: Offset) -> Result<Offset, LogError> {
        self.settle()?;
        let range = self.log_start()..self.log_end();
        if to >= range.end {
            return Ok(range.end);
        }
        if to < range.start {
            return Err(LogError::OutOfRange { offset: to, range });
        }
        self.begin_changes()?;
        let index = self.segment_of(to);
        let Some(segment) = self.segments.get(index) else { return Ok(range.end) };
        let mut kept = match segment.cut_below(&self.files, to) {
            Err(IndexError::Damaged(_)) => {
                let (rebuilt, _) = segment.rebuilt(&self.files)?;
                rebuilt.cut_below(&self.files, to)
            }
            kept => kept,
        }
        .map_err(|error| segment.index_error(error))?;
        let end = kept.end;
        let (derived, unapplied) = self.derived_at(end)?;
        let since = kept.first_timestamp_ms(&self.files)?;
        self.truncate_cleaned(end)?;
        if let Some(unapplied) =
            unapplied.as_ref().filter(|unapplied| self.unapplied.as_ref() != Some(unapplied))
        {
            self.change(|| unapplied.write(&self.files, &self.dir))?;
        }
        self.set_back(end, &derived)?;
        self.remove_behind(index, end)?;
        self.segments.truncate(index);
        self.sync_segments()?;
        self.cut_segment(&mut kept)?;
        self.active_since_ms = since;
        self.segments.push(kept);
        self.derived = derived;
        self.positions.cut(end);
        self.positions.flushed(end);
        self.flush.all_synced();
        self.tail.restart(end);
        self.missing.retain(|missing| missing.start < end);
        self.unapplied = unapplied.or_else(|| self.unapplied.take());
        self.forget_unapplied()?;
        Ok(end)
    }

    /// Empties the log and lets it begin again at `start`: for a follower that is too far behind its leader.
    pub fn reset(&mut self, start: Offset) -> Result<(), LogError> {
        self.settle()?;
        self.begin_changes()?;
        let derived = Derived::default();
        self.truncate_cleaned(start)?;
        self.forget_jobs();
        self.change(|| {
            self.shared.checkpoint.write(|next| {
                next.state = State::Emptying;
                (next.log_start, next.recovery_point) = (start, start);
                next.derived = encode_derived(&derived);
                next.missing.clear();
            })
        })?;
        self.active = None;
        let segments = std::mem::take(&mut self.segments);
        let snapshots = self.snapshots.keep(|_| false);
        self.change(|| {
            for segment in segments.iter().rev() {
                segment.retire(&self.files)?;
                segment.remove_files(&self.files)?;
            }
            self.remove_snapshots(&snapshots)
        })?;
        self.positions = Positions::synced(start, start);
        self.derived = derived;
        self.missing.clear();
        self.forget_unapplied()?;
        self.tail.restart(start);
        self.roll(start)?;
        self.snapshots = Snapshots::default();
        self.change(|| {
            self.sync_dir()?;
            self.shared.checkpoint.write(|next| next.state = State::Open)
        })?;
        self.flush.all_synced();
        Ok(())
    }

    /// What the log knew at `end`: from the nearest point before that is on disk, and the batches since; and that point, if
    /// some of these are missing.
    fn derived_at(&self, end: Offset) -> Result<(Derived, Option<Unapplied>), LogError> {
        let known = self.unapplied.as_ref().filter(|unapplied| unapplied.from <= end);
        let (from, derived) = match known {
            Some(Unapplied { from, derived }) => (*from, derived.clone()),
            None => self.known_before(end)?,
        };
        let lacks_some = self.missing.iter().any(|missing| missing.end > from && missing.start < end);
        let unapplied = lacks_some.then(|| Unapplied { from, derived: derived.clone() });
        Ok((self.derived_since(from, derived, end)?, unapplied))
    }

    /// The last stored knowledge as of `end` or before, and as of where it is.
    fn known_before(&self, end: Offset) -> Result<(Offset, Derived), LogError> {
        let current = self.shared.checkpoint.current();
        let pending = self.snapshots.pending.iter().rev().map(|pending| (pending.base, &pending.derived[..]));
        let checkpoint = (current.recovery_point, &current.derived[..]);
        // Both are newer than any snapshot file that was written since the last truncation.
        for (from, derived) in pending.chain([checkpoint]).filter(|(from, _)| *from <= end) {
            if let Some(derived) = decode_derived(derived) {
                return Ok((from, derived));
            }
        }
        for base in self.snapshots.stored.iter().rev().filter(|base| **base <= end) {
            if let Some(derived) = read_snapshot(&self.files, &self.dir.join(file_name(*base, "snapshot")))? {
                return Ok((*base, derived));
            }
        }
        Ok((Offset(0), Derived::default()))
    }

    /// Applies the batches of a segment that lie in the range, and passes over those that are damaged.
    pub(super) fn replay(
        &self,
        segment: &Segment,
        range: Range<Offset>,
        derived: &mut Derived,
    ) -> Result<(), LogError> {
        let files = &self.files;
        let (mut segment, mut next, mut max_bytes) = (segment.clone(), range.start, READ_BYTES);
        loop {
            let located = with_index(files, &mut segment, &mut Vec::new(), |segment| {
                segment.locate(files, next, range.end, max_bytes)
            });
            let located = match located {
                Ok(Some(located)) => located,
                // Neither index nor batches tell what is where.
                Ok(None) | Err(LogError::Damaged(_)) => return Ok(()),
                Err(error) => return Err(error),
            };
            match segment.read(files, &located) {
                Ok(bytes) => {
                    for batch in Batch::all(&bytes).flatten() {
                        let applied = Applied::of(&batch).ok();
                        if let Some(applied) = applied.filter(|new| new.header.base_offset >= range.start) {
                            derived.apply(&applied);
                        }
                    }
                }
                // One of them: one by one up to that.
                Err(LogError::Damaged(_)) if max_bytes > 1 => {
                    max_bytes = 1;
                    continue;
                }
                Err(LogError::Damaged(_)) => max_bytes = READ_BYTES,
                Err(error) => return Err(error),
            }
            next = located.end();
        }
    }

    fn set_back(&mut self, end: Offset, derived: &Derived) -> Result<(), LogError> {
        self.forget_jobs();
        let missing: Vec<_> = self.missing.iter().filter(|missing| missing.start < end).cloned().collect();
        self.change(|| {
            let checkpoint = &self.shared.checkpoint;
            let current = checkpoint.current();
            let log_start = self.log_start().min(end);
            if current.recovery_point <= end
                && current.log_start == log_start
                && missing.len() == self.missing.len()
            {
                return Ok(());
            }
            checkpoint.write(|next| {
                (next.missing, next.log_start) = (missing, log_start);
                if next.recovery_point > end {
                    (next.recovery_point, next.derived) = (end, encode_derived(derived));
                }
            })
        })
    }

    fn remove_behind(&mut self, index: usize, end: Offset) -> Result<(), LogError> {
        self.active = None;
        let gone = self.snapshots.keep(|base| base <= end);
        self.change(|| {
            self.remove_snapshots(&gone)?;
            self.sync_dir()?;
            for segment in self.segments.iter().skip(index + 1).rev() {
                segment.retire(&self.files)?;
                segment.remove_files(&self.files)?;
                // None goes before the one behind it: that would be a gap, and look like a loss.
                self.sync_dir()?;
            }
            Ok(())
        })
    }

    /// A durable front of a segment speaks for all segments before it: not only for their batches, also for the
    /// frames that vouch for headers that recovery could not foresee.
    fn sync_segments(&mut self) -> Result<(), LogError> {
        for segment in self.segments.iter_mut().filter(|segment| segment.synced < segment.size) {
            let synced = segment
                .store_frames(&self.files, 0)
                .and_then(|()| segment.sync_frames(&self.files))
                .and_then(|()| segment.sync_log(&self.files));
            synced.map_err(|error| self.shared.fence(error))?;
            segment.synced = segment.size;
        }
        Ok(())
    }

    fn cut_segment(&self, kept: &mut Segment) -> Result<(), LogError> {
        let path = kept.log_path();
        self.change(|| {
            // The frames go first: none of them may speak of bytes that are gone on purpose.
            kept.replace_frames(&self.files)?;
            kept.sync_frames(&self.files)?;
            self.sync_dir()?;
            let file = kept.open_log(&self.files)?;
            file.truncate(u64::from(kept.size)).map_err(DiskError::during("truncate", &path))?;
            file.sync().map_err(DiskError::during("sync", &path))?;
            kept.synced = kept.size;
            Ok(())
        })
    }

    pub(super) fn remove_snapshots(&self, bases: &[Offset]) -> Result<(), DiskError> {
        for base in bases {
            let path = self.dir.join(file_name(*base, "snapshot"));
            self.files.remove(&path).map_err(DiskError::during("remove", &path))?;
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        self.files.disk().sync_dir(&self.dir).map_err(DiskError::during("sync", &self.dir))
    }
}
