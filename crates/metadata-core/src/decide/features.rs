//! The feature level.

use super::{Decision, done};
use crate::{Event, Rejection, State};

/// Raises the level, up to what the leader that proposed it knows. It never falls: entries that need it may be in the
/// log already.
pub(super) fn set_level(state: &State, level: u16, level_max: u16) -> Decision {
    let current = state.feature_level();
    if level < current {
        let detail = format!("feature level {level} is below the level in force, {current}; it only grows");
        return Err(Rejection::InvalidFeatureLevel { detail });
    }
    if level > level_max {
        let detail =
            format!("feature level {level} is above {level_max}, the highest that the controller knows");
        return Err(Rejection::InvalidFeatureLevel { detail });
    }
    done(if level == current { Vec::new() } else { vec![Event::FeatureLevelChanged { level }] })
}
