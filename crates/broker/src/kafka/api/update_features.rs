//! UpdateFeatures (57), versions 0 to 2: raises the feature level. It never goes down: what needs it may be in the metadata
//! already. `group.version` has one level, so that nothing changes it.

use std::sync::Arc;

use client::api;
use http_api::features::SetFeatureLevelRequest;
use kafka_wire::{
    ErrorCode,
    messages::{
        UpdateFeaturesRequest, UpdateFeaturesResponse,
        update_features::{FeatureUpdateKey, UpdatableFeatureResult},
    },
};
use metadata_core::command::{FEATURE_LEVEL_INITIAL, FEATURE_LEVEL_MAX};

use super::{
    Call,
    api_versions::{GROUP_VERSION, GROUP_VERSION_LEVEL},
    create_topics::Refusal,
};
use crate::kafka::{Server, errors};

/// What clients know the feature level by. Not Kafka's `metadata.version`, whose numbers mean other things.
pub(super) const FEATURE: &str = "dmq.feature.level";

/// `FeatureUpdate.UpgradeType` of what may only grow.
const UPGRADE: i8 = 1;

/// Since this version there is one answer for all features.
const ONE_ANSWER_SINCE: i16 = 2;

pub(super) async fn handle(call: Arc<Call>, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let updated = update(&call.server, &request).await;
    let (error_code, error_message) = match updated {
        Ok(()) => (ErrorCode::NONE, None),
        Err(refusal) => (refusal.code, Some(refusal.message)),
    };
    if call.version() >= ONE_ANSWER_SINCE || request.feature_updates.is_empty() {
        return UpdateFeaturesResponse { error_code, error_message, ..UpdateFeaturesResponse::default() };
    }
    // All or none.
    let result = |update: FeatureUpdateKey| UpdatableFeatureResult {
        feature: update.feature,
        error_code,
        error_message: error_message.clone(),
    };
    let results = request.feature_updates.into_iter().map(result).collect();
    UpdateFeaturesResponse { error_message: None, results, ..UpdateFeaturesResponse::default() }
}

async fn update(server: &Server, request: &UpdateFeaturesRequest) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    let [update] = request.feature_updates.as_slice() else {
        let named = request.feature_updates.len();
        return invalid(format!("{named} updates of features; one at a time can be made"));
    };
    let is_so_already = update.feature == GROUP_VERSION
        && update.upgrade_type == UPGRADE
        && update.max_version_level == GROUP_VERSION_LEVEL;
    if is_so_already {
        return Ok(());
    }
    let level = wanted(update, server.image.read(metadata_core::State::feature_level))?;
    if request.validate_only {
        return Ok(());
    }
    let raised = server.metadata.call(&api::set_feature_level(&SetFeatureLevelRequest { level })).await;
    let raised = raised.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))?;
    let known = server.image.wait_for(|state| (state.feature_level() >= raised.level).then_some(()));
    let _ = tokio::time::timeout(super::KNOWN_WAIT, known).await;
    Ok(())
}

/// The level that is wanted, if it may be.
fn wanted(update: &FeatureUpdateKey, current: u16) -> Result<u16, Refusal> {
    let FeatureUpdateKey { feature, max_version_level, upgrade_type, allow_downgrade } = update;
    let refused = |message: String| Err(Refusal::new(ErrorCode::INVALID_UPDATE_VERSION, message));
    if feature != FEATURE {
        return refused(format!(
            "`{feature}` {max_version_level} cannot be; what can be raised is `{FEATURE}`"
        ));
    }
    if *upgrade_type != UPGRADE || *allow_downgrade {
        return refused(format!("`{FEATURE}` only grows: there is no downgrade"));
    }
    match u16::try_from(*max_version_level) {
        Ok(level) if (FEATURE_LEVEL_INITIAL..=FEATURE_LEVEL_MAX).contains(&level) && level >= current => {
            Ok(level)
        }
        _ => refused(format!(
            "`{FEATURE}` {max_version_level} is not between {current}, which is in force, and {FEATURE_LEVEL_MAX}, the \
             highest that this broker knows"
        )),
    }
}

/// A level as the protocol has it.
pub(super) fn number(level: u16) -> i16 {
    i16::try_from(level).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_may_stay_or_grow_up_to_what_is_known() {
        let update = |feature: &str, max_version_level, upgrade_type| FeatureUpdateKey {
            feature: feature.to_owned(),
            max_version_level,
            upgrade_type,
            ..FeatureUpdateKey::default()
        };
        let most = number(FEATURE_LEVEL_MAX);
        assert_eq!(wanted(&update(FEATURE, most, UPGRADE), 1).unwrap(), FEATURE_LEVEL_MAX);
        for wrong in [
            update("metadata.version", 1, UPGRADE),
            update(FEATURE, 0, UPGRADE),
            update(FEATURE, -1, UPGRADE),
            update(FEATURE, most + 1, UPGRADE),
            update(FEATURE, 1, 2),
            update(FEATURE, 1, 3),
        ] {
            let refusal = wanted(&wrong, 1).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::INVALID_UPDATE_VERSION, "{wrong:?}");
        }
        let refusal = wanted(&update(FEATURE, 1, UPGRADE), 2).unwrap_err();
        assert!(refusal.message.contains("2, which is in force"), "{}", refusal.message);
    }
}
