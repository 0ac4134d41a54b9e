//! The batches of a directory as they stand, damage included.

use std::{collections::VecDeque, sync::Arc};

use common::Offset;
use serde::Serialize;

use super::{Inspector, look::Sizes};
use crate::{
    LogError,
    batch::{Batch, BatchError, BatchHeader, HEADER_BYTES},
    disk::{DiskFile, read_exact_at},
    error::{DiskError, IndexError},
    segment::{Frame, Segment},
};

/// Walks the batches from an offset on. Holds one batch at a time.
#[derive(Debug)]
pub struct Batches<'a> {
    inspector: &'a Inspector,
    left: VecDeque<(Offset, Sizes)>,
    from: Offset,
    current: Option<Walk>,
}

/// What stands at a place in a `.log` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A batch whose CRC is right.
    Batch(FoundBatch),
    /// Anything else.
    Bad(BadBytes),
}

/// A batch whose CRC is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBatch {
    /// Base offset of the segment.
    pub segment: Offset,
    /// Where in the `.log` file it begins.
    pub position: u64,
    /// Its header.
    pub header: BatchHeader,
    /// All its bytes; [`Batch::split_first`] gives the records.
    pub bytes: Vec<u8>,
    /// What the index says of it.
    pub frame: FrameState,
}

/// Bytes that are no good batch, up to where the index knows of the next one, or to the end of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadBytes {
    /// Base offset of the segment.
    pub segment: Offset,
    /// Where in the `.log` file they begin.
    pub position: u64,
    /// How many they are.
    pub len: u64,
    /// What is wrong with them.
    pub reason: String,
}

/// What the index says of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FrameState {
    /// It describes exactly this batch, its whole header included.
    Agrees,
    /// Nothing: the index ends before, or is missing.
    Missing,
    /// It describes another one: offset, epoch or size of the batch were altered.
    Disagrees,
}

/// The walk through one segment.
#[derive(Debug)]
struct Walk {
    known: Segment,
    file: Arc<dyn DiskFile>,
    log_bytes: u64,
    position: u64,
    /// Number of the first frame at `position` or behind.
    frame: u32,
}

impl Inspector {
    /// The batches from the one that holds `from`, or the next one, on.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn batches(&self, from: Offset) -> Result<Batches<'_>, LogError> {
        let segments = self.list()?.segments;
        let first = segments.range(..=from).next_back().map_or(Offset(0), |(base, _)| *base);
        let left = segments.range(first..).filter(|(_, sizes)| sizes.log.is_some());
        let left = left.map(|(base, sizes)| (*base, *sizes)).collect();
        Ok(Batches { inspector: self, left, from, current: None })
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Found, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose().inspect(|found| {
            if found.is_err() {
                (self.current, self.left) = (None, VecDeque::new());
            }
        })
    }
}

impl Batches<'_> {
    fn advance(&mut self) -> Result<Option<Found>, LogError> {
        loop {
            if let Some(walk) = &mut self.current {
                match walk.next(self.inspector)? {
                    Some(Found::Batch(batch)) if batch.header.next_offset() <= self.from => continue,
                    Some(found) => return Ok(Some(found)),
                    None => self.current = None,
                }
            }
            let Some((base, sizes)) = self.left.pop_front() else { return Ok(None) };
            self.current = Some(Walk::new(self.inspector, base, sizes, self.from)?);
        }
    }
}

impl Walk {
    fn new(inspector: &Inspector, base: Offset, sizes: Sizes, from: Offset) -> Result<Self, LogError> {
        let known = inspector.known(base, sizes)?;
        let file = known.open_log(&inspector.files)?;
        let (mut frame, mut position) = (0, 0);
        if from > base
            && let Ok(index) = known.find_offset(&inspector.files, from)
        {
            // Past the end of the index, the walk begins with the last batch that it knows.
            let index = index.min(known.frame_count().saturating_sub(1));
            if let Ok(found) = known.frame(&inspector.files, index) {
                (frame, position) = (index, u64::from(found.position));
            }
        }
        Ok(Self { known, file, log_bytes: sizes.log.unwrap_or(0), position, frame })
    }

    fn next(&mut self, inspector: &Inspector) -> Result<Option<Found>, LogError> {
        let (segment, position) = (self.known.base, self.position);
        let left = self.log_bytes.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        self.skip_frames(inspector)?;
        let bytes = match self.read(left)? {
            Ok(bytes) => bytes,
            Err(error) => return self.bad(inspector, error.to_string()).map(Some),
        };
        let checked = Batch::split_first(&bytes).and_then(|(batch, _)| {
            batch.check_crc()?;
            batch.header().check_offsets()?;
            Ok(*batch.header())
        });
        let header = match checked {
            Ok(header) => header,
            Err(error) => return self.bad(inspector, error.to_string()).map(Some),
        };
        let frame = self.judge(inspector, &bytes)?;
        self.position += bytes.len() as u64;
        Ok(Some(Found::Batch(FoundBatch { segment, position, header, bytes, frame })))
    }

    /// The bytes of the batch that begins here, if it does not claim more than there is.
    fn read(&self, left: u64) -> Result<Result<Vec<u8>, BatchError>, DiskError> {
        let path = self.known.log_path();
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let read = |len| read_exact_at(&*self.file, self.position, len);
        let head = read(left.min(HEADER_BYTES)).map_err(DiskError::during("read", &path))?;
        let size = match BatchHeader::parse(&head) {
            Ok(header) => header.size_bytes(),
            Err(error) => return Ok(Err(error)),
        };
        if size > left {
            return Ok(Err(BatchError::Cut { needed: size, have: left }));
        }
        read(size).map(Ok).map_err(DiskError::during("read", &path))
    }

    /// The frame with this number, if the index has it.
    fn frame(&self, inspector: &Inspector, index: u32) -> Result<Option<Frame>, LogError> {
        if index >= self.known.frame_count() {
            return Ok(None);
        }
        match self.known.frame(&inspector.files, index) {
            Ok(frame) => Ok(Some(frame)),
            Err(IndexError::Disk(error)) => Err(error.into()),
            Err(IndexError::Damaged(_)) => Ok(None),
        }
    }

    fn skip_frames(&mut self, inspector: &Inspector) -> Result<(), LogError> {
        while self
            .frame(inspector, self.frame)?
            .is_some_and(|frame| u64::from(frame.position) < self.position)
        {
            self.frame += 1;
        }
        Ok(())
    }

    fn judge(&self, inspector: &Inspector, bytes: &[u8]) -> Result<FrameState, LogError> {
        let Some(frame) = self.frame(inspector, self.frame)? else { return Ok(FrameState::Missing) };
        let before = match self.frame.checked_sub(1) {
            Some(before) => self.frame(inspector, before)?.map_or(0, |before| before.header_check),
            None => 0,
        };
        let head = bytes.get(..HEADER_BYTES).unwrap_or_default();
        let agrees = u64::from(frame.position) == self.position
            && usize::try_from(frame.size) == Ok(bytes.len())
            && frame.header_check == crc32c::crc32c_append(before, head);
        Ok(if agrees { FrameState::Agrees } else { FrameState::Disagrees })
    }

    /// Steps over bad bytes to where the index knows of the next batch.
    fn bad(&mut self, inspector: &Inspector, reason: String) -> Result<Found, LogError> {
        let (segment, position) = (self.known.base, self.position);
        let mut next = self.log_bytes;
        while let Some(frame) = self.frame(inspector, self.frame)? {
            if u64::from(frame.position) > position {
                next = u64::from(frame.position).min(self.log_bytes);
                break;
            }
            self.frame += 1;
        }
        self.position = next;
        Ok(Found::Bad(BadBytes { segment, position, len: next - position, reason }))
    }
}
