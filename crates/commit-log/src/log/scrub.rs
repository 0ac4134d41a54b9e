//! Looking for rot before anyone reads it.

use std::sync::Arc;

use crate::{
    error::{Damage, LogError},
    files::Files,
    segment::Segment,
};

/// Checks a log as of the moment this was made; needs no borrow of it.
#[derive(Debug)]
pub struct Scrub {
    pub(super) files: Arc<Files>,
    pub(super) segments: Vec<Segment>,
}

impl Iterator for Scrub {
    type Item = Result<Vec<Damage>, LogError>;

    /// Checks one more segment: every batch and every frame of it.
    fn next(&mut self) -> Option<Self::Item> {
        let segment = (!self.segments.is_empty()).then(|| self.segments.remove(0))?;
        Some(segment.check_all(&self.files))
    }
}
