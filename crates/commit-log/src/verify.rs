//! Looking at a log directory from outside, without changing anything: for people, and for scripts.

use std::{fmt, ops::Range, path::Path, sync::Arc};

use crate::{
    batch::Batch,
    checkpoint::{CheckpointFile, State},
    error::{Damage, DiskError, IndexError, LogError},
    files::Files,
    offset::Offset,
    segment::{ScanEnd, Scanner, Segment, parse_file_name},
};

/// What is in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What the checkpoint says; `None` if it is missing or damaged.
    pub checkpoint: Option<CheckpointSummary>,
    /// By base offset, rising.
    pub segments: Vec<SegmentSummary>,
}

/// The checkpoint of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointSummary {
    /// After a clean shutdown.
    pub clean: bool,
    /// Log start offset.
    pub log_start: Offset,
    /// Where recovery starts.
    pub recovery_point: Offset,
    /// Offsets lost to damage and not fetched again.
    pub missing: Vec<Range<Offset>>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSummary {
    /// First offset it may hold.
    pub base: Offset,
    /// Offset of whatever comes after its last good batch.
    pub end: Offset,
    /// Bytes of its `.log` file.
    pub bytes: u64,
    /// Good batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Largest timestamp in ms; -1 without records.
    pub max_timestamp_ms: i64,
    /// Whether the index describes exactly these batches.
    pub index_is_good: bool,
    /// Damage in the batches. In the last segment of a log that was not shut down cleanly, damage at its end is what
    /// the next start cuts off.
    pub damage: Vec<Damage>,
}

impl Inspection {
    /// Whether nothing is damaged, neither batches nor indexes nor the checkpoint.
    pub fn is_good(&self) -> bool {
        self.checkpoint.is_some()
            && self.segments.iter().all(|segment| segment.index_is_good && segment.damage.is_empty())
    }
}

/// Reads and checks a whole log directory. The log should not be open elsewhere: what is being written looks damaged.
pub fn inspect(dir: &Path, files: &Files) -> Result<Inspection, LogError> {
    let checkpoint = CheckpointFile::read(files, dir)?.map(|checkpoint| CheckpointSummary {
        clean: checkpoint.state == State::Clean,
        log_start: checkpoint.log_start,
        recovery_point: checkpoint.recovery_point,
        missing: checkpoint.missing,
    });
    let entries = files.disk().list(dir).map_err(DiskError::during("list", dir))?;
    let size_of = |base: Offset, wanted: &str| {
        let mut sizes = entries.iter().filter(|entry| parse_file_name(&entry.name) == Some((base, wanted)));
        sizes.next().map_or(0, |entry| entry.size)
    };
    let mut segments = Vec::new();
    for entry in &entries {
        if let Some((base, "log")) = parse_file_name(&entry.name) {
            segments.push(inspect_segment(dir.into(), base, files, entry.size, size_of(base, "frames"))?);
        }
    }
    Ok(Inspection { checkpoint, segments })
}

fn inspect_segment(
    dir: Arc<Path>,
    base: Offset,
    files: &Files,
    bytes: u64,
    frames_bytes: u64,
) -> Result<SegmentSummary, LogError> {
    let empty = Segment::empty(dir, base);
    let (mut records, mut max_timestamp_ms) = (0, -1);
    let mut count = |batch: &Batch<'_>| {
        records += u64::try_from(batch.header().record_count).unwrap_or(0);
        max_timestamp_ms = batch.header().max_timestamp_ms.max(max_timestamp_ms);
    };
    let (end, batches, damage, index_is_good) =
        match empty.clone().described_by_frames(files, bytes, frames_bytes) {
            Ok(indexed) => {
                let damage = indexed.check_all(files)?;
                let mut scanner = Scanner::new(indexed.open_log(files)?, indexed.log_path(), 0, bytes);
                while let Ok(batch) = scanner.next_batch()? {
                    count(&batch);
                }
                (indexed.end, u64::from(indexed.frame_count()), damage, true)
            }
            Err(IndexError::Disk(error)) => return Err(error.into()),
            Err(IndexError::Damaged(_)) => {
                let mut scanned = empty;
                let file = scanned.open_log(files)?;
                let end = scanned.extend_from_log(file, bytes, |_, batch| {
                    count(batch);
                    Ok(Ok(()))
                })?;
                let damage = match end {
                    ScanEnd::Done => None,
                    ScanEnd::Bad(reason) => {
                        Some(Damage { segment: base, range: scanned.end..scanned.end, reason })
                    }
                };
                (scanned.end, u64::from(scanned.frame_count()), damage.into_iter().collect(), false)
            }
        };
    Ok(SegmentSummary { base, end, bytes, batches, records, max_timestamp_ms, index_is_good, damage })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.checkpoint {
            Some(checkpoint) => checkpoint.fmt(f)?,
            None => writeln!(f, "checkpoint: missing or damaged")?,
        }
        self.segments.iter().try_for_each(|segment| segment.fmt(f))
    }
}

impl fmt::Display for CheckpointSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.clean { "shut down cleanly" } else { "not shut down cleanly" };
        let Self { log_start, recovery_point, .. } = self;
        writeln!(f, "{state}; log start {log_start}, recovery point {recovery_point}")?;
        let mut missing = self.missing.iter();
        missing.try_for_each(|range| writeln!(f, "  missing: offsets {} to {}", range.start, range.end))
    }
}

impl fmt::Display for SegmentSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = if self.index_is_good { "good" } else { "damaged or missing" };
        let Self { base, end, bytes, batches, records, .. } = self;
        writeln!(
            f,
            "segment {base} to {end}: {bytes} bytes, {batches} batches, {records} records, index {index}"
        )?;
        self.damage.iter().try_for_each(|damage| writeln!(f, "  {damage}"))
    }
}
