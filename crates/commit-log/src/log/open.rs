//! Opening a log: after a clean shutdown nothing is read but the ends of the indexes; after a crash everything
//! behind the recovery point is.
//!
//! **Torn tail or rot.** Damage is a torn tail, and is cut off, only where nothing says that the bytes were durable
//! once: behind the recovery point, and behind every durable front that the frames of the segment have noted.
//! Anything else is rot: what is good is kept, what is not is reported as missing, and the damaged file is put aside.
//!
//! **Whole or not.** Each segment ends where the next one begins. Offsets between two segments, or in front of the first,
//! had a file that is gone: they are missing. A batch that reaches into the next segment is damage like any other.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock},
};

use super::{
    Log,
    compaction::{CLEANED_NAME, CompactionState, forget_without_marker, read_cleaned},
    deleted::{DELETED_SUFFIX, DeletedFiles},
    flush::FlushState,
    owned::{FENCED_NAME, Shared, mark_fenced},
    positions::Positions,
    ranges::{add_ranges, outside, push_range},
    recovery_point::{RecoveryState, Snapshots},
    replacing::Pending,
    salvage,
    swap::{SWAP_NAME, Swap},
    tail::Tail,
    unapplied::{UNAPPLIED_NAME, Unapplied},
};
use crate::{
    checkpoint::{Checkpoint, CheckpointFile, State, encode_derived, read_snapshot, write_snapshot},
    derived::{Applied, Derived},
    error::{Damage, DiskError, IndexError, LogError},
    files::Files,
    offset::Offset,
    options::LogOptions,
    segment::{NEW_SUFFIX, ScanEnd, Segment, file_name, parse_file_name},
};

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The log was shut down cleanly: nothing was read.
    pub clean: bool,
    /// Bytes of batches that were read and checked.
    pub scanned_bytes: u64,
    /// Bytes of a torn tail that were cut off. Nothing of them was ever durable.
    pub cut_bytes: u64,
    /// Segments whose index was made anew.
    pub indexes_rebuilt: Vec<Offset>,
    /// What was durable and is damaged. Its offsets are in [`Log::missing`] from now on.
    pub damage: Vec<Damage>,
}

/// Sizes of the files of one segment.
#[derive(Debug, Clone, Copy, Default)]
struct Sizes {
    log: Option<u64>,
    frames: u64,
}

struct Opening {
    dir: Arc<Path>,
    files: Arc<Files>,
    checkpoint: Checkpoint,
    derived: Derived,
    segments: Vec<Segment>,
    snapshots: Vec<Offset>,
    report: Recovered,
    /// The log was fenced: what was not known to be durable may be in the page cache only, and called clean there.
    was_fenced: bool,
    /// How far the log was compacted, if it ever was.
    cleaned: Option<Offset>,
    /// There was no checkpoint: what the log knew where the scan begins is not known either.
    checkpoint_lost: bool,
    unapplied: Option<Unapplied>,
}

impl Log {
    /// Opens the log in `dir`, or makes an empty one that begins at offset 0.
    pub fn open(dir: &Path, files: Arc<Files>, options: LogOptions) -> Result<(Self, Recovered), LogError> {
        files.disk().create_dir(dir).map_err(DiskError::during("create", dir))?;
        let opening = Opening {
            dir: dir.into(),
            checkpoint: CheckpointFile::read(&files, dir)?.unwrap_or_default(),
            files,
            derived: Derived::default(),
            segments: Vec::new(),
            snapshots: Vec::new(),
            report: Recovered::default(),
            was_fenced: false,
            cleaned: None,
            checkpoint_lost: false,
            unapplied: None,
        };
        let files = Arc::clone(&opening.files);
        opening.recover_all(options).inspect_err(|error| {
            if let LogError::Disk(_) = error {
                // What failed may have been a sync: the next open must not believe the page cache either.
                mark_fenced(&files, dir);
            }
        })
    }
}

impl Opening {
    fn recover_all(mut self, options: LogOptions) -> Result<(Log, Recovered), LogError> {
        let mut found = self.list()?;
        if self.checkpoint.state == State::Emptying {
            self.drop_segments(std::mem::take(&mut found).into_iter())?;
            self.report = Recovered::default();
        }
        self.choose_start(found.keys().next().copied())?;
        self.walk(&found)?;
        self.finish(options)
    }

    /// The segments that are there. Files that a crash left unfinished are removed.
    fn list(&mut self) -> Result<BTreeMap<Offset, Sizes>, LogError> {
        let (files, dir) = (&self.files, &self.dir);
        let mut found: BTreeMap<Offset, Sizes> = BTreeMap::new();
        let (mut was_fenced, mut cleaned, mut unapplied) = (false, None, None);
        let list = || files.disk().list(dir).map_err(DiskError::during("list", dir));
        let mut entries = list()?;
        if entries.iter().any(|entry| entry.name == SWAP_NAME) {
            Swap::recover(files, dir)?;
            entries = list()?;
        }
        for entry in &entries {
            match parse_file_name(&entry.name) {
                Some((base, "log")) => found.entry(base).or_default().log = Some(entry.size),
                Some((base, "frames")) => found.entry(base).or_default().frames = entry.size,
                Some((base, "snapshot")) => self.snapshots.push(base),
                _ if entry.name == FENCED_NAME => was_fenced = true,
                _ if entry.name == CLEANED_NAME => cleaned = Some(read_cleaned(files, dir)?),
                _ if entry.name == UNAPPLIED_NAME => unapplied = Unapplied::read(files, dir)?,
                _ if [".tmp", NEW_SUFFIX, DELETED_SUFFIX].iter().any(|end| entry.name.ends_with(end)) => {
                    self.remove(&entry.name)?;
                }
                _ => {}
            }
        }
        // The index of a segment that is gone.
        for base in found.iter().filter(|(_, sizes)| sizes.log.is_none()).map(|(base, _)| *base) {
            self.remove(&file_name(base, "frames"))?;
        }
        found.retain(|_, sizes| sizes.log.is_some());
        (self.was_fenced, self.cleaned, self.unapplied) = (was_fenced, cleaned, unapplied);
        Ok(found)
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let path = self.dir.join(name);
        self.files.remove(&path).map_err(DiskError::during("remove", &path))
    }

    /// Finds the point from which on batches have to be read, with what the log knew there.
    fn choose_start(&mut self, first: Option<Offset>) -> Result<(), LogError> {
        self.report.clean = self.checkpoint.state == State::Clean;
        if let Some(derived) = self.checkpoint.derived() {
            self.derived = derived;
            let missing = &self.checkpoint.missing;
            if self.unapplied.take_if(|unapplied| !unapplied.concerns(missing)).is_some() {
                Unapplied::remove(&self.files, &self.dir)?;
            }
            return Ok(());
        }
        self.checkpoint_lost = true;
        // No checkpoint: the newest snapshot, or the beginning.
        let first = first.unwrap_or_default();
        self.checkpoint.recovery_point = first;
        self.checkpoint.log_start = self.checkpoint.log_start.max(first);
        for base in self.snapshots.iter().rev().copied().filter(|base| *base >= first) {
            let path = self.dir.join(file_name(base, "snapshot"));
            if let Some(derived) = read_snapshot(&self.files, &path)? {
                self.checkpoint.recovery_point = base;
                self.derived = derived;
                break;
            }
        }
        self.checkpoint.derived = encode_derived(&self.derived);
        Ok(())
    }

    fn walk(&mut self, found: &BTreeMap<Offset, Sizes>) -> Result<(), LogError> {
        let mut bases = found.iter().peekable();
        // Where the next segment should begin.
        let mut expected = self.checkpoint.log_start;
        if found.is_empty() {
            self.note_gap(expected..self.checkpoint.recovery_point)?;
        }
        while let Some((base, sizes)) = bases.next() {
            self.note_gap(expected..*base)?;
            let next = bases.peek().map(|(base, _)| **base);
            let segment = Segment::empty(Arc::clone(&self.dir), *base);
            let log_bytes = sizes.log.unwrap_or_default();
            let ends_before = next.is_some_and(|next| next <= self.checkpoint.recovery_point);
            if ends_before || (next.is_none() && self.checkpoint.state == State::Clean) {
                let indexed = segment.clone().described_by_frames(&self.files, log_bytes, sizes.frames);
                match indexed {
                    Ok(segment)
                        if next.map_or(segment.end == self.checkpoint.recovery_point, |next| {
                            segment.end <= next
                        }) =>
                    {
                        expected = expected.max(segment.end);
                        self.segments.push(segment);
                        continue;
                    }
                    Err(IndexError::Disk(error)) => return Err(error.into()),
                    Ok(_) | Err(IndexError::Damaged(_)) => self.report.clean = false,
                }
            }
            self.report.clean = false;
            // Without a checkpoint nobody knows what was durable. A segment that has another behind it most likely was.
            let was_durable =
                ends_before || (self.checkpoint_lost && next.is_some()) || self.any_synced(bases.clone())?;
            if !self.recover(segment, *sizes, next, was_durable)? {
                return self.drop_segments(bases.map(|(base, sizes)| (*base, *sizes)));
            }
            expected = expected.max(self.segments.last().map_or(expected, |segment| segment.end));
        }
        Ok(())
    }

    /// Offsets of the log that no file is there for: what is not known to be missing is from now on.
    fn note_gap(&mut self, gap: Range<Offset>) -> Result<(), LogError> {
        let lost = outside(&self.checkpoint.missing, gap);
        if lost.is_empty() {
            return Ok(());
        }
        self.report.clean = false;
        self.note_missing(lost, |lost| Damage {
            segment: lost.start,
            range: lost.clone(),
            reason: "there is no file with them".to_owned(),
        })
    }

    /// Reports damage, and notes it for the next checkpoint. What is not applied in this one is not in any.
    fn note_missing(
        &mut self,
        lost: Vec<Range<Offset>>,
        damage: impl Fn(&Range<Offset>) -> Damage,
    ) -> Result<(), LogError> {
        let from = self.checkpoint.recovery_point;
        let derived = self.checkpoint.derived().unwrap_or_default();
        let unapplied = Unapplied { from, derived };
        if self.unapplied.is_none() && unapplied.concerns(&lost) {
            unapplied.write(&self.files, &self.dir)?;
            self.unapplied = Some(unapplied);
        }
        self.report.damage.extend(lost.iter().map(damage));
        self.checkpoint.missing = add_ranges(&self.checkpoint.missing, lost);
        Ok(())
    }

    /// Whether the index of any of these segments notes that something of it was durable: then all segments in
    /// front of it were.
    fn any_synced<'a>(
        &self,
        mut segments: impl Iterator<Item = (&'a Offset, &'a Sizes)>,
    ) -> Result<bool, DiskError> {
        segments.try_fold(false, |any, (base, sizes)| {
            let segment = Segment::empty(Arc::clone(&self.dir), *base);
            Ok(any || segment.good_frames(&self.files, sizes.frames)?.synced > 0)
        })
    }

    /// Checks a segment's batches from the recovery point on, or all if its index is no help. `false` if it ends in
    /// a torn tail, so that nothing after it counts. `was_durable`: all of it was, so that no tail can be torn.
    fn recover(
        &mut self,
        segment: Segment,
        sizes: Sizes,
        next: Option<Offset>,
        was_durable: bool,
    ) -> Result<bool, LogError> {
        let log_bytes = sizes.log.unwrap_or_default();
        let recovery_point = self.checkpoint.recovery_point;
        let described = segment.good_frames(&self.files, sizes.frames)?;
        let known = self.cut_below(&described, next.unwrap_or(described.end))?;
        let trusted = self.cut_below(&known, recovery_point)?;
        let durable_bytes = described.synced.max(trusted.size);
        let mut segment = if u64::from(trusted.size) <= log_bytes {
            trusted
        } else {
            Segment::empty(Arc::clone(&self.dir), known.base)
        };
        if segment.base >= recovery_point && segment.base > Offset(0) {
            // What the next flush would have written.
            let path = self.dir.join(file_name(segment.base, "snapshot"));
            write_snapshot(&self.files, &path, &encode_derived(&self.derived))?;
            self.snapshots.push(segment.base);
        }
        if segment.end < recovery_point.min(next.unwrap_or(recovery_point)) {
            self.report.indexes_rebuilt.push(segment.base);
        }
        let end = self.scan(&mut segment, &known, log_bytes, next)?;
        let short = segment.size < durable_bytes || (next.is_none() && segment.end < recovery_point);
        // The end of a file can be lost between two batches, and the file after it be there all the same.
        let noted_end =
            self.checkpoint.missing.last().map_or(segment.end, |missing| missing.end.max(segment.end));
        let gap = next.is_some_and(|next| noted_end < next);
        let (torn, rot) = match end {
            ScanEnd::Done if !short => (gap && !was_durable, None),
            ScanEnd::Bad(_) if !short && !was_durable => (true, None),
            ScanEnd::Bad(reason) => (false, Some(reason)),
            ScanEnd::Done => (false, Some(format!("the file ends at {}", segment.size))),
        };
        match rot {
            Some(reason) => segment = self.salvage(&segment, &known, log_bytes, next, reason)?,
            None => segment.keep_stored(&known),
        }
        if torn {
            self.cut(&segment, log_bytes)?;
        }
        if self.was_fenced {
            salvage::rewrite(&self.files, &segment)?;
            segment.forget_stored_frames(&self.files)?;
        }
        segment.replace_frames(&self.files)?;
        // Until it is synced as a whole.
        segment.synced = 0;
        let end = segment.end;
        self.segments.push(segment);
        // Offsets are never used twice, not even lost ones.
        let lost_end = self.checkpoint.missing.last().map_or(end, |missing| missing.end);
        if next.is_none() && lost_end > end {
            self.begin_segment(lost_end)?;
        }
        Ok(!torn)
    }

    /// What of a segment ends below an offset, by its index; nothing if that is damaged.
    fn cut_below(&self, segment: &Segment, offset: Offset) -> Result<Segment, DiskError> {
        match segment.cut_below(&self.files, offset) {
            Ok(cut) => Ok(cut),
            Err(IndexError::Disk(error)) => Err(error),
            Err(IndexError::Damaged(_)) => Ok(Segment::empty(Arc::clone(&self.dir), segment.base)),
        }
    }

    /// Reads and checks what the segment has behind its known batches, up to the base of the next one.
    fn scan(
        &mut self,
        segment: &mut Segment,
        known: &Segment,
        log_bytes: u64,
        next: Option<Offset>,
    ) -> Result<ScanEnd, LogError> {
        let from = segment.size;
        let recovery_point = self.checkpoint.recovery_point;
        let strict = !self.checkpoint_lost;
        let (files, derived, missing) = (&self.files, &mut self.derived, &self.checkpoint.missing);
        let file = segment.open_log(files)?;
        let end = segment.extend_from_log(file, log_bytes, |segment, batch| {
            let applied = match (segment.agrees(files, known, batch)?, Applied::of(batch)) {
                (Ok(()), Ok(applied)) => applied,
                (Err(reason), _) => return Ok(Err(reason)),
                (Ok(()), Err(error)) => return Ok(Err(error.to_string())),
            };
            let header = &applied.header;
            if let Some(next) = next.filter(|next| header.next_offset() > *next) {
                return Ok(Err(format!(
                    "the batch at {} reaches into the segment at {next}",
                    header.base_offset
                )));
            }
            if header.base_offset < recovery_point {
                return Ok(Ok(()));
            }
            // Kafka's CRC covers neither offset nor epoch. Without a frame they must be those that were to come next:
            // a flush of any others makes their frame durable with them. The epoch may have begun in a batch that is lost.
            let (latest, epoch) = (derived.epochs.latest(), Some(header.leader_epoch));
            let behind_lost = missing.iter().any(|missing| missing.end == header.base_offset);
            let foreseen =
                header.base_offset == segment.end && (latest == epoch || (behind_lost && latest < epoch));
            if strict && segment.frame_count() >= known.frame_count() && !foreseen {
                return Ok(Err(format!(
                    "nothing vouches for the header of the batch behind {}",
                    segment.end
                )));
            }
            derived.apply(&applied);
            Ok(Ok(()))
        })?;
        self.report.scanned_bytes += u64::from(segment.size - from);
        Ok(end)
    }

    fn begin_segment(&mut self, base: Offset) -> Result<(), LogError> {
        let segment = Segment::empty(Arc::clone(&self.dir), base);
        let path = segment.log_path();
        self.files.create(&path).map_err(DiskError::during("create", &path))?;
        self.segments.push(segment);
        Ok(())
    }

    /// Cuts a torn tail off.
    fn cut(&mut self, segment: &Segment, log_bytes: u64) -> Result<(), LogError> {
        self.report.cut_bytes += log_bytes - u64::from(segment.size);
        let path = segment.log_path();
        segment
            .open_log(&self.files)?
            .truncate(u64::from(segment.size))
            .map_err(DiskError::during("truncate", &path))?;
        Ok(())
    }

    /// Removes segments behind a torn tail: no flush had reached them.
    fn drop_segments(&mut self, gone: impl Iterator<Item = (Offset, Sizes)>) -> Result<(), LogError> {
        for (base, sizes) in gone {
            self.report.cut_bytes += sizes.log.unwrap_or_default();
            Segment::empty(Arc::clone(&self.dir), base).remove_files(&self.files)?;
        }
        Ok(())
    }

    /// Keeps the good batches of a damaged segment, and notes what is missing before anything is replaced.
    fn salvage(
        &mut self,
        good: &Segment,
        known: &Segment,
        log_bytes: u64,
        next: Option<Offset>,
        reason: String,
    ) -> Result<Segment, LogError> {
        let saved = salvage::copy_good(&self.files, good, known, log_bytes)?;
        let end = known.end.max(self.checkpoint.recovery_point);
        let end = next.unwrap_or(end).max(saved.segment.end);
        let mut ranges = saved.missing;
        // Whether compaction or damage left the end empty is not known: better ask for too much.
        push_range(&mut ranges, saved.segment.end.max(good.end)..end);
        let damage = |range: &Range<Offset>| Damage {
            segment: good.base,
            range: range.clone(),
            reason: reason.clone(),
        };
        if ranges.is_empty() {
            // Nothing that the log has no good copy of: still, the file is put aside, and that has a reason.
            self.report.damage.push(damage(&(end..end)));
        }
        self.note_missing(ranges, damage)?;
        let checkpoint = self.checkpoint.clone();
        CheckpointFile::new(Arc::clone(&self.files), &self.dir, checkpoint)
            .write(|next| next.state = State::Open)?;
        salvage::install(&self.files, good)?;
        for batch in &saved.applied {
            if batch.header.base_offset >= self.checkpoint.recovery_point {
                self.derived.apply(batch);
            }
        }
        Ok(saved.segment)
    }

    /// A snapshot must never be taken for that of another segment that begins there later.
    fn remove_snapshots_above(&mut self, end: Offset) -> Result<(), DiskError> {
        self.snapshots.sort();
        self.snapshots.dedup();
        for base in self.snapshots.extract_if(.., |base| *base > end).collect::<Vec<_>>() {
            self.remove(&file_name(base, "snapshot"))?;
        }
        Ok(())
    }

    fn finish(mut self, options: LogOptions) -> Result<(Log, Recovered), LogError> {
        let start = self.checkpoint.log_start;
        if self.segments.is_empty() {
            self.begin_segment(start.max(self.checkpoint.recovery_point))?;
            self.report.clean = false;
        }
        if self.segments.last().is_some_and(|segment| segment.end < start) {
            // Only what was deleted anyway is left.
            let gone = std::mem::take(&mut self.segments);
            self.drop_segments(gone.iter().map(|segment| (segment.base, Sizes::default())))?;
            self.begin_segment(start)?;
        }
        let end = self.segments.last().map_or(start, |segment| segment.end);
        self.remove_snapshots_above(end)?;
        let since = match self.segments.last() {
            Some(segment) => segment.first_timestamp_ms(&self.files)?,
            None => None,
        };
        let missing = self.checkpoint.missing.clone();
        self.derived.start_at(start.min(end));
        if self.cleaned.is_some() {
            forget_without_marker(&self.files, &self.segments, &missing, &mut self.derived)?;
        }
        let checkpoint =
            CheckpointFile::new(Arc::clone(&self.files), &self.dir, std::mem::take(&mut self.checkpoint));
        if !self.report.clean {
            make_durable(&self.files, &self.dir, &mut self.segments)?;
            if self.was_fenced {
                self.remove(FENCED_NAME)?;
            }
            let derived = encode_derived(&self.derived);
            checkpoint.write(|next| {
                next.state = State::Open;
                (next.recovery_point, next.derived) = (end, derived);
            })?;
        }
        let shared = Shared {
            files: Arc::clone(&self.files),
            dir: Arc::clone(&self.dir),
            fence: OnceLock::new(),
            checkpoint,
            pending: Pending::default(),
        };
        let log = Log {
            dir: self.dir,
            positions: Positions::synced(start, end),
            tail: Tail::new(end, options.tail_bytes),
            options,
            segments: self.segments,
            derived: self.derived,
            active: None,
            active_since_ms: since,
            missing,
            unapplied: self.unapplied,
            flush: FlushState::default(),
            recovery: RecoveryState::default(),
            snapshots: Snapshots::stored(self.snapshots),
            compaction: CompactionState::new(self.cleaned, end),
            replacing: None,
            idle: (end, None),
            deleted: DeletedFiles::default(),
            clean: self.report.clean,
            files: self.files,
            shared: Arc::new(shared),
        };
        Ok((log, self.report))
    }
}

/// What a crash left may be in the page cache only: it counts as durable once it is synced here.
fn make_durable(files: &Files, dir: &Path, segments: &mut [Segment]) -> Result<(), DiskError> {
    for segment in segments.iter_mut().filter(|segment| segment.synced < segment.size || segment.is_empty()) {
        segment.sync_log(files)?;
        segment.sync_frames(files)?;
        segment.synced = segment.size;
    }
    files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))
}
