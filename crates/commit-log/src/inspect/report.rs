//! What an inspection tells, as data. The JSON form is that of `dmq log -o json`.

use std::{fmt, ops::Range, path::PathBuf};

use common::{LeaderEpoch, Offset};
use serde::Serialize;

use crate::{AbortedTransaction, ProducerState};

/// What is in a log directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The directory.
    pub dir: PathBuf,
    /// The file `checkpoint`.
    pub checkpoint: CheckpointReport,
    /// As they stand on disk, by base offset, rising.
    pub segments: Vec<SegmentReport>,
    /// Files that belong to no segment's batches or index.
    pub other_files: Vec<OtherFile>,
    /// What the next start would find.
    pub recovery: Recovery,
    /// What the log would know then, as of its end.
    pub knowledge: Knowledge,
}

/// The checkpoint of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointReport {
    /// What it says of the log.
    pub state: CheckpointState,
    /// Log start offset.
    pub log_start: Offset,
    /// Where recovery starts: everything below was durable, batches and indexes.
    pub recovery_point: Offset,
    /// Offsets lost to damage and not fetched again.
    pub missing: Vec<Range<Offset>>,
}

/// What a checkpoint says of its log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckpointState {
    /// There is none.
    #[default]
    Missing,
    /// It is not what was written.
    Damaged,
    /// The log is in use, or was not shut down.
    Open,
    /// The log was shut down cleanly.
    Clean,
    /// The log was being emptied: no segment counts.
    Emptying,
}

/// A segment as it stands on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentReport {
    /// First offset it may hold; the name of its files.
    pub base_offset: Offset,
    /// Offset of whatever comes after the last batch that its index describes.
    pub end_offset: Offset,
    /// Bytes of its `.log` file.
    pub log_bytes: u64,
    /// Bytes of its `.frames` file.
    pub index_bytes: u64,
    /// What its index is worth.
    pub index: IndexState,
    /// Batches that the index describes.
    pub indexed_batches: u32,
    /// Bytes of batches that the index describes.
    pub indexed_bytes: u32,
    /// Front of `.log`, in bytes, that was durable when the last good entry of the index was made.
    pub durable_bytes: u32,
    /// Largest timestamp that the index knows of, in ms; -1 without records.
    pub max_timestamp_ms: i64,
}

/// What the index of a segment is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IndexState {
    /// It describes the whole segment.
    Good,
    /// It describes a front of the segment, as it does while a log is in use and after a crash.
    Behind,
    /// An entry is not what was written, or describes what is not there.
    Damaged,
    /// There is none, though there are batches.
    Missing,
}

/// A file beside the segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it is for, in words.
    pub purpose: &'static str,
}

/// What opening the log would find and do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// Nothing would have to be read.
    pub clean: bool,
    /// Offset of the first record.
    pub log_start: Offset,
    /// Offset that the next record would get.
    pub log_end: Offset,
    /// Bytes of batches that would be read and checked.
    pub scanned_bytes: u64,
    /// Bytes of a torn tail that would be cut off; they were never durable.
    pub cut_bytes: u64,
    /// Segments whose index would be made anew.
    pub indexes_rebuilt: Vec<Offset>,
    /// What was durable and is found damaged.
    pub damage: Vec<Finding>,
}

/// What a log knows beyond its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Knowledge {
    /// Each leader epoch with its first offset, rising.
    pub leader_epochs: Vec<EpochStart>,
    /// The producers whose last batches are remembered, by id.
    pub producers: Vec<ProducerState>,
    /// Aborted transactions, by the offset of their markers.
    pub aborted_transactions: Vec<AbortedTransaction>,
}

/// Where a leader epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Offset of its first record.
    pub start_offset: Offset,
}

/// What reading every byte found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The directory.
    pub dir: PathBuf,
    /// Nothing that was durable is damaged.
    pub sound: bool,
    /// Offset of the first record.
    pub log_start: Offset,
    /// Offset of whatever comes after the last record.
    pub log_end: Offset,
    /// The segments as the next start would leave them, every byte of them read.
    pub segments: Vec<CheckedSegment>,
    /// Everything that is not as in a log that was shut down cleanly; not all of it is damage.
    pub findings: Vec<Finding>,
    /// Findings that were counted only, because there are too many.
    pub findings_left_out: u64,
}

/// A segment of which every byte was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckedSegment {
    /// First offset it may hold.
    pub base_offset: Offset,
    /// Offset of whatever comes after its last batch.
    pub end_offset: Offset,
    /// Bytes of good batches.
    pub good_bytes: u64,
    /// Good batches.
    pub batches: u64,
    /// Records that they say they have.
    pub records: u64,
}

/// Something that is not as in a log that was shut down cleanly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// Whether it is damage to what was durable.
    pub damage: bool,
    /// The file, by its name in the directory.
    pub file: String,
    /// The offsets that are concerned, where they are known; the end is not included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets: Option<Range<Offset>>,
    /// What was found, in words.
    pub detail: String,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingKind {
    /// Batches are not what was written. Their offsets have to be fetched from another replica.
    Batches,
    /// Batches that an earlier start found damaged, and that were not fetched again yet.
    Missing,
    /// An index is not what was written. It is made anew from the batches.
    Index,
    /// The checkpoint is missing or not what was written. It is made anew from snapshots and batches.
    Checkpoint,
    /// A snapshot is not what was written. A truncation that wants it reads batches instead.
    Snapshot,
    /// The log cannot be opened.
    Unopenable,
    /// Not damage: the end of what was written before a crash, never durable. The next start cuts it off.
    TornTail,
    /// Not damage: the log is in use, or was not shut down.
    NotClosed,
    /// Not damage: a write or sync failed, and what is on disk is not all known to be durable.
    Fenced,
    /// Not damage: a file that is left from damage or a crash.
    Leftover,
}

impl FindingKind {
    /// Whether what was durable is damaged.
    pub fn is_damage(self) -> bool {
        match self {
            Self::Batches
            | Self::Missing
            | Self::Index
            | Self::Checkpoint
            | Self::Snapshot
            | Self::Unopenable => true,
            Self::TornTail | Self::NotClosed | Self::Fenced | Self::Leftover => false,
        }
    }
}

impl Finding {
    pub(super) fn new(kind: FindingKind, file: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, damage: kind.is_damage(), file: file.into(), offsets: None, detail: detail.into() }
    }

    pub(super) fn at(self, offsets: Range<Offset>) -> Self {
        Self { offsets: Some(offsets), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", if self.damage { "damage" } else { "note" }, self.file)?;
        if let Some(offsets) = &self.offsets {
            write!(f, "offsets {} to {}: ", offsets.start, offsets.end)?;
        }
        f.write_str(&self.detail)
    }
}
