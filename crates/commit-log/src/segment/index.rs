//! Looking frames up, in memory or in the `.frames` file, and making them anew from the batches.

use std::sync::Arc;

use super::{
    Frame, Segment,
    frame::FRAME_BYTES,
    scan::{ScanEnd, Scanner},
    search::PAGE_FRAMES,
};
use crate::{
    batch::{Batch, HEADER_BYTES},
    disk::{DiskFile, read_exact_at},
    error::{Damage, DiskError, IndexError, LogError},
    files::Files,
    offset::Offset,
};

/// Whether a batch may follow, or why not.
pub(crate) type Judgement = Result<(), String>;

impl Segment {
    /// A segment that is on disk, with `log_bytes` of batches and `frames_bytes` of frames, seen as its last frame
    /// describes it. `IndexError::Damaged` if that is impossible.
    pub(crate) fn described_by_frames(
        mut self,
        files: &Files,
        log_bytes: u64,
        frames_bytes: u64,
    ) -> Result<Self, IndexError> {
        self.stored = u32::try_from(frames_bytes / FRAME_BYTES as u64).unwrap_or(u32::MAX);
        let Some(last) = self.stored.checked_sub(1) else {
            return if log_bytes == 0 { Ok(self) } else { Err(IndexError::Damaged(0)) };
        };
        let frame = self.frame(files, last)?;
        let exact = frames_bytes.is_multiple_of(FRAME_BYTES as u64) && frame.end_position() == log_bytes;
        self.cover(&frame);
        if exact { Ok(self) } else { Err(IndexError::Damaged(last)) }
    }

    /// Sees the segment as ending with `frame`, which becomes its last stored one.
    fn cover(&mut self, frame: &Frame) {
        self.size = u32::try_from(frame.end_position()).unwrap_or(u32::MAX);
        self.synced = self.size;
        self.end = self.base + i64::from(frame.last_delta) + 1;
        self.max_timestamp_ms = frame.max_timestamp_ms;
        self.header_check = frame.header_check;
    }

    /// The segment as its first `count` frames describe it; all of them if there are not more.
    pub(crate) fn cut_to_frames(&self, files: &Files, count: u32) -> Result<Self, IndexError> {
        let mut cut = Self::empty(Arc::clone(&self.dir), self.base);
        let Some(last) = count.checked_sub(1) else { return Ok(cut) };
        let frame = self.frame(files, last)?;
        cut.stored = count.min(self.stored);
        let in_tail = usize::try_from(count - cut.stored).unwrap_or(0);
        cut.tail = Arc::new(self.tail.iter().take(in_tail).copied().collect());
        cut.cover(&frame);
        cut.synced = cut.size.min(self.synced);
        Ok(cut)
    }

    /// Takes all frames into memory, so that the file can be written anew.
    pub(crate) fn forget_stored_frames(&mut self, files: &Files) -> Result<(), LogError> {
        let frames = self.frames(files, 0, self.frame_count()).map_err(|error| self.index_error(error))?;
        (self.stored, self.tail) = (0, Arc::new(frames));
        Ok(())
    }

    /// An error of the index, where making it anew is no answer.
    pub(crate) fn index_error(&self, error: IndexError) -> LogError {
        match error {
            IndexError::Disk(error) => error.into(),
            IndexError::Damaged(_) => {
                LogError::Format { path: self.frames_path(), reason: error.to_string() }
            }
        }
    }

    /// An error of the index as damage of all batches that need it, for whoever leaves it to the owner to look again.
    pub(crate) fn damaged_index(&self, error: IndexError) -> LogError {
        match error {
            IndexError::Disk(error) => error.into(),
            IndexError::Damaged(_) => {
                let (segment, range, reason) = (self.base, self.base..self.end, error.to_string());
                LogError::Damaged(Damage { segment, range, reason })
            }
        }
    }

    /// The segment with those batches only that end below `offset`.
    pub(crate) fn cut_below(&self, files: &Files, offset: Offset) -> Result<Self, IndexError> {
        let count = self.find_offset(files, offset)?;
        self.cut_to_frames(files, count)
    }

    /// Whether `batch`, which would be next here, is what the index of the same segment says it is. Where that says
    /// nothing, it is.
    pub(crate) fn agrees(
        &self,
        files: &Files,
        known: &Self,
        batch: &Batch<'_>,
    ) -> Result<Judgement, DiskError> {
        let index = self.frame_count();
        if index >= known.frame_count() {
            return Ok(Ok(()));
        }
        let frame = match known.frame(files, index) {
            Ok(frame) => frame,
            Err(IndexError::Disk(error)) => return Err(error),
            Err(error @ IndexError::Damaged(_)) => return Ok(Err(error.to_string())),
        };
        let head = batch.bytes().get(..HEADER_BYTES).unwrap_or_default();
        let check = crc32c::crc32c_append(self.header_check, head);
        Ok(if frame.position == self.size && frame.header_check == check {
            Ok(())
        } else {
            Err(format!("the header of batch {index} is not the one that was written"))
        })
    }

    /// The segment as the good front of its `.frames` file tells it: for recovery, where the file may end in
    /// anything. Its `synced` is the durable front of `.log` that the last good frame notes.
    pub(crate) fn good_frames(mut self, files: &Files, frames_bytes: u64) -> Result<Self, DiskError> {
        let all = u32::try_from(frames_bytes / FRAME_BYTES as u64).unwrap_or(u32::MAX);
        let mut good = Self::empty(Arc::clone(&self.dir), self.base);
        self.stored = all;
        while good.stored < all {
            let first = good.stored;
            let page = match self.frames(files, first, all.min(first.saturating_add(PAGE_FRAMES))) {
                // What is in front of the damage is good.
                Err(IndexError::Damaged(index)) => self.frames(files, first, index),
                page => page,
            };
            let page = match page {
                Ok(page) => page,
                Err(IndexError::Damaged(_)) => break,
                Err(IndexError::Disk(error)) => return Err(error),
            };
            for frame in &page {
                if frame.position != good.size {
                    return Ok(good);
                }
                good.stored += 1;
                good.cover(frame);
                good.synced = frame.synced;
            }
            if good.stored < all.min(first.saturating_add(PAGE_FRAMES)) {
                break;
            }
        }
        Ok(good)
    }

    /// The frame with this number, from 0.
    pub(crate) fn frame(&self, files: &Files, index: u32) -> Result<Frame, IndexError> {
        self.frames(files, index, index.saturating_add(1))?.first().copied().ok_or(IndexError::Damaged(index))
    }

    /// Largest timestamp of the first batch in ms; `None` if there is no batch, it has no time, or its frame is damaged.
    pub(crate) fn first_timestamp_ms(&self, files: &Files) -> Result<Option<i64>, DiskError> {
        match self.frame(files, 0) {
            Ok(frame) => Ok(Some(frame.max_timestamp_ms).filter(|timestamp_ms| *timestamp_ms >= 0)),
            Err(IndexError::Damaged(_)) => Ok(None),
            Err(IndexError::Disk(error)) => Err(error),
        }
    }

    /// Frames `from..until`.
    pub(crate) fn frames(&self, files: &Files, from: u32, until: u32) -> Result<Vec<Frame>, IndexError> {
        let mut frames = Vec::with_capacity(usize::try_from(until.saturating_sub(from)).unwrap_or(0));
        let stored = from..until.min(self.stored);
        if !stored.is_empty() {
            let path = self.frames_path();
            let len = stored.len() * FRAME_BYTES;
            let bytes = self
                .open_frames(files)
                .and_then(|file| read_exact_at(&*file, u64::from(from) * FRAME_BYTES as u64, len));
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound
                    ) =>
                {
                    return Err(IndexError::Damaged(from));
                }
                Err(error) => return Err(DiskError::during("read", &path)(error).into()),
            };
            for (index, bytes) in stored.zip(bytes.chunks_exact(FRAME_BYTES)) {
                frames.push(Frame::decode(bytes, self.base, index).ok_or(IndexError::Damaged(index))?);
            }
        }
        let skip = usize::try_from(from.saturating_sub(self.stored)).unwrap_or(usize::MAX);
        let take = usize::try_from(until.saturating_sub(self.stored.max(from))).unwrap_or(usize::MAX);
        frames.extend(self.tail.iter().skip(skip).take(take));
        match frames.iter().zip(frames.iter().skip(1)).position(|(frame, next)| !next.follows(frame)) {
            Some(index) => {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                Err(IndexError::Damaged(from.saturating_add(index).saturating_add(1)))
            }
            None => Ok(frames),
        }
    }

    /// Reads every frame.
    pub(crate) fn check_index(&self, files: &Files) -> Result<(), IndexError> {
        let count = self.frame_count();
        let mut next = 0;
        while next < count {
            // One frame of the page before, so that the step between the pages is looked at too.
            let until = count.min(next.saturating_add(PAGE_FRAMES));
            self.frames(files, next.saturating_sub(1), until)?;
            next = until;
        }
        Ok(())
    }

    /// The same segment with its frames made anew from its batches, as far as those are good; they are all in
    /// memory. Also gives what ended the walk.
    pub(crate) fn rebuilt(&self, files: &Files) -> Result<(Self, ScanEnd), DiskError> {
        let mut segment = Self::empty(Arc::clone(&self.dir), self.base);
        segment.retired = Arc::clone(&self.retired);
        let file = self.open_log(files)?;
        let end = segment.extend_from_log(file, u64::from(self.size), |_, _| Ok(Ok(())))?;
        segment.synced = segment.size.min(self.synced);
        Ok((segment, end))
    }

    /// Takes note of the batches that follow the known ones in the file, up to `until` or the first that is no
    /// good or that `check` refuses. An error of the disk is no judgement: it says nothing about the batch.
    pub(crate) fn extend_from_log(
        &mut self,
        file: Arc<dyn DiskFile>,
        until: u64,
        mut check: impl FnMut(&Self, &Batch<'_>) -> Result<Judgement, DiskError>,
    ) -> Result<ScanEnd, DiskError> {
        let mut scanner = Scanner::new(file, self.log_path(), u64::from(self.size), until);
        loop {
            let end = match scanner.next_batch()? {
                Ok(batch) => {
                    let follows = batch.header().base_offset >= self.end;
                    let checked = if follows {
                        check(self, &batch)?
                    } else {
                        Err(format!("base offset {} is below {}", batch.header().base_offset, self.end))
                    };
                    match (checked, batch.bytes().first_chunk::<HEADER_BYTES>()) {
                        (Ok(()), Some(head)) => {
                            self.push(head, batch.header());
                            continue;
                        }
                        (Err(reason), _) => ScanEnd::Bad(reason),
                        (Ok(()), None) => ScanEnd::Bad("a batch without a header".to_owned()),
                    }
                }
                Err(end) => end,
            };
            return Ok(end);
        }
    }
}
