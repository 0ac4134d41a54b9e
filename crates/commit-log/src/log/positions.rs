//! The positions of a log, with their order checked whenever one moves, in release builds too.

use std::fmt;

use crate::offset::Offset;

/// An offset below which every record survives a power cut. Only a sync that succeeded makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Durable(Offset);

impl Durable {
    /// The offset; records at it and above may be lost.
    pub fn offset(self) -> Offset {
        self.0
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Always: `log_start <= durable <= end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Positions {
    log_start: Offset,
    durable: Offset,
    end: Offset,
}

impl Positions {
    /// Of a log whose bytes were all synced.
    pub(super) fn synced(log_start: Offset, end: Offset) -> Self {
        Self { log_start, durable: end, end }.checked()
    }

    pub(super) fn log_start(&self) -> Offset {
        self.log_start
    }

    pub(super) fn durable(&self) -> Durable {
        Durable(self.durable)
    }

    pub(super) fn end(&self) -> Offset {
        self.end
    }

    /// Batches were written.
    pub(super) fn written(&mut self, end: Offset) {
        assert!(end >= self.end, "the log end went back from {} to {end}", self.end);
        *self = Self { end, ..*self }.checked();
    }

    /// Everything below `end` was synced.
    pub(super) fn flushed(&mut self, end: Offset) -> Durable {
        *self = Self { durable: end.max(self.durable), ..*self }.checked();
        self.durable()
    }

    /// The log now starts here.
    pub(super) fn started(&mut self, log_start: Offset) {
        assert!(
            log_start >= self.log_start,
            "the log start went back from {} to {log_start}",
            self.log_start
        );
        *self = Self { log_start, ..*self }.checked();
    }

    /// The log was cut: the only way back.
    pub(super) fn cut(&mut self, end: Offset) {
        let (log_start, durable) = (self.log_start.min(end), self.durable.min(end));
        *self = Self { log_start, durable, end }.checked();
    }

    fn checked(self) -> Self {
        assert!(
            self.log_start <= self.durable && self.durable <= self.end,
            "positions out of order: log start {}, durable {}, end {}",
            self.log_start,
            self.durable,
            self.end
        );
        self
    }
}
