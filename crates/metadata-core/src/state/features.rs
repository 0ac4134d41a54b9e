//! What the nodes of the cluster agreed to be able to do.

use crate::command::FEATURE_LEVEL_MAX;

/// The feature level in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    /// From 1 to [`FEATURE_LEVEL_MAX`]; it only grows.
    pub(crate) level: u16,
}

impl Default for Features {
    fn default() -> Self {
        // A new cluster starts with everything its first node can do.
        Self { level: FEATURE_LEVEL_MAX }
    }
}
