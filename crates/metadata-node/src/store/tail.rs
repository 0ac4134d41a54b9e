//! The end of the log in memory: every entry that is not durable yet, and as many durable ones as a bound on bytes
//! allows, so that replication and apply, which follow close behind, need no SQL.

use std::collections::VecDeque;

/// Entries `first()..=last`, dense. `E` is whatever the reader wants back.
#[derive(Debug)]
pub(crate) struct Tail<E> {
    entries: VecDeque<Slot<E>>,
    /// Index of the front entry, if there is one.
    first: u64,
    bytes: usize,
    bytes_max: usize,
    /// Appends are numbered; all up to this one are durable.
    durable: u64,
}

#[derive(Debug)]
struct Slot<E> {
    entry: E,
    bytes: usize,
    /// Number of the append that brought it. An index can be appended, truncated and appended again, so it is the
    /// append that becomes durable and not the index.
    append: u64,
}

impl<E: Clone> Tail<E> {
    /// An empty tail that drops durable entries beyond `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), first: 0, bytes: 0, bytes_max, durable: 0 }
    }

    /// Index of the first entry held; entries before it are durable and are read from SQL.
    pub(crate) fn first(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.first)
    }

    /// Adds the entry after the last. If it does not follow it (the log was emptied in between), the tail starts anew.
    pub(crate) fn push(&mut self, index: u64, entry: E, bytes: usize, append: u64) {
        if self.first + self.entries.len() as u64 != index {
            self.entries.clear();
            self.bytes = 0;
        }
        if self.entries.is_empty() {
            self.first = index;
        }
        self.bytes += bytes;
        self.entries.push_back(Slot { entry, bytes, append });
    }

    /// Append number `append`, and with it all before, is durable.
    pub(crate) fn durable(&mut self, append: u64) {
        self.durable = self.durable.max(append);
        while self.bytes > self.bytes_max
            && let Some(front) = self.entries.pop_front_if(|front| front.append <= self.durable)
        {
            self.bytes -= front.bytes;
            self.first += 1;
        }
    }

    /// Drops what comes after `index`; `None`: all.
    pub(crate) fn truncate_after(&mut self, index: Option<u64>) {
        while let Some(last) = self.last()
            && index.is_none_or(|index| last > index)
            && let Some(slot) = self.entries.pop_back()
        {
            self.bytes -= slot.bytes;
        }
    }

    /// Drops what comes up to `index`.
    pub(crate) fn purge_to(&mut self, index: u64) {
        while !self.entries.is_empty()
            && self.first <= index
            && let Some(slot) = self.entries.pop_front()
        {
            self.bytes -= slot.bytes;
            self.first += 1;
        }
    }

    /// Entries from `from` (which must not lie before [`Self::first`]) to before `to`, at least one if there is one, and
    /// no more than `bytes_max` bytes of them.
    pub(crate) fn read(&self, from: u64, to: u64, bytes_max: usize, out: &mut Vec<E>) {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let count = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        for slot in self.entries.iter().skip(skip).take(count) {
            bytes += slot.bytes;
            if bytes > bytes_max && !out.is_empty() {
                break;
            }
            out.push(slot.entry.clone());
        }
    }

    fn last(&self) -> Option<u64> {
        (!self.entries.is_empty()).then(|| self.first + self.entries.len() as u64 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tail: &Tail<u64>, from: u64, to: u64, bytes: usize) -> Vec<u64> {
        let mut out = Vec::new();
        tail.read(from, to, bytes, &mut out);
        out
    }

    #[test]
    fn only_durable_entries_are_dropped_for_space() {
        let mut tail = Tail::new(25);
        for index in 5..=9 {
            tail.push(index, index, 10, index - 4);
        }
        tail.durable(2);
        assert_eq!(Some(7), tail.first(), "two durable entries went, three are not durable and stay");
        tail.durable(5);
        assert_eq!(Some(8), tail.first());
        assert_eq!(vec![8, 9], read(&tail, 8, 99, 1000));
    }

    #[test]
    fn an_index_that_was_written_again_is_not_durable_with_its_former_entry() {
        let mut tail = Tail::new(0);
        tail.push(1, 100, 10, 1);
        tail.push(2, 200, 10, 1);
        tail.truncate_after(Some(1));
        tail.push(2, 201, 10, 2);
        tail.durable(1);
        assert_eq!(vec![201], read(&tail, 2, 3, 1000));
        tail.durable(2);
        assert_eq!(None, tail.first());
    }

    #[test]
    fn reads_are_capped_by_bytes_but_give_one_entry() {
        let mut tail = Tail::new(1000);
        for index in 1..=4 {
            tail.push(index, index, 10, 1);
        }
        assert_eq!(vec![1, 2], read(&tail, 1, 5, 20));
        assert_eq!(vec![2], read(&tail, 2, 5, 1));
        assert_eq!(vec![2, 3], read(&tail, 2, 4, 1000));
        assert_eq!(Vec::<u64>::new(), read(&tail, 9, 12, 1000));
    }

    #[test]
    fn a_gap_starts_it_anew() {
        let mut tail = Tail::new(1000);
        tail.push(1, 1, 10, 1);
        tail.purge_to(50);
        tail.push(51, 51, 10, 2);
        assert_eq!(Some(51), tail.first());
        tail.truncate_after(None);
        assert_eq!(None, tail.first());
    }
}
