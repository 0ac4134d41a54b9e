//! Reading: planned with the log in hand, done without it.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use common::LeaderEpoch;

use super::Log;
use crate::{
    batch::Batch,
    disk::DiskFile,
    error::{Damage, IndexError, LogError},
    files::Files,
    offset::Offset,
    segment::{ScanEnd, Segment, Span},
};

/// Most bytes that a batch may decompress to while a timestamp is looked for in it.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// Bytes read at once where a timestamp is looked for in all batches of a segment.
const READ_BYTES: usize = 1 << 20;

/// What a read found.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// Whole batches, in order, in one or more pieces.
    pub pieces: Vec<Bytes>,
    /// Where to read on. The offset asked for, if nothing was found.
    pub next: Offset,
    /// Segments whose index is damaged, and had to be made anew for this read: the owner should
    /// [store](Log::plan_index) each of them.
    pub damaged_indexes: Vec<Offset>,
}

impl Read {
    /// Bytes of all pieces.
    pub fn size_bytes(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

/// Part of a file that holds whole batches.
#[derive(Debug, Clone)]
pub struct FileRange {
    /// The `.log` file; stays readable after the segment is deleted.
    pub file: Arc<dyn DiskFile>,
    /// First byte.
    pub position: u64,
    /// How many bytes.
    pub len: usize,
}

/// A read that is not done yet. It sees the log as of the moment it was planned, and needs no borrow of it.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    files: Arc<Files>,
    segments: Vec<Segment>,
    from: Offset,
    limit: Offset,
    max_bytes: usize,
    /// The answer, where it is in memory.
    ready: Option<Read>,
}

impl Log {
    /// Plans a read of the batches from the one that holds `from` (or the next one, where compaction took that)
    /// on, up to `limit`: the high watermark or the last stable offset. At most `max_bytes`, but always at least
    /// one whole batch if there is one.
    pub fn plan_read(&self, from: Offset, limit: Offset, max_bytes: usize) -> Result<ReadPlan, LogError> {
        let range = self.log_start()..self.log_end();
        if from < range.start || from > range.end {
            return Err(LogError::OutOfRange { offset: from, range });
        }
        let limit = self.readable_until(from, limit.min(range.end))?;
        let ready = if limit <= from {
            Some(Read { next: from, ..Read::default() })
        } else {
            self.tail.read(from, limit, max_bytes).map(|(pieces, next)| Read {
                pieces,
                next,
                ..Read::default()
            })
        };
        let mut segments = Vec::new();
        if ready.is_none() {
            let mut bytes = 0_u64;
            for segment in self.segments.iter().skip(self.segment_of(from)) {
                if segment.base >= limit || bytes >= max_bytes as u64 {
                    break;
                }
                // How much of the first one is behind `from` is not known without its index.
                bytes += if segments.is_empty() { 0 } else { u64::from(segment.size) };
                segments.push(segment.clone());
            }
        }
        Ok(ReadPlan { files: Arc::clone(&self.files), segments, from, limit, max_bytes, ready })
    }

    /// `limit`, or where before it the next missing range begins.
    fn readable_until(&self, from: Offset, limit: Offset) -> Result<Offset, LogError> {
        match self.missing.iter().find(|missing| missing.end > from) {
            Some(missing) if missing.start <= from && from < limit => Err(LogError::Damaged(Damage {
                segment: self.segments.get(self.segment_of(from)).map_or(from, |segment| segment.base),
                range: missing.clone(),
                reason: "lost to damage and not fetched again yet".to_owned(),
            })),
            Some(missing) => Ok(limit.min(missing.start.max(from))),
            None => Ok(limit),
        }
    }

    /// Plans a search by timestamp among the records below `limit` (ListOffsets).
    pub fn plan_timestamp(&self, spec: TimestampSpec, limit: Offset) -> TimestampQuery {
        let segments = self.segments.iter().filter(|segment| segment.base < limit && !segment.is_empty());
        let segments = match spec {
            TimestampSpec::At(timestamp_ms) => {
                segments.filter(|segment| segment.max_timestamp_ms >= timestamp_ms).cloned().collect()
            }
            TimestampSpec::Max => segments.cloned().collect(),
        };
        TimestampQuery {
            files: Arc::clone(&self.files),
            segments,
            spec,
            range: self.log_start()..limit.min(self.log_end()),
        }
    }
}

/// A view whose frames are all in memory, made from its batches; an error if those are damaged too.
pub(super) fn rebuild(files: &Files, segment: &Segment) -> Result<Segment, LogError> {
    let (rebuilt, end) = segment.rebuilt(files)?;
    match end {
        ScanEnd::Done if rebuilt.end == segment.end => Ok(rebuilt),
        end => {
            let reason = match end {
                ScanEnd::Bad(reason) => reason,
                ScanEnd::Done => "batches at its end are missing".to_owned(),
            };
            // Offsets that lead further than the index said are altered themselves: then nothing here is known.
            let from = if rebuilt.end < segment.end { rebuilt.end } else { segment.base };
            Err(Damage { segment: segment.base, range: from..segment.end, reason }.into())
        }
    }
}

/// Looks something up; where the index turns out to be damaged, once more in one made anew.
pub(super) fn with_index<T>(
    files: &Files,
    segment: &mut Segment,
    damaged: &mut Vec<Offset>,
    find: impl Fn(&Segment) -> Result<T, IndexError>,
) -> Result<T, LogError> {
    match find(segment) {
        Ok(found) => Ok(found),
        Err(IndexError::Disk(error)) => Err(error.into()),
        Err(IndexError::Damaged(_)) => {
            *segment = rebuild(files, segment)?;
            damaged.push(segment.base);
            find(segment).map_err(|error| match error {
                IndexError::Disk(error) => error.into(),
                IndexError::Damaged(_) => LogError::Damaged(Damage {
                    segment: segment.base,
                    range: segment.base..segment.end,
                    reason: error.to_string(),
                }),
            })
        }
    }
}

impl ReadPlan {
    /// Whether the answer is in memory, so that [`ReadPlan::read`] does no IO.
    pub fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Reads. Every byte is checked against what was written; what is not the same is an error, not an answer.
    pub fn read(mut self) -> Result<Read, LogError> {
        if let Some(ready) = self.ready {
            return Ok(ready);
        }
        let mut read = Read { next: self.from, ..Read::default() };
        let located = self
            .locate(&mut read.damaged_indexes, Segment::locate, |located| (located.size(), located.end()))?;
        for (segment, located) in located {
            let bytes = match segment.read(&self.files, &located) {
                Ok(bytes) => bytes,
                // What was read before the damage is an answer; the next read begins with the damage.
                Err(_) if !read.pieces.is_empty() => break,
                Err(LogError::Damaged(damage)) => {
                    match segment.read_before(&self.files, &located, &damage)? {
                        Some((bytes, next)) => {
                            read.pieces.push(bytes.into());
                            read.next = next;
                            break;
                        }
                        None => return Err(damage.into()),
                    }
                }
                Err(error) => return Err(error),
            };
            read.pieces.push(bytes.into());
            read.next = located.end();
        }
        Ok(read)
    }

    /// Where the answer is on disk, for sending it without reading it; nothing is checked but the index. Batches
    /// that were appended since the last [`Log::append`] returned are never part of it.
    pub fn ranges(mut self) -> Result<Vec<FileRange>, LogError> {
        self.ready = None;
        let spans = self.locate(&mut Vec::new(), Segment::span, |span| (span.len, span.end))?;
        let range = |(segment, span): (Segment, Span)| {
            let file = segment.open_log(&self.files)?;
            Ok(FileRange { file, position: span.position, len: span.len })
        };
        spans.into_iter().map(range).collect()
    }

    /// Finds what to read in each segment with `find`, of which `extent` gives the bytes and the end.
    fn locate<T>(
        &mut self,
        damaged: &mut Vec<Offset>,
        find: impl Fn(&Segment, &Files, Offset, Offset, usize) -> Result<Option<T>, IndexError>,
        extent: impl Fn(&T) -> (usize, Offset),
    ) -> Result<Vec<(Segment, T)>, LogError> {
        let mut all = Vec::new();
        let (mut next, mut left) = (self.from, self.max_bytes);
        for segment in &mut self.segments {
            if segment.end <= next {
                continue;
            }
            let found = with_index(&self.files, segment, damaged, |segment| {
                find(segment, &self.files, next, self.limit, left)
            })?;
            let Some(found) = found else { continue };
            let (size, end) = extent(&found);
            if !all.is_empty() && size > left {
                break;
            }
            (next, left) = (end, left.saturating_sub(size));
            let goes_on = end == segment.end && left > 0;
            all.push((segment.clone(), found));
            if !goes_on {
                break;
            }
        }
        Ok(all)
    }
}

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampSpec {
    /// The first record of this time or a later one, in ms.
    At(i64),
    /// The first record with the largest timestamp (KIP-734).
    Max,
}

/// A record that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundTimestamp {
    /// Its offset: of the record, not of its batch.
    pub offset: Offset,
    /// Its timestamp in ms.
    pub timestamp_ms: i64,
    /// The leader epoch it was written in.
    pub leader_epoch: LeaderEpoch,
}

/// A search by timestamp that is not done yet; needs no borrow of the log.
#[derive(Debug, Clone)]
pub struct TimestampQuery {
    files: Arc<Files>,
    segments: Vec<Segment>,
    spec: TimestampSpec,
    range: Range<Offset>,
}

impl TimestampQuery {
    /// Searches: one binary search in an index and one batch that is read, unless records outside the readable
    /// range are in the way.
    pub fn find(mut self) -> Result<Option<FoundTimestamp>, LogError> {
        match self.spec {
            TimestampSpec::At(timestamp_ms) => {
                let mut segments = std::mem::take(&mut self.segments);
                for segment in &mut segments {
                    let found = self.first_since(segment, timestamp_ms)?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Ok(None)
            }
            TimestampSpec::Max => self.max(),
        }
    }

    fn max(mut self) -> Result<Option<FoundTimestamp>, LogError> {
        let mut best: Option<FoundTimestamp> = None;
        let mut segments = std::mem::take(&mut self.segments);
        for segment in &mut segments {
            if best.is_some_and(|best| best.timestamp_ms >= segment.max_timestamp_ms) {
                continue;
            }
            let found = self.max_in(segment)?;
            if let Some(found) = found
                && best.is_none_or(|best| found.timestamp_ms > best.timestamp_ms)
            {
                best = Some(found);
            }
        }
        Ok(best)
    }

    fn first_since(
        &self,
        segment: &mut Segment,
        timestamp_ms: i64,
    ) -> Result<Option<FoundTimestamp>, LogError> {
        let files = &self.files;
        let first = with_index(files, segment, &mut Vec::new(), |segment| {
            Ok(segment
                .find_timestamp(files, timestamp_ms)?
                .max(segment.find_offset(files, self.range.start)?))
        })?;
        for index in first..segment.frame_count() {
            let bytes =
                with_index(files, segment, &mut Vec::new(), |segment| segment.read_one(files, index))??;
            let (batch, _) = Batch::split_first(&bytes).map_err(|error| unreadable(segment, &error))?;
            if batch.header().base_offset >= self.range.end {
                break;
            }
            if batch.header().max_timestamp_ms < timestamp_ms {
                continue;
            }
            let payload =
                batch.payload(DECOMPRESSED_BYTES_MAX).map_err(|error| unreadable(segment, &error))?;
            for record in payload.records() {
                let record = record.map_err(|error| unreadable(segment, &error))?;
                if record.timestamp_ms >= timestamp_ms && self.range.contains(&record.offset) {
                    return Ok(Some(FoundTimestamp {
                        offset: record.offset,
                        timestamp_ms: record.timestamp_ms,
                        leader_epoch: batch.header().leader_epoch,
                    }));
                }
            }
        }
        Ok(None)
    }

    fn max_in(&self, segment: &mut Segment) -> Result<Option<FoundTimestamp>, LogError> {
        let files = &self.files;
        let last = with_index(files, segment, &mut Vec::new(), |segment| {
            let readable = segment.find_offset(files, self.range.end)?;
            readable.checked_sub(1).map(|last| segment.frame(files, last)).transpose()
        })?;
        let Some(last) = last else { return Ok(None) };
        let found = self.first_since(segment, last.max_timestamp_ms)?;
        if found.is_some() || segment.base >= self.range.start {
            return Ok(found);
        }
        // The largest one is a deleted record's: the index does not know the largest behind it.
        self.max_by_reading(segment)
    }

    /// Looks at every readable batch of a segment.
    fn max_by_reading(&self, segment: &mut Segment) -> Result<Option<FoundTimestamp>, LogError> {
        let (files, Range { start: mut next, end }) = (&self.files, self.range.clone());
        let mut best: Option<FoundTimestamp> = None;
        while let Some(located) = with_index(files, segment, &mut Vec::new(), |segment| {
            segment.locate(files, next, end, READ_BYTES)
        })? {
            let bytes = segment.read(files, &located)?;
            for batch in Batch::all(&bytes) {
                let batch = batch.map_err(|error| unreadable(segment, &error))?;
                let header = batch.header();
                if best.is_some_and(|best| header.max_timestamp_ms <= best.timestamp_ms) {
                    continue;
                }
                let payload =
                    batch.payload(DECOMPRESSED_BYTES_MAX).map_err(|error| unreadable(segment, &error))?;
                for record in payload.records() {
                    let record = record.map_err(|error| unreadable(segment, &error))?;
                    let (offset, timestamp_ms) = (record.offset, record.timestamp_ms);
                    let better = best.is_none_or(|best| timestamp_ms > best.timestamp_ms);
                    if better && self.range.contains(&offset) {
                        best =
                            Some(FoundTimestamp { offset, timestamp_ms, leader_epoch: header.leader_epoch });
                    }
                }
            }
            next = located.end();
        }
        Ok(best)
    }
}

fn unreadable(segment: &Segment, error: &crate::batch::BatchError) -> Damage {
    Damage { segment: segment.base, range: segment.base..segment.end, reason: error.to_string() }
}
