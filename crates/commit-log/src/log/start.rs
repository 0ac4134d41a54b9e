//! Moving the log's start up, for retention and DeleteRecords. Records below it are gone for readers at once; that they are is
//! noted on disk by a job that needs no borrow of the log; then whole segments can be deleted.
//!
//! Nothing else that goes by the new start is written before it, or without it: checkpoints carry it, and compactions wait.
//!
//! **Order on disk:** first the start is noted, then segments go: only such as end below the start that is on disk, and below
//! the recovery point that is on disk, because recovery would read them. So a crash in between leaves segments that nobody
//! reads, and the next deletion takes them.

use std::sync::Arc;

use super::{Log, owned::Shared};
use crate::{error::LogError, offset::Offset, segment::Segment};

/// Notes on disk where a log starts now. Until it has run, a crash may bring back what is below.
#[derive(Debug)]
#[must_use = "a crash may bring back what is below the start"]
pub struct StartJob {
    shared: Arc<Shared>,
    generation: u64,
    start: Offset,
}

impl StartJob {
    /// Does it. `false`: the log was cut meanwhile, and nothing happened. A failure fences the log at once, for good.
    pub fn run(self) -> Result<bool, LogError> {
        self.shared.check()?;
        let Self { shared, generation, start } = self;
        let written = shared.checkpoint.write_of(generation, || Ok(()), |next| next.start_at(start));
        Ok(written.map_err(|error| shared.fence(error))?)
    }
}

impl Log {
    /// Lets the log start at `start`, for all who read it from now on. `None` if it does already.
    pub fn plan_start(&mut self, start: Offset) -> Result<Option<StartJob>, LogError> {
        let range = self.log_start()..self.log_end();
        if start > range.end {
            return Err(LogError::OutOfRange { offset: start, range });
        }
        self.shared.check()?;
        if start <= range.start {
            return Ok(None);
        }
        self.begin_changes()?;
        if start > self.durable().offset() {
            // Where records are confirmed before they are durable: the log must not end below its start after a crash.
            self.flush()?;
        }
        self.missing.retain(|missing| missing.end > start);
        self.positions.started(start);
        self.derived.start_at(start);
        let generation = self.shared.checkpoint.generation();
        Ok(Some(StartJob { shared: Arc::clone(&self.shared), generation, start }))
    }

    /// Deletes segments below the log start, at most so many. Gives how many. What recovery would read stays: a checkpoint
    /// may be due first (see [`Log::checkpoint_due`]).
    pub fn delete_obsolete(&mut self, segments_max: usize) -> Result<usize, LogError> {
        self.shared.check()?;
        let current = self.shared.checkpoint.current();
        if current.log_start >= self.log_start() {
            // Until then a crash would bring back what is missing below.
            self.forget_unapplied()?;
        }
        let below = current.log_start.min(current.recovery_point).min(self.log_start());
        if self.segments.get(1).is_some_and(|next| next.base <= below) {
            self.settle()?;
        }
        let bases = self.segments.iter().skip(1).map(|next| next.base);
        let count = bases.take_while(|next| *next <= below).take(segments_max).count();
        let gone: Vec<Segment> = self.segments.drain(..count).collect();
        let first = self.segments.first().map_or(below, |segment| segment.base);
        let old = self.snapshots.keep(|base| base >= first);
        let stay = self.change(|| {
            let mut stay = Vec::new();
            for segment in &gone {
                segment.retire(&self.files)?;
                stay.extend(self.delete_files(segment)?);
            }
            self.remove_snapshots(&old)?;
            Ok(stay)
        })?;
        self.deleted.extend(stay.into_iter().map(|path| (path, None)));
        Ok(count)
    }

    /// All of that here and now: as [`Log::plan_start`], then deletes at most `segments_max` segments.
    pub fn start_at(&mut self, start: Offset, segments_max: usize) -> Result<(), LogError> {
        if let Some(job) = self.plan_start(start)? {
            job.run()?;
        }
        if start > self.shared.checkpoint.current().recovery_point {
            self.flush()?;
        }
        self.delete_obsolete(segments_max).map(drop)
    }
}
