//! The last batches, in memory: consumers that keep up are served without the disk.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::offset::Offset;

/// A batch as it is written: one or two pieces.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) end: Offset,
    pub(super) head: Bytes,
    /// Empty where the batch is small enough to be in one piece.
    pub(super) body: Bytes,
}

impl Stored {
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// A run of batches that ends with the last one of the log.
#[derive(Debug)]
pub(super) struct Tail {
    batches: VecDeque<Stored>,
    /// Offset of whatever came before the first.
    from: Offset,
    bytes: usize,
    bytes_max: usize,
}

impl Tail {
    /// Nothing, at the end of a log.
    pub(super) fn new(end: Offset, bytes_max: usize) -> Self {
        Self { batches: VecDeque::new(), from: end, bytes: 0, bytes_max }
    }

    pub(super) fn set_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.shrink();
    }

    pub(super) fn push(&mut self, batch: Stored) {
        self.bytes += batch.len();
        self.batches.push_back(batch);
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.batches.pop_front()
        {
            self.bytes -= oldest.len();
            self.from = oldest.end;
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some(last) = self.batches.back() {
            self.from = last.end;
        }
        self.batches = VecDeque::new();
        self.bytes = 0;
    }

    /// The log was cut or ends elsewhere.
    pub(super) fn restart(&mut self, end: Offset) {
        self.clear();
        self.from = end;
    }

    /// The batches from the one with `from` on, below `limit`, of at most `bytes_max` but at least one, and where
    /// they end. `None` if the first of them is not here.
    pub(super) fn read(&self, from: Offset, limit: Offset, bytes_max: usize) -> Option<(Vec<Bytes>, Offset)> {
        if from < self.from {
            return None;
        }
        let first = self.batches.partition_point(|batch| batch.end <= from);
        let mut pieces = Vec::new();
        let (mut end, mut bytes) = (from, 0);
        for batch in self.batches.iter().skip(first).take_while(|batch| batch.end <= limit) {
            bytes += batch.len();
            if bytes > bytes_max && !pieces.is_empty() {
                break;
            }
            pieces.push(batch.head.clone());
            pieces.extend(Some(&batch.body).filter(|body| !body.is_empty()).cloned());
            end = batch.end;
        }
        Some((pieces, end))
    }
}
