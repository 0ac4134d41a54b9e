//! The feature level.

use super::{Decision, done};
use crate::{Event, Rejection, State, command::FEATURE_LEVEL_MAX};

/// Raises the level. It never falls: entries that need it may be in the log already.
pub(super) fn set_level(state: &State, level: u16) -> Decision {
    let current = state.feature_level();
    if level < current {
        let detail = format!("feature level {level} is below the level in force, {current}; it only grows");
        return Err(Rejection::InvalidFeatureLevel { detail });
    }
    if level > FEATURE_LEVEL_MAX {
        let detail = format!("feature level {level} is above {FEATURE_LEVEL_MAX}, the highest known");
        return Err(Rejection::InvalidFeatureLevel { detail });
    }
    done(if level == current { Vec::new() } else { vec![Event::FeatureLevelChanged { level }] })
}
