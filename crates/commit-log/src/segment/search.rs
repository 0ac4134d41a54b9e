//! Finding frames in the index: one read of a page of them around a good guess, mostly.
//!
//! Batches of a segment are much alike, so an offset or a position tells quite well which frame it is. From a guess that is
//! wrong the search goes on in steps that grow, never past the middle of what is left: as few reads as halving needs, for
//! the worst of segments.

use super::{Frame, Segment};
use crate::{error::IndexError, files::Files, offset::Offset};

/// Frames read at once: one page.
pub(super) const PAGE_FRAMES: u32 = 128;

/// Frames of a page that are in front of the guess.
const IN_FRONT: u32 = PAGE_FRAMES / 4;

/// From page to page: the first frame of one is the last of the one before.
const STEP: u32 = PAGE_FRAMES - 1;

/// Neighbouring frames.
#[derive(Debug)]
struct Page {
    /// Number of the first one.
    first: u32,
    frames: Vec<Frame>,
}

/// Where neighbouring batches are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Number of the first one.
    pub(super) first: u32,
    /// Number of whatever comes after the last.
    pub(super) until: u32,
    /// Where the first one begins.
    pub(crate) position: u64,
    /// Bytes of all of them.
    pub(crate) len: usize,
    /// Chain value of the frame before the first.
    pub(super) header_check: u32,
    /// Offset of whatever came before the first.
    pub(super) from: Offset,
    /// Offset of whatever comes after the last.
    pub(crate) end: Offset,
}

impl Page {
    fn get(&self, index: u32) -> Option<&Frame> {
        self.frames.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    fn end(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.frames.len()).unwrap_or(u32::MAX))
    }

    fn partition_point(&self, before: impl Fn(&Frame) -> bool) -> u32 {
        let point = self.frames.partition_point(before);
        self.first.saturating_add(u32::try_from(point).unwrap_or(u32::MAX))
    }
}

impl Segment {
    /// Number of the first frame whose batch holds `offset` or comes after it.
    pub(crate) fn find_offset(&self, files: &Files, offset: Offset) -> Result<u32, IndexError> {
        Ok(self.search_offset(files, offset)?.0)
    }

    /// Number of the first frame whose batch has a record of this time or a later one.
    pub(crate) fn find_timestamp(&self, files: &Files, timestamp_ms: i64) -> Result<u32, IndexError> {
        let before = |frame: &Frame| frame.max_timestamp_ms < timestamp_ms;
        Ok(self.search(files, self.frame_count() / 2, before)?.0)
    }

    /// The batches from the one that holds `from` (or comes after it) on, all of them below `limit`, of at most
    /// `max_bytes` together but at least one. `None` if there are none. Only their ends are looked at.
    pub(crate) fn span(
        &self,
        files: &Files,
        from: Offset,
        limit: Offset,
        max_bytes: usize,
    ) -> Result<Option<Span>, IndexError> {
        let (first, page) = self.search_offset(files, from)?;
        let Some(head) = page.get(first).copied() else { return Ok(None) };
        let before = first.checked_sub(1).and_then(|before| page.get(before));
        let limit_delta = limit - self.base;
        let bytes_end = u64::from(head.position).saturating_add(max_bytes as u64);
        let within = |frame: &Frame| {
            let fits = frame.position <= head.position || frame.end_position() <= bytes_end;
            fits && i64::from(frame.last_delta) < limit_delta
        };
        let mut until = page.partition_point(within);
        let mut last = until.checked_sub(1).and_then(|last| page.get(last)).copied();
        if until == page.end() && until < self.frame_count() {
            let guess = share(self.frame_count(), bytes_end.min(self.size.into()), self.size.into());
            let (point, page) = self.search(files, guess, within)?;
            until = point;
            last = until.checked_sub(1).and_then(|last| page.get(last)).copied();
        }
        let Some(last) = last.filter(|_| until > first) else { return Ok(None) };
        if last.end_position() > u64::from(self.size) || last.position < head.position {
            return Err(IndexError::Damaged(until.saturating_sub(1)));
        }
        Ok(Some(Span {
            first,
            until,
            position: head.position.into(),
            len: usize::try_from(last.end_position() - u64::from(head.position)).unwrap_or(usize::MAX),
            header_check: before.map_or(0, |before| before.header_check),
            from: before.map_or(self.base, |before| self.end_of(before)),
            end: self.end_of(&last),
        }))
    }

    fn search_offset(&self, files: &Files, offset: Offset) -> Result<(u32, Page), IndexError> {
        let delta = offset - self.base;
        let guess = share(
            self.frame_count(),
            u64::try_from(delta).unwrap_or(0),
            u64::try_from(self.end - self.base).unwrap_or(0),
        );
        self.search(files, guess, |frame| i64::from(frame.last_delta) < delta)
    }

    /// How many frames from the front on satisfy `before`, which must hold for a front of them only; and a page that has
    /// the last of these and the first of the others, if they exist.
    fn search(
        &self,
        files: &Files,
        guess: u32,
        before: impl Fn(&Frame) -> bool,
    ) -> Result<(u32, Page), IndexError> {
        // Those below `low` are before, those from `high` on are not.
        let (mut low, mut high) = (0_u32, self.frame_count());
        if let Some(first) = self.tail.first() {
            // The tail decides without IO whether the file matters at all.
            if before(first) || self.stored == 0 {
                let page = Page { first: self.stored, frames: self.tail.to_vec() };
                return Ok((page.partition_point(before), page));
            }
            high = self.stored;
        }
        let (mut at, mut step) = (guess.saturating_sub(IN_FRONT), STEP);
        loop {
            let lowest = low.saturating_sub(1);
            let first = at.clamp(lowest, high.saturating_sub(1).max(lowest));
            let until = high.saturating_add(1).min(self.frame_count()).min(first.saturating_add(PAGE_FRAMES));
            let page = Page { first, frames: self.frames(files, first, until)? };
            let point = page.partition_point(&before);
            if point == first && first > 0 {
                if first < low {
                    return Err(IndexError::Damaged(first));
                }
                high = first;
                at = high.saturating_sub(step).max(low.midpoint(high).saturating_sub(PAGE_FRAMES / 2));
            } else if point == until && until < self.frame_count() {
                if until > high {
                    return Err(IndexError::Damaged(high));
                }
                low = until;
                at = (low - 1).saturating_add(step - STEP).min(low.midpoint(high));
            } else {
                return Ok((point, page));
            }
            step = step.saturating_mul(2);
        }
    }
}

/// The same part of `count` as `part` is of `whole`.
fn share(count: u32, part: u64, whole: u64) -> u32 {
    let share = u128::from(count) * u128::from(part.min(whole)) / u128::from(whole.max(1));
    u32::try_from(share).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::disk::{
        Disk,
        sim::{Random, SimDisk},
    };

    /// A segment of so many frames, of which the offsets rise in steps of up to `step`; all but the last `tail` stored.
    fn segment(files: &Files, count: u32, tail: u32, step: impl Fn(u32) -> u32) -> Segment {
        let mut segment = Segment::empty(Path::new("d").into(), Offset(100));
        let (mut position, mut delta) = (0, 0);
        let mut frames = Vec::new();
        for index in 0..count {
            delta += step(index);
            frames.push(Frame {
                position,
                size: 61 + index % 7,
                last_delta: delta,
                synced: 0,
                max_timestamp_ms: i64::from(delta / 3),
                header_check: index,
            });
            (position, delta) = (position + 61 + index % 7, delta + 1);
        }
        (segment.size, segment.end, segment.tail) =
            (position, Offset(100) + i64::from(delta), Arc::new(frames));
        segment.store_frames(files, usize::try_from(tail).unwrap()).unwrap();
        segment
    }

    /// The same by looking at every frame.
    fn naive(segment: &Segment, files: &Files, before: impl Fn(&Frame) -> bool) -> u32 {
        let all = segment.frames(files, 0, segment.frame_count()).unwrap();
        u32::try_from(all.iter().take_while(|frame| before(frame)).count()).unwrap()
    }

    #[test]
    fn every_search_finds_what_looking_at_every_frame_does() {
        let mut random = Random::new(1);
        let uneven: [fn(u32) -> u32; 4] = [
            |_| 0,
            |index| index % 50,
            |index| u32::from(index % 700 == 699) * 90_000,
            |index| index * index / 90,
        ];
        for (count, tail) in [(0, 0), (1, 0), (1, 1), (127, 3), (128, 0), (129, 1), (130, 130), (3_000, 60)] {
            for step in uneven {
                let disk = SimDisk::new();
                disk.create_dir(Path::new("d")).unwrap();
                let files = Files::new(Arc::new(disk), 8);
                let segment = segment(&files, count, tail, step);
                for _ in 0..60 {
                    let span = usize::try_from(segment.end - segment.base).unwrap();
                    let delta = i64::try_from(random.below(span + 20)).unwrap() - 10;
                    let before = |frame: &Frame| i64::from(frame.last_delta) < delta;
                    let found = segment.find_offset(&files, segment.base + delta).unwrap();
                    assert_eq!(found, naive(&segment, &files, before), "{count} {tail} {delta}");
                    let guess = u32::try_from(random.below(usize::try_from(count).unwrap() + 9)).unwrap();
                    let (point, page) = segment.search(&files, guess, before).unwrap();
                    assert_eq!(point, found, "from a guess of {guess}");
                    assert!(point == count || page.get(point).is_some());
                    assert!(point == 0 || page.get(point - 1).is_some(), "{count} {tail} {delta} {guess}");
                    let earlier = |frame: &Frame| frame.max_timestamp_ms < delta;
                    assert_eq!(
                        segment.find_timestamp(&files, delta).unwrap(),
                        naive(&segment, &files, earlier)
                    );
                }
            }
        }
    }
}
