//! Lists of ranges of offsets, rising and apart from each other: what is missing of a log.

use std::ops::Range;

use crate::offset::Offset;

/// Appends a range, joined with the last one where they touch.
pub(super) fn push_range(ranges: &mut Vec<Range<Offset>>, range: Range<Offset>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
        _ => ranges.push(range),
    }
}

/// Adds ranges wherever they belong.
pub(super) fn add_ranges(
    ranges: &[Range<Offset>],
    more: impl IntoIterator<Item = Range<Offset>>,
) -> Vec<Range<Offset>> {
    let mut all: Vec<_> = ranges.iter().cloned().chain(more).collect();
    all.sort_by_key(|range| range.start);
    let mut joined = Vec::new();
    all.into_iter().for_each(|range| push_range(&mut joined, range));
    joined
}

/// The parts of `range` that lie in none of `ranges`.
pub(super) fn outside(ranges: &[Range<Offset>], range: Range<Offset>) -> Vec<Range<Offset>> {
    let mut parts = Vec::new();
    let mut next = range.start;
    for taken in ranges.iter().filter(|taken| taken.end > range.start) {
        push_range(&mut parts, next..taken.start.min(range.end));
        next = next.max(taken.end);
    }
    push_range(&mut parts, next..range.end);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(bounds: &[(i64, i64)]) -> Vec<Range<Offset>> {
        bounds.iter().map(|(from, until)| Offset(*from)..Offset(*until)).collect()
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let all = add_ranges(&ranges(&[(2, 4), (8, 9)]), ranges(&[(4, 6), (0, 1), (5, 7), (3, 3)]));
        assert_eq!(all, ranges(&[(0, 1), (2, 7), (8, 9)]));
    }

    #[test]
    fn what_lies_outside_is_what_is_left() {
        let taken = ranges(&[(2, 4), (6, 8)]);
        let left = |from, until| outside(&taken, Offset(from)..Offset(until));
        assert_eq!(left(0, 10), ranges(&[(0, 2), (4, 6), (8, 10)]));
        assert_eq!(left(3, 7), ranges(&[(4, 6)]));
        assert_eq!(left(2, 4), []);
        assert_eq!(left(9, 9), []);
    }
}
