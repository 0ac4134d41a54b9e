//! What is there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::Offset;

use super::report::{
    CheckpointReport, CheckpointState, EpochStart, Finding, FindingKind, IndexState, Inspection, Knowledge,
    OtherFile, Recovery, SegmentReport,
};
use crate::{
    Files, Log, LogError, LogOptions, OPEN_FILES_DEFAULT, Recovered,
    checkpoint::{CHECKPOINT_NAME, CheckpointFile, State},
    disk::{Disk, FileEntry, Overlay, ReadOnlyDisk},
    error::{Damage, DiskError, IndexError},
    log::{SWAP_NAME, Swap},
    segment::{Segment, file_name, parse_file_name},
};

/// Looks at one log directory. See the [module](super).
#[derive(Debug)]
pub struct Inspector {
    pub(super) dir: PathBuf,
    /// For what stands there; never written to.
    pub(super) files: Files,
    disk: Arc<dyn Disk>,
}

/// Sizes of a segment's files.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sizes {
    pub(super) log: Option<u64>,
    pub(super) frames: u64,
}

/// The files of a log directory by what they are for.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) segments: BTreeMap<Offset, Sizes>,
    pub(super) others: Vec<OtherFile>,
    pub(super) has_checkpoint: bool,
}

impl Inspector {
    /// For a directory of this machine. Needs no permission but to read.
    pub fn new(dir: &Path) -> Self {
        Self::on(Arc::new(ReadOnlyDisk), dir)
    }

    /// For a directory of any disk, which is only read.
    pub fn on(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        let files = Files::new(Arc::clone(&disk), OPEN_FILES_DEFAULT);
        Self { dir: dir.to_owned(), files, disk }
    }

    /// What is there, and what the next start would make of it.
    ///
    /// # Errors
    /// If the directory cannot be read, or a log in it not be opened.
    pub fn look(&self) -> Result<Inspection, LogError> {
        let listing = self.list()?;
        let checkpoint = self.checkpoint(&listing)?;
        let mut segments = Vec::new();
        for (base, sizes) in &listing.segments {
            segments.push(self.segment(*base, *sizes)?);
        }
        let (log, recovered) = self.open()?;
        Ok(Inspection {
            dir: self.dir.clone(),
            checkpoint,
            segments,
            other_files: listing.others,
            recovery: Recovery::of(&log, &recovered),
            knowledge: Knowledge::of(&log),
        })
    }

    /// Opens the log as the next start would, with all changes forgotten afterwards.
    pub(super) fn open(&self) -> Result<(Log, Recovered), LogError> {
        let overlay = Overlay::new(Arc::clone(&self.disk));
        let files = Arc::new(Files::new(Arc::new(overlay), OPEN_FILES_DEFAULT));
        Log::open(&self.dir, files, LogOptions::default())
    }

    /// The directory as it is once segments that were being replaced are, where a crash came in between.
    pub(super) fn settled(&self) -> Result<Self, LogError> {
        let overlay: Arc<dyn Disk> = Arc::new(Overlay::new(Arc::clone(&self.disk)));
        Swap::recover(&Files::new(Arc::clone(&overlay), OPEN_FILES_DEFAULT), &self.dir)?;
        Ok(Self::on(overlay, &self.dir))
    }

    pub(super) fn list(&self) -> Result<Listing, LogError> {
        let entries = self.disk.list(&self.dir).map_err(DiskError::during("list", &self.dir))?;
        let mut listing = Listing::default();
        for FileEntry { name, size } in entries {
            match parse_file_name(&name) {
                Some((base, "log")) => listing.segments.entry(base).or_default().log = Some(size),
                Some((base, "frames")) => listing.segments.entry(base).or_default().frames = size,
                _ if name == CHECKPOINT_NAME => listing.has_checkpoint = true,
                _ => {
                    let purpose = purpose(&name);
                    listing.others.push(OtherFile { name, bytes: size, purpose });
                }
            }
        }
        Ok(listing)
    }

    pub(super) fn checkpoint(&self, listing: &Listing) -> Result<CheckpointReport, LogError> {
        let Some(checkpoint) = CheckpointFile::read(&self.files, &self.dir)? else {
            let state =
                if listing.has_checkpoint { CheckpointState::Damaged } else { CheckpointState::Missing };
            return Ok(CheckpointReport { state, ..CheckpointReport::default() });
        };
        let state = match checkpoint.state {
            State::Open => CheckpointState::Open,
            State::Clean => CheckpointState::Clean,
            State::Emptying => CheckpointState::Emptying,
        };
        Ok(CheckpointReport {
            state,
            log_start: checkpoint.log_start,
            recovery_point: checkpoint.recovery_point,
            missing: checkpoint.missing,
        })
    }

    /// A segment as its index tells it, without reading its batches.
    pub(super) fn segment(&self, base: Offset, sizes: Sizes) -> Result<SegmentReport, LogError> {
        let log_bytes = sizes.log.unwrap_or(0);
        let known = self.known(base, sizes)?;
        let whole = Segment::empty(self.dir.as_path().into(), base);
        let index = match whole.described_by_frames(&self.files, log_bytes, sizes.frames) {
            Ok(_) => IndexState::Good,
            Err(IndexError::Disk(error)) => return Err(error.into()),
            Err(IndexError::Damaged(_)) if sizes.frames == 0 => IndexState::Missing,
            Err(IndexError::Damaged(_)) => {
                let all_good = u64::from(known.frame_count()) * 32 == sizes.frames;
                if all_good && u64::from(known.size) < log_bytes {
                    IndexState::Behind
                } else {
                    IndexState::Damaged
                }
            }
        };
        Ok(SegmentReport {
            base_offset: base,
            end_offset: known.end,
            log_bytes,
            index_bytes: sizes.frames,
            index,
            indexed_batches: known.frame_count(),
            indexed_bytes: known.size,
            durable_bytes: known.synced,
            max_timestamp_ms: known.max_timestamp_ms,
        })
    }

    /// A segment as the good front of its index tells it.
    pub(super) fn known(&self, base: Offset, sizes: Sizes) -> Result<Segment, DiskError> {
        Segment::empty(self.dir.as_path().into(), base).good_frames(&self.files, sizes.frames)
    }
}

/// What a file that is neither batches nor index nor checkpoint is for.
fn purpose(name: &str) -> &'static str {
    match parse_file_name(name).map_or("", |(_, suffix)| suffix) {
        "snapshot" => "what the log knew at this offset",
        "damaged" => "the original of a segment that had rot; for people, may be deleted",
        "log.new" | "frames.new" => {
            "a segment that was being written anew; the next start finishes or removes it"
        }
        _ if name == SWAP_NAME => "which segments take the place of which; the next start finishes it",
        _ if name == "cleaned" => "how far the log was compacted",
        _ if name == "unapplied" => "what the log knew before records that it lost",
        _ if name == "fenced" => "a write or sync failed; the next start copies what was not durable",
        _ if name == "partition.metadata" => "the broker's: which topic the partition belongs to",
        _ if name.ends_with(".deleted") => {
            "of a deleted segment; it goes after file.delete.delay.ms, or at the next start"
        }
        _ if name.ends_with(".tmp") => "left by a crash; the next start removes it",
        _ => "not a file of the log",
    }
}

impl Recovery {
    fn of(log: &Log, recovered: &Recovered) -> Self {
        Self {
            clean: recovered.clean,
            log_start: log.log_start(),
            log_end: log.log_end(),
            scanned_bytes: recovered.scanned_bytes,
            cut_bytes: recovered.cut_bytes,
            indexes_rebuilt: recovered.indexes_rebuilt.clone(),
            damage: recovered.damage.iter().map(Finding::from).collect(),
        }
    }
}

impl Knowledge {
    fn of(log: &Log) -> Self {
        Self {
            leader_epochs: log
                .epochs()
                .iter()
                .map(|(epoch, start_offset)| EpochStart { epoch: *epoch, start_offset: *start_offset })
                .collect(),
            producers: log.producers(),
            aborted_transactions: log.aborted_transactions(&(log.log_start()..log.log_end())),
        }
    }
}

impl From<&Damage> for Finding {
    fn from(damage: &Damage) -> Self {
        Self::new(FindingKind::Batches, file_name(damage.segment, "log"), damage.reason.clone())
            .at(damage.range.clone())
    }
}
