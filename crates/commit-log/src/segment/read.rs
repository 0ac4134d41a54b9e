//! Reading whole batches from a segment, each one checked before it is given away.

use super::{Frame, Segment, Span};
use crate::{
    batch::{Batch, HEADER_BYTES},
    error::{Damage, DiskError, IndexError, LogError},
    files::Files,
    offset::Offset,
};

/// Bytes read and checked at once: small enough to be still in the processor's cache when they are checked.
const CHECK_BYTES: usize = 256 * 1024;

/// Neighbouring batches of a segment, with what is needed to check them.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    span: Span,
    frames: Vec<Frame>,
}

impl Located {
    pub(crate) fn position(&self) -> u64 {
        self.span.position
    }

    /// Offset of whatever comes after the last one.
    pub(crate) fn end(&self) -> Offset {
        self.span.end
    }

    pub(crate) fn size(&self) -> usize {
        self.span.len
    }
}

impl Segment {
    /// As [`Segment::span`], for reading them.
    pub(crate) fn locate(
        &self,
        files: &Files,
        from: Offset,
        limit: Offset,
        max_bytes: usize,
    ) -> Result<Option<Located>, IndexError> {
        let Some(span) = self.span(files, from, limit, max_bytes)? else { return Ok(None) };
        Ok(Some(Located { span, frames: self.frames(files, span.first, span.until)? }))
    }

    /// The bytes of located batches. Every batch is checked: its place, its header against the chain, its
    /// records against their CRC. What is not as it was written is not returned.
    pub(crate) fn read(&self, files: &Files, located: &Located) -> Result<Vec<u8>, LogError> {
        let file = self.open_log(files)?;
        let path = self.log_path();
        let mut bytes = vec![0; located.size()];
        let mut read = 0;
        let Span { header_check: check, from, first: index, .. } = located.span;
        let mut chain = Chain { check, from, index };
        let mut checked = 0;
        let mut frames = located.frames.as_slice();
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            let len = rest.len().min(CHECK_BYTES);
            let chunk = rest.get_mut(..len).unwrap_or_default();
            let got = file
                .read_at(chunk, located.position() + read as u64)
                .map_err(DiskError::during("read", &path))?;
            read += got;
            while let Some((frame, others)) = frames.split_first() {
                let until = checked + usize::try_from(frame.size).unwrap_or(usize::MAX);
                if until > read {
                    break;
                }
                self.check(bytes.get(checked..until).unwrap_or_default(), frame, &mut chain)?;
                (checked, frames) = (until, others);
            }
            if got < len {
                let reason = format!("the file ends at {}", located.position() + read as u64);
                return Err(self.damage(chain.from, frames, reason).into());
            }
        }
        Ok(bytes)
    }

    /// The located batches in front of the damage, if there are any, and where they end.
    pub(crate) fn read_before(
        &self,
        files: &Files,
        located: &Located,
        damage: &Damage,
    ) -> Result<Option<(Vec<u8>, Offset)>, LogError> {
        let mut good = located.clone();
        good.frames.retain(|frame| self.end_of(frame) <= damage.range.start);
        let Some(last) = good.frames.last() else { return Ok(None) };
        good.span.end = self.end_of(last);
        good.span.len = usize::try_from(last.end_position() - good.span.position).unwrap_or(0);
        Ok(Some((self.read(files, &good)?, good.span.end)))
    }

    /// Offset of whatever comes after the batch of this frame.
    pub(super) fn end_of(&self, frame: &Frame) -> Offset {
        self.base + i64::from(frame.last_delta) + 1
    }

    fn check(&self, bytes: &[u8], frame: &Frame, chain: &mut Chain) -> Result<(), Damage> {
        let judge = || {
            let (batch, rest) = Batch::split_first(bytes).map_err(|error| error.to_string())?;
            if !rest.is_empty() || batch.header().next_offset() != self.end_of(frame) {
                return Err(format!("batch {} is not the one that its frame describes", chain.index));
            }
            let head: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or("a batch without a header")?;
            let check = crc32c::crc32c_append(chain.check, head);
            if check != frame.header_check {
                return Err(format!("the header of batch {} is not the one that was written", chain.index));
            }
            batch.check_crc().map_err(|error| error.to_string())
        };
        judge().map_err(|reason| self.damage(chain.from, std::slice::from_ref(frame), reason))?;
        chain.check = frame.header_check;
        chain.from = self.end_of(frame);
        chain.index += 1;
        Ok(())
    }

    fn damage(&self, from: Offset, frames: &[Frame], reason: String) -> Damage {
        let end = frames.last().map_or(self.end, |frame| self.end_of(frame));
        Damage { segment: self.base, range: from..end, reason }
    }

    /// Reads and checks the batches of these offsets.
    pub(crate) fn check_between(
        &self,
        files: &Files,
        from: Offset,
        until: Offset,
    ) -> Result<Vec<Damage>, LogError> {
        self.check_range(files, from, until, |_| {})
    }

    /// Reads and checks everything, and shows whole batches that are good. Goes on behind damage, so that it finds all
    /// of it.
    pub(crate) fn check_each(&self, files: &Files, good: impl FnMut(&[u8])) -> Result<Vec<Damage>, LogError> {
        self.check_range(files, self.base, self.end, good)
    }

    fn check_range(
        &self,
        files: &Files,
        from: Offset,
        until: Offset,
        mut good: impl FnMut(&[u8]),
    ) -> Result<Vec<Damage>, LogError> {
        let mut damages = Vec::new();
        let mut next = from;
        while next < until {
            let located = match self.locate(files, next, self.end, CHECK_BYTES) {
                Ok(Some(located)) => located,
                Ok(None) => break,
                Err(IndexError::Disk(error)) => return Err(error.into()),
                Err(error @ IndexError::Damaged(_)) => {
                    damages.push(Damage {
                        segment: self.base,
                        range: next..self.end,
                        reason: error.to_string(),
                    });
                    break;
                }
            };
            match self.read(files, &located) {
                Ok(bytes) => {
                    good(&bytes);
                    next = located.end();
                }
                Err(LogError::Damaged(damage)) => {
                    if let Some((bytes, _)) = self.read_before(files, &located, &damage)? {
                        good(&bytes);
                    }
                    next = damage.range.end;
                    damages.push(damage);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(damages)
    }

    /// Whether every frame is what was written.
    pub(crate) fn has_good_index(&self, files: &Files) -> bool {
        self.frames(files, 0, self.frame_count()).is_ok()
    }

    /// The bytes of the batch with this number, checked.
    pub(crate) fn read_one(
        &self,
        files: &Files,
        index: u32,
    ) -> Result<Result<Vec<u8>, LogError>, IndexError> {
        let before = index.checked_sub(1).map(|before| self.frame(files, before)).transpose()?;
        let frame = self.frame(files, index)?;
        let span = Span {
            first: index,
            until: index.saturating_add(1),
            position: frame.position.into(),
            len: usize::try_from(frame.size).unwrap_or(usize::MAX),
            header_check: before.map_or(0, |before| before.header_check),
            from: before.map_or(self.base, |before| self.end_of(&before)),
            end: self.end_of(&frame),
        };
        let located = Located { span, frames: vec![frame] };
        Ok(self.read(files, &located))
    }
}

/// Where the checking of a run of batches stands.
struct Chain {
    check: u32,
    from: Offset,
    index: u32,
}
