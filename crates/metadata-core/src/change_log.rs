//! The recent end of the metadata change stream, which `?since=V` is answered from.

use std::sync::Arc;

use common::MetadataVersion;

use crate::{Change, Event};

/// A node's bounded ring of recent events. Not replicated: each node keeps as much as it has seen and can afford.
#[derive(Debug)]
pub struct ChangeLog {
    floor: MetadataVersion,
}

#[expect(
    clippy::todo,
    clippy::missing_panics_doc,
    reason = "signatures first; the next change fills them in"
)]
impl ChangeLog {
    /// An empty ring for a state at `version`, holding at most so many events and (estimated) bytes.
    pub fn new(version: MetadataVersion, _events_max: usize, _bytes_max: usize) -> Self {
        Self { floor: version }
    }

    /// Forgets everything: the state was replaced by one at `version`.
    pub fn reset(&mut self, version: MetadataVersion) {
        self.floor = version;
    }

    /// Adds what a command changed.
    pub fn push(&mut self, _changes: &[Change]) {
        todo!()
    }

    /// The events after `version`, in order; `None` if some of them are no longer held (a full image is needed).
    pub fn since(&self, _version: MetadataVersion) -> Option<Vec<(MetadataVersion, Arc<Event>)>> {
        todo!()
    }

    /// The oldest version that [`since`](Self::since) can answer for.
    pub fn floor(&self) -> MetadataVersion {
        self.floor
    }
}
