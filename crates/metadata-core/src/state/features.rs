//! What the nodes of the cluster agreed to be able to do.

use crate::command::FEATURE_LEVEL_INITIAL;

/// The feature level in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    /// At least [`FEATURE_LEVEL_INITIAL`]; it only grows.
    pub(crate) level: u16,
}

impl Default for Features {
    fn default() -> Self {
        Self { level: FEATURE_LEVEL_INITIAL }
    }
}
