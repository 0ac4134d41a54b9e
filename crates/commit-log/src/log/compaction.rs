//! Compaction of a log: planned with the log in hand, done without it, put in place with it again, one group of
//! segments at a time. What is decided about each batch is in [`crate::compact`].
//!
//! **When a crash comes.** A group's new segments take the place of the old ones in one step (see `swap`), the groups
//! from the front of the log on. So a tombstone is never gone before the records that it replaced. How far the log was
//! compacted is noted at the very end, in the file `cleaned`; if that is lost, more is walked next time.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{Arc, Weak},
};

use super::{
    Log, SwapJob,
    owned::Shared,
    replacing::{CompactionStep, Replacing},
};
use crate::{
    batch::{Batch, BatchHeader, placeholder},
    bytes::Reader,
    checkpoint::{read_small, seal, unseal},
    compact::{Cleaner, DECOMPRESSED_BYTES_MAX, OffsetMap, Outcome, TransactionCleaner},
    derived::{AbortedTransaction, Applied, Derived, LastOfProducer},
    error::{Damage, DiskError, IndexError, LogError},
    files::Files,
    offset::{Offset, ProducerId},
    segment::{Segment, SegmentWriter},
};

/// Name of the file that says how far the log was compacted.
pub(super) const CLEANED_NAME: &str = "cleaned";

pub(super) const CLEANED_MAGIC: &[u8; 8] = b"dmqcln\0\x01";

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// How a log is compacted. What has a name of Kafka's means what it means there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compaction {
    /// How long tombstones stay, in ms, after the first compaction that met them (`delete.retention.ms`).
    pub delete_retention_ms: i64,
    /// Records younger than this are left alone, in ms (`min.compaction.lag.ms`).
    pub min_lag_ms: i64,
    /// Records older than this are compacted whatever the ratio, in ms (`max.compaction.lag.ms`). The active segment
    /// is never compacted: `segment_ms` should not be above this.
    pub max_lag_ms: i64,
    /// Least part of the log that must be new since the last compaction, 0 to 1 (`min.cleanable.dirty.ratio`).
    pub min_dirty_ratio: f64,
    /// Memory for the offsets of keys, in bytes (`log.cleaner.dedupe.buffer.size`): 24 bytes a key, and a tenth more.
    pub buffer_bytes: usize,
}

impl Default for Compaction {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            delete_retention_ms: 24 * 3_600_000,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            min_dirty_ratio: 0.5,
            buffer_bytes: 128 << 20,
        }
    }
}

/// Where compaction of a log stands.
#[derive(Debug, Default)]
pub(super) struct CompactionState {
    /// Everything below was compacted once.
    pub(super) cleaned: Offset,
    /// Something was, ever: the file that says how far is there.
    pub(super) begun: bool,
    /// Counts truncations: a job that began before one knows of keys that are gone.
    pub(super) truncations: u64,
    /// Of the job that is out.
    running: Weak<()>,
}

/// A compaction that is not done yet; needs no borrow of the log. Dropping it abandons it.
#[derive(Debug)]
pub struct CompactionJob {
    shared: Arc<Shared>,
    settings: Compaction,
    now_ms: i64,
    /// Largest segment to make.
    segment_bytes: u32,
    truncations: u64,
    /// All that may be compacted, from the front of the log on.
    segments: Vec<Segment>,
    first_dirty: Offset,
    /// As of the recovery point: what a producer wrote since may not survive.
    producers: BTreeMap<ProducerId, LastOfProducer>,
    aborted: Vec<AbortedTransaction>,
    /// Once the keys were gathered.
    cleaner: Option<Cleaner>,
    /// How many segments were walked.
    walked: usize,
    done: bool,
    _running: Arc<()>,
}

/// A step of a [`CompactionJob`], for [`Log::start_swap`].
#[derive(Debug)]
#[must_use = "nothing has changed before `start_swap`"]
pub struct Compacted {
    truncations: u64,
    /// A segment that takes the place of these.
    swap: Option<(Vec<Segment>, Segment)>,
    /// Markers of aborted transactions of which nothing is left.
    forgotten: Vec<Offset>,
    /// The last step: everything below was compacted.
    cleaned: Option<Offset>,
    /// Bytes of batches that were read.
    pub read_bytes: u64,
    /// Bytes of batches that are left of them.
    pub kept_bytes: u64,
}

impl CompactionJob {
    /// The next step; `None` after the last one. An error ends the job, and changes nothing in the log; damage should be
    /// shown to [`Log::quarantine`], which makes a damaged index anew.
    pub fn next_step(&mut self) -> Option<Result<Compacted, LogError>> {
        if std::mem::replace(&mut self.done, true) {
            return None;
        }
        let step = self.step();
        self.done = step.as_ref().map_or(true, |step| step.cleaned.is_some());
        Some(step)
    }

    fn step(&mut self) -> Result<Compacted, LogError> {
        self.shared.check()?;
        let mut cleaner = match self.cleaner.take() {
            Some(cleaner) => cleaner,
            None => self.gather_keys()?,
        };
        let end = cleaner.map.end();
        let group = self.next_group(end);
        let mut step = Compacted {
            truncations: self.truncations,
            swap: None,
            forgotten: Vec::new(),
            cleaned: None,
            read_bytes: group.iter().map(|segment| u64::from(segment.size)).sum(),
            kept_bytes: 0,
        };
        if group.is_empty() {
            step.cleaned = Some(end);
            return Ok(step);
        }
        self.walked += group.len();
        let (new, changed) = self.clean_group(&mut cleaner, &group)?;
        step.kept_bytes = u64::from(new.size);
        step.forgotten = cleaner.transactions.take_forgotten();
        if changed {
            step.swap = Some((group, new));
        } else {
            new.remove_new(&self.shared.files)?;
        }
        self.cleaner = Some(cleaner);
        Ok(step)
    }

    /// First walk: the last offset of each key, from the first dirty record on, as far as the buffer goes.
    fn gather_keys(&self) -> Result<Cleaner, LogError> {
        let until = self.segments.last().map_or(self.first_dirty, |segment| segment.end);
        let offsets = usize::try_from(until - self.first_dirty).unwrap_or(usize::MAX);
        let mut map = OffsetMap::new(self.settings.buffer_bytes, offsets, self.first_dirty);
        let mut transactions = TransactionCleaner::new(self.aborted_since(self.first_dirty));
        'segments: for segment in self.segments.iter().filter(|segment| segment.end > self.first_dirty) {
            let mut next = self.first_dirty.max(segment.base);
            while let Some((bytes, end)) = self.read(segment, next)? {
                for batch in Batch::all(&bytes) {
                    let batch = batch.map_err(|error| unreadable(segment, &error))?;
                    if !enter(&mut map, &mut transactions, &batch)
                        .map_err(|error| unreadable(segment, &error))?
                    {
                        break 'segments;
                    }
                }
                next = end;
            }
            map.entered(segment.end);
        }
        if map.end() == self.first_dirty && until > self.first_dirty {
            return Err(LogError::Format {
                path: self.shared.dir.to_path_buf(),
                reason: format!(
                    "the keys of its first batch to compact do not fit in {} bytes",
                    self.settings.buffer_bytes
                ),
            });
        }
        Ok(Cleaner {
            map,
            transactions: TransactionCleaner::new(self.aborted.clone()),
            producers: self.producers.clone(),
            now_ms: self.now_ms,
            delete_retention_ms: self.settings.delete_retention_ms,
        })
    }

    fn aborted_since(&self, from: Offset) -> Vec<AbortedTransaction> {
        self.aborted.iter().filter(|aborted| aborted.last >= from).copied().collect()
    }

    /// Neighbours that fit in one segment, as they are now: so that small ones grow together again.
    fn next_group(&self, end: Offset) -> Vec<Segment> {
        let left = self.segments.iter().skip(self.walked).take_while(|segment| segment.base < end);
        let (mut group, mut bytes) = (Vec::new(), 0_u64);
        for segment in left {
            let base = group.first().map_or(segment.base, |first: &Segment| first.base);
            bytes += u64::from(segment.size);
            let fits = bytes <= u64::from(self.segment_bytes) && i32::try_from(segment.end - base).is_ok();
            if !fits && !group.is_empty() {
                break;
            }
            group.push(segment.clone());
        }
        group
    }

    /// Second walk: writes what stays of a group. Gives whether that is any different.
    fn clean_group(&self, cleaner: &mut Cleaner, group: &[Segment]) -> Result<(Segment, bool), LogError> {
        let base = group.first().map_or(Offset(0), |segment| segment.base);
        let files = &self.shared.files;
        let mut writer = SegmentWriter::create(files, Arc::clone(&self.shared.dir), base)?;
        let mut changed = group.len() > 1;
        let mut last_gone: Option<BatchHeader> = None;
        for segment in group {
            let mut next = segment.base;
            while let Some((bytes, end)) = self.read(segment, next)? {
                for batch in Batch::all(&bytes) {
                    let batch = batch.map_err(|error| unreadable(segment, &error))?;
                    changed |= last_gone.take().is_some();
                    match cleaner.clean(&batch).map_err(|error| unreadable(segment, &error))? {
                        Outcome::Same => writer.push(&batch)?,
                        Outcome::Changed(bytes) => {
                            changed = true;
                            push(&mut writer, segment, &bytes)?;
                        }
                        Outcome::Gone => last_gone = Some(*batch.header()),
                    }
                }
                next = end;
            }
        }
        if let (Some(segment), Some(last)) = (group.last(), last_gone) {
            let bytes = placeholder(&last).map_err(|error| unreadable(segment, &error))?;
            // It may be there since an earlier compaction.
            changed |= BatchHeader::parse(&bytes).as_ref() != Ok(&last);
            push(&mut writer, segment, &bytes)?;
        }
        let new = writer.finish()?;
        let dir = &self.shared.dir;
        files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))?;
        Ok((new, changed))
    }

    /// Batches from `from` on, checked, and where they end.
    fn read(&self, segment: &Segment, from: Offset) -> Result<Option<(Vec<u8>, Offset)>, LogError> {
        let files = &self.shared.files;
        let located = segment.locate(files, from, segment.end, READ_BYTES);
        match located.map_err(|error| segment.damaged_index(error))? {
            Some(located) => Ok(Some((segment.read(files, &located)?, located.end()))),
            None => Ok(None),
        }
    }
}

/// Enters the keys of a batch whose records count. `false` if the map has no room for all of them.
fn enter(
    map: &mut OffsetMap,
    transactions: &mut TransactionCleaner,
    batch: &Batch<'_>,
) -> Result<bool, crate::batch::BatchError> {
    let applied = Applied::of(batch)?;
    let header = &applied.header;
    let dispensable = transactions.is_dispensable(&applied);
    let counts = !dispensable && !header.attributes.is_control();
    // A batch whose keys are entered in part would be neither old nor new.
    if !map.has_room(usize::try_from(header.record_count).unwrap_or(usize::MAX)) {
        return Ok(false);
    }
    if counts {
        for record in batch.payload(DECOMPRESSED_BYTES_MAX)?.records() {
            let record = record?;
            if let Some(key) = record.key {
                map.put(key, record.offset);
            }
        }
    }
    map.entered(header.next_offset());
    Ok(true)
}

fn push(writer: &mut SegmentWriter, segment: &Segment, bytes: &[u8]) -> Result<(), LogError> {
    let (batch, _) = Batch::split_first(bytes).map_err(|error| unreadable(segment, &error))?;
    Ok(writer.push(&batch)?)
}

fn unreadable(segment: &Segment, error: &dyn std::fmt::Display) -> Damage {
    Damage { segment: segment.base, range: segment.base..segment.end, reason: error.to_string() }
}

impl Log {
    /// A job that compacts the log, if that is worth it by its settings; at most one is out at a time. `now_ms` is the
    /// wall clock. Only what is durable, decided and replicated is compacted, never the active segment, and nothing
    /// while offsets are [missing](Log::missing).
    pub fn plan_compaction(
        &mut self,
        settings: &Compaction,
        now_ms: i64,
        high_watermark: Offset,
    ) -> Result<Option<CompactionJob>, LogError> {
        self.settle()?;
        if self.compaction.running.strong_count() > 0 || !self.missing.is_empty() {
            return Ok(None);
        }
        let checkpoint = self.shared.checkpoint.current();
        if checkpoint.log_start < self.log_start() {
            // A crash may bring back what is below, and of that is not known any more which transactions were aborted.
            return Ok(None);
        }
        let recovery_point = checkpoint.recovery_point;
        // A transaction counts as decided once its marker is durable here, too.
        let limit = self.last_stable(high_watermark.min(recovery_point));
        let young = now_ms.saturating_sub(settings.min_lag_ms);
        let before_active = self.segments.split_last().map_or(&[][..], |(_, before)| before);
        let segments: Vec<Segment> = before_active
            .iter()
            .take_while(|segment| segment.end <= limit)
            .take_while(|segment| settings.min_lag_ms <= 0 || segment.max_timestamp_ms <= young)
            .cloned()
            .collect();
        let first_dirty =
            self.compaction.cleaned.max(self.segments.first().map_or(Offset(0), |first| first.base));
        if !self.is_worth_it(&segments, first_dirty, settings, now_ms)? {
            return Ok(None);
        }
        let running = Arc::new(());
        self.compaction.running = Arc::downgrade(&running);
        Ok(Some(CompactionJob {
            shared: Arc::clone(&self.shared),
            settings: *settings,
            now_ms,
            segment_bytes: self.options.segment_bytes,
            truncations: self.compaction.truncations,
            aborted: self.derived.transactions.aborted(&(Offset(0)..limit)),
            producers: checkpoint.derived().unwrap_or_default().producers.last_of_each(),
            segments,
            first_dirty,
            cleaner: None,
            walked: 0,
            done: false,
            _running: running,
        }))
    }

    fn is_worth_it(
        &self,
        segments: &[Segment],
        first_dirty: Offset,
        settings: &Compaction,
        now_ms: i64,
    ) -> Result<bool, LogError> {
        let (mut clean, mut dirty, mut late) = (0_u64, 0_u64, false);
        for segment in segments {
            if segment.end <= first_dirty {
                clean += u64::from(segment.size);
                continue;
            }
            dirty += u64::from(segment.size);
            if settings.max_lag_ms < i64::MAX {
                let since_ms = segment.first_timestamp_ms(&self.files)?;
                late |=
                    since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) > settings.max_lag_ms);
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "a ratio of bytes")]
        let ratio = dirty as f64 / (clean + dirty).max(1) as f64;
        Ok(dirty > 0 && (ratio >= settings.min_dirty_ratio || late))
    }

    /// A job that puts a step of a compaction in place. `None` if the log has changed meanwhile in a way that makes the step
    /// meaningless: nothing happened.
    pub fn start_swap(&mut self, step: Compacted) -> Result<Option<SwapJob>, LogError> {
        let (old, new) = step.swap.map_or((Vec::new(), None), |(old, new)| (old, Some(new)));
        let mut job = None;
        if step.truncations == self.compaction.truncations {
            let Compacted { forgotten, cleaned, .. } = step;
            let step = Some(CompactionStep { forgotten, cleaned });
            job = self.replace(Replacing { old, new: new.iter().cloned().collect(), step })?;
        }
        if let Some(new) = new.filter(|_| job.is_none()) {
            self.change(|| new.remove_new(&self.files))?;
        }
        Ok(job)
    }

    /// All of that here and now. `false`: nothing happened.
    pub fn install_compacted(&mut self, step: Compacted) -> Result<bool, LogError> {
        let installed = self.start_swap(step)?.is_some();
        self.settle()?;
        Ok(installed)
    }

    /// Notes how far the log was compacted.
    pub(super) fn set_cleaned(&mut self, cleaned: Offset) -> Result<(), LogError> {
        self.change(|| write_cleaned(&self.files, &self.dir, cleaned))?;
        (self.compaction.cleaned, self.compaction.begun) = (cleaned, true);
        Ok(())
    }

    /// How far the log was compacted: Kafka's cleaner checkpoint.
    pub fn compacted_until(&self) -> Offset {
        self.compaction.cleaned
    }

    /// Before the log is cut: what was compacted above its new end is gone.
    pub(super) fn truncate_cleaned(&mut self, end: Offset) -> Result<(), LogError> {
        self.compaction.truncations += 1;
        if self.compaction.cleaned > end { self.set_cleaned(end) } else { Ok(()) }
    }
}

/// Writes the file.
pub(super) fn write_cleaned(files: &Files, dir: &Path, cleaned: Offset) -> Result<(), DiskError> {
    let path = dir.join(CLEANED_NAME);
    let bytes = seal(*CLEANED_MAGIC, &cleaned.0.to_be_bytes());
    files.replace(&path, &bytes).map_err(DiskError::during("replace", &path))
}

/// What the file says, if it is there; the log's front if it is damaged.
pub(super) fn read_cleaned(files: &Files, dir: &Path) -> Result<Offset, DiskError> {
    let bytes = read_small(files, &dir.join(CLEANED_NAME), *CLEANED_MAGIC)?;
    let offset = bytes.and_then(|bytes| Reader::new(unseal(*CLEANED_MAGIC, &bytes)?).i64());
    Ok(Offset(offset.unwrap_or(0).max(0)))
}

/// Lets a compacted log forget aborted transactions whose marker is gone. The running log has done so, but what was stored
/// before may tell of them still; and a consumer that is told of one waits for its marker in vain.
pub(super) fn forget_without_marker(
    files: &Files,
    segments: &[Segment],
    missing: &[Range<Offset>],
    derived: &mut Derived,
) -> Result<(), LogError> {
    let mut gone = Vec::new();
    for aborted in derived.transactions.aborted(&(Offset(0)..Offset(i64::MAX))) {
        let marker = aborted.last;
        if !missing.iter().any(|missing| missing.contains(&marker)) && !has_marker(files, segments, marker)? {
            gone.push(marker);
        }
    }
    derived.transactions.forget_aborted(&gone);
    Ok(())
}

/// Whether there is a control batch at this offset. A damaged one counts.
fn has_marker(files: &Files, segments: &[Segment], marker: Offset) -> Result<bool, LogError> {
    let index = segments.partition_point(|segment| segment.base <= marker);
    let Some(segment) = index.checked_sub(1).and_then(|index| segments.get(index)) else { return Ok(false) };
    if marker >= segment.end {
        return Ok(false);
    }
    match segment.find_offset(files, marker).and_then(|index| segment.read_one(files, index)) {
        Ok(Ok(bytes)) => Ok(BatchHeader::parse(&bytes)
            .is_ok_and(|header| header.last_offset() == marker && header.attributes.is_control())),
        Ok(Err(LogError::Damaged(_))) | Err(IndexError::Damaged(_)) => Ok(true),
        Ok(Err(error)) => Err(error),
        Err(IndexError::Disk(error)) => Err(error.into()),
    }
}

impl CompactionState {
    /// As the file says; `None` without one.
    pub(super) fn new(cleaned: Option<Offset>, end: Offset) -> Self {
        Self { cleaned: cleaned.unwrap_or_default().min(end), begun: cleaned.is_some(), ..Self::default() }
    }
}
