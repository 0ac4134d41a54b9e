//! Samples of one figure: as many as are wanted, or as there is time for.

use std::time::{Duration, Instant};

use super::super::Figure;
use crate::output::say;

/// How many samples a figure has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// At most.
    pub(super) times: u32,
    /// None is begun after so long, but the first.
    pub(super) within: Option<Duration>,
}

/// Samples, as they are taken.
#[derive(Debug)]
pub(super) struct Samples {
    what: String,
    extent: Extent,
    begun: Instant,
    taken: Vec<Duration>,
}

impl Samples {
    /// Of this figure, none yet.
    pub(super) fn of(what: String, extent: Extent) -> Self {
        say!("measuring {what}");
        Self { what, extent, begun: Instant::now(), taken: Vec::new() }
    }

    /// Whether there is to be another one.
    pub(super) fn want_more(&self) -> bool {
        let has_time = self.extent.within.is_none_or(|within| self.begun.elapsed() < within);
        self.taken.is_empty() || self.taken.len() < self.extent.times as usize && has_time
    }

    /// One more.
    pub(super) fn take(&mut self, took: Duration) {
        self.taken.push(took);
        say!("  {} of {}: {:.0} ms", self.taken.len(), self.extent.times, took.as_secs_f64() * 1e3);
    }

    /// What they come to.
    pub(super) fn figure(self, goal: &'static str) -> Figure {
        Figure::of(self.what, &self.taken, goal)
    }
}
