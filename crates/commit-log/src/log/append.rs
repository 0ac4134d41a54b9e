//! Appending: judge each batch, give it offsets, write many at once.

use std::io::IoSlice;

use bytes::Bytes;
use common::LeaderEpoch;

use super::{Log, recovery_point::Snapshot, tail::Stored};
use crate::{
    batch::{Batch, BatchError, BatchHeader, HEADER_BYTES, InvalidBatch, TimestampType, validate},
    checkpoint::{State, encode_derived},
    derived::{Admission, Applied, ProducerError},
    error::{DiskError, LogError},
    offset::Offset,
    options::LogOptions,
    segment::Segment,
};

/// A body of at least this size is written from where it is; a smaller one is copied behind its header.
const COPY_BYTES_MAX: usize = 32 * 1024;

/// Who hands a batch in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client: its batch is validated, and admitted only if its sequence fits.
    Client,
    /// The leader itself or a coordinator: only what would harm the log is checked.
    Internal,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record. Durable once the log's durable offset is above it.
    pub last_offset: Offset,
    /// The timestamp that the log set, in ms; -1 if it set none.
    pub log_append_time_ms: i64,
    /// Whether it was there already: the same batch of the same producer.
    pub duplicate: bool,
}

/// A batch that was not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidBatch),
    /// Its producer had no right to write it now.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// The leader epoch it is appended under is older than the log's.
    #[error("leader epoch {epoch} is older than {latest}, which the log has records of")]
    OldEpoch {
        /// Of the append.
        epoch: LeaderEpoch,
        /// Of the log.
        latest: LeaderEpoch,
    },
}

/// Batches from the leader that do not continue this log. Nothing of them was appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReplicaError {
    /// Not what the leader has.
    #[error(transparent)]
    Corrupt(#[from] BatchError),
    /// They begin before the log's end, or do not rise.
    #[error("batch at offset {base} does not follow {end}")]
    NotNext {
        /// Its base offset.
        base: Offset,
        /// Offset of whatever follows what is there.
        end: Offset,
    },
    /// An epoch older than one before it.
    #[error("batch at offset {base} has leader epoch {epoch}, an earlier one has {latest}")]
    EpochWentBack {
        /// Its base offset.
        base: Offset,
        /// Its epoch.
        epoch: LeaderEpoch,
        /// The highest one before it.
        latest: LeaderEpoch,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Batches that have their place but are not written yet.
#[derive(Debug, Default)]
struct Staged {
    batches: Vec<Stored>,
}

impl Log {
    /// Appends batches as the leader of `epoch`, each one for itself: the answers are in the order of the batches.
    /// `now_ms` is the leader's clock.
    ///
    /// What is answered is written, not durable: see [`Log::acknowledged`]. An error means that the log is fenced,
    /// and that it is not known which of the batches it has.
    pub fn append(
        &mut self,
        batches: &[Bytes],
        epoch: LeaderEpoch,
        origin: Origin,
        now_ms: i64,
    ) -> Result<Vec<Result<Appended, Refused>>, LogError> {
        self.begin_changes()?;
        let mut staged = Staged::default();
        let mut answers = Vec::with_capacity(batches.len());
        for bytes in batches {
            answers.push(match self.judge(bytes, epoch, origin, now_ms) {
                Ok(Judged::Known(appended)) => Ok(appended),
                Ok(Judged::New(applied)) => {
                    self.stage(&mut staged, &applied, bytes)?;
                    let header = &applied.header;
                    let stamped = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
                    Ok(Appended {
                        base_offset: header.base_offset,
                        last_offset: header.last_offset(),
                        log_append_time_ms: if stamped { header.max_timestamp_ms } else { -1 },
                        duplicate: false,
                    })
                }
                Err(refused) => Err(refused),
            });
        }
        self.write(staged)?;
        Ok(answers)
    }

    /// Appends what a follower fetched: whole batches as the leader stored them, in order; a cut one at the end is
    /// ignored. Gives the log's new end.
    ///
    /// A leader's log may start within a batch, where records were deleted. So a log that is empty begins with the first
    /// batch, if its end lies within that; its start is then lower than it was, until it is moved.
    pub fn append_replicated(&mut self, records: &Bytes) -> Result<Offset, ReplicaError> {
        let mut batches = Vec::new();
        let begins_at = self.begins_within(records);
        let (mut end, mut latest) =
            (begins_at.unwrap_or_else(|| self.end_of_segments()), self.latest_epoch());
        for batch in Batch::all(records) {
            let batch = match batch {
                Err(BatchError::Cut { .. }) => break,
                batch => batch?,
            };
            batch.check_crc()?;
            let header = batch.header();
            header.check_offsets()?;
            let base = header.base_offset;
            if base < end {
                return Err(ReplicaError::NotNext { base, end });
            }
            if let Some(latest) = latest.filter(|latest| header.leader_epoch < *latest) {
                return Err(ReplicaError::EpochWentBack { base, epoch: header.leader_epoch, latest });
            }
            end = header.next_offset();
            latest = latest.max(Some(header.leader_epoch));
            batches.push((Applied::of(&batch)?, records.slice_ref(batch.bytes())));
        }
        if let Some(start) = begins_at {
            self.reset(start)?;
        }
        self.begin_changes()?;
        let mut staged = Staged::default();
        for (applied, bytes) in &batches {
            self.stage(&mut staged, applied, bytes)?;
        }
        self.write(staged)?;
        Ok(self.log_end())
    }

    /// Where the first of these batches begins, if this log is empty and would begin within that batch.
    fn begins_within(&self, records: &Bytes) -> Option<Offset> {
        let end = self.end_of_segments();
        let (first, _) = Batch::split_first(records).ok()?;
        let header = first.header();
        let is_within = header.base_offset < end && end < header.next_offset();
        (self.log_start() == end && is_within).then_some(header.base_offset)
    }

    /// Before the first change after a clean shutdown, the mark of it goes: a crash from now on is one.
    pub(super) fn begin_changes(&mut self) -> Result<(), LogError> {
        self.shared.check()?;
        if self.clean {
            self.change(|| self.shared.checkpoint.write(|next| next.state = State::Open))?;
            self.clean = false;
        }
        Ok(())
    }

    /// What follows the last staged batch.
    fn end_of_segments(&self) -> Offset {
        let end = self.log_end();
        self.segments.last().map_or(end, |segment| segment.end.max(end))
    }

    fn judge(
        &self,
        bytes: &Bytes,
        epoch: LeaderEpoch,
        origin: Origin,
        now_ms: i64,
    ) -> Result<Judged, Refused> {
        if let Some(latest) = self.latest_epoch().filter(|latest| epoch < *latest) {
            return Err(Refused::OldEpoch { epoch, latest });
        }
        let (batch, rest) = Batch::split_first(bytes).map_err(InvalidBatch::from)?;
        if !rest.is_empty() {
            return Err(InvalidBatch::Form("more than one batch").into());
        }
        match origin {
            Origin::Client => {
                validate(&batch, &self.options.rules, now_ms)?;
                if let Admission::Duplicate { base_offset, last_offset, timestamp_ms } =
                    self.derived.producers.admit(batch.header())?
                {
                    let log_append_time_ms = match self.options.rules.timestamp_type {
                        TimestampType::LogAppendTime => timestamp_ms,
                        TimestampType::CreateTime => -1,
                    };
                    let known = Appended { base_offset, last_offset, log_append_time_ms, duplicate: true };
                    return Ok(Judged::Known(known));
                }
            }
            Origin::Internal => batch.check_crc().map_err(InvalidBatch::from)?,
        }
        let mut applied = Applied::of(&batch).map_err(InvalidBatch::from)?;
        if let (Some(producer), Some(control)) = (applied.header.producer(), applied.control) {
            self.derived.producers.admit_marker(producer, control)?;
        }
        let header = &mut applied.header;
        header.base_offset = self.end_of_segments();
        header.leader_epoch = epoch;
        header.check_offsets().map_err(InvalidBatch::from)?;
        if origin == Origin::Client && self.options.rules.timestamp_type == TimestampType::LogAppendTime {
            header.attributes = header.attributes.with_log_append_time();
            header.max_timestamp_ms = now_ms;
            header.crc = header.compute_crc(bytes.get(HEADER_BYTES..).unwrap_or_default());
        }
        Ok(Judged::New(applied))
    }

    /// Gives a batch its place. From here on the log counts on its being written.
    fn stage(&mut self, staged: &mut Staged, applied: &Applied, bytes: &Bytes) -> Result<(), LogError> {
        let header = &applied.header;
        let LogOptions { segment_bytes, index_bytes, .. } = self.options;
        let has_room = |segment: &Segment| segment.has_room(header, segment_bytes, index_bytes);
        if !(self.is_timely(header) && self.segments.last().is_some_and(has_room)) {
            self.write(std::mem::take(staged))?;
            self.roll(self.next_base(header))?;
        }
        let foreseen =
            self.end_of_segments() == header.base_offset && self.latest_epoch() == Some(header.leader_epoch);
        if !foreseen {
            self.flush.unforeseen(header.next_offset());
        }
        let head = header.encode();
        let files = &self.files;
        if let Some(active) = self.segments.last_mut() {
            active.push(&head, header);
            active.trim_tail(files).map_err(|error| self.shared.fence(error))?;
        }
        if header.max_timestamp_ms >= 0 {
            self.active_since_ms.get_or_insert(header.max_timestamp_ms);
        }
        self.derived.apply(applied);
        staged.batches.push(stored(header, head, bytes));
        Ok(())
    }

    /// Where a segment that this batch is the first of begins: where the log ends, so that a gap between two segments is
    /// always a loss; unless the batch lies too far behind that.
    fn next_base(&self, header: &BatchHeader) -> Offset {
        let end = self.end_of_segments();
        if i32::try_from(header.last_offset() - end).is_ok() { end } else { header.base_offset }
    }

    /// Whether the active segment is young enough for the batch.
    fn is_timely(&self, header: &BatchHeader) -> bool {
        let (Some(since), Some(active)) = (self.active_since_ms, self.segments.last()) else { return true };
        let segment_ms = self.options.segment_ms_of(&self.dir, active.base);
        header.max_timestamp_ms.saturating_sub(since) <= segment_ms
    }

    fn write(&mut self, staged: Staged) -> Result<(), LogError> {
        let Some(last) = staged.batches.last() else { return Ok(()) };
        let end = last.end;
        let file = self.active_file()?;
        let pieces = staged.batches.iter().flat_map(|batch| [&batch.head, &batch.body]);
        let mut parts: Vec<IoSlice<'_>> =
            pieces.filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece)).collect();
        self.shared.check()?;
        file.append(&mut parts)
            // A path is made for errors only: that costs as much as a small write.
            .map_err(|source| DiskError::during("append to", &self.active_path())(source))
            .map_err(|error| self.shared.fence_append(error))?;
        self.positions.written(end);
        for batch in staged.batches {
            self.recovery.appended(batch.len());
            self.tail.push(batch);
        }
        Ok(())
    }

    fn active_path(&self) -> std::path::PathBuf {
        self.segments.last().map(Segment::log_path).unwrap_or_default()
    }

    /// The last segment's file, created if this is its first batch.
    fn active_file(&mut self) -> Result<std::sync::Arc<dyn crate::disk::DiskFile>, LogError> {
        if let Some(file) = &self.active {
            return Ok(std::sync::Arc::clone(file));
        }
        let path = self.active_path();
        let file = self.change(|| self.files.open(&path).map_err(DiskError::during("open", &path)))?;
        self.active = Some(std::sync::Arc::clone(&file));
        Ok(file)
    }

    /// Begins a new segment. Nothing is synced here: the next flush does that.
    pub(super) fn roll(&mut self, base: Offset) -> Result<(), LogError> {
        let files = &self.files;
        if let Some(full) = self.segments.last_mut() {
            full.store_frames(files, 0).map_err(|error| self.shared.fence(error))?;
            full.release_memory();
        }
        let segment = Segment::empty(self.dir.clone(), base);
        let path = segment.log_path();
        let file = self.change(|| self.files.create(&path).map_err(DiskError::during("create", &path)))?;
        self.active = Some(file);
        self.active_since_ms = None;
        self.segments.push(segment);
        self.snapshots.pending.push(Snapshot { base, derived: encode_derived(&self.derived).into() });
        self.flush.names_changed();
        Ok(())
    }
}

enum Judged {
    New(Applied),
    Known(Appended),
}

fn stored(header: &BatchHeader, head: [u8; HEADER_BYTES], bytes: &Bytes) -> Stored {
    let body = bytes.slice(HEADER_BYTES.min(bytes.len())..);
    let end = header.next_offset();
    if body.len() < COPY_BYTES_MAX {
        let mut whole = Vec::with_capacity(HEADER_BYTES + body.len());
        whole.extend_from_slice(&head);
        whole.extend_from_slice(&body);
        Stored { end, head: whole.into(), body: Bytes::new() }
    } else {
        Stored { end, head: Bytes::copy_from_slice(&head), body }
    }
}
