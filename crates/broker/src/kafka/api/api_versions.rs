//! ApiVersions (18): what this broker serves. The first request of every connection.
//!
//! The answer has header version 0 in all versions, and an unknown version is answered in version 0 with
//! UNSUPPORTED_VERSION and the whole list (KIP-511): a newer client then asks again in a version that both know.

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse,
        api_versions::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
    registry,
};
use metadata_core::command::{FEATURE_LEVEL_INITIAL, FEATURE_LEVEL_MAX};

use super::{
    Call,
    update_features::{self, FEATURE},
};

/// Since this version a client says what software it is.
const SOFTWARE_SINCE: i16 = 3;

/// The feature by which clients know that groups may use the consumer protocol (KIP-848).
pub(super) const GROUP_VERSION: &str = "group.version";

/// Its only level. Every broker has it, so there is nothing to decide.
pub(super) const GROUP_VERSION_LEVEL: i16 = 1;

pub(super) async fn handle(call: Arc<Call>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = [&request.client_software_name, &request.client_software_version];
    if call.version() >= SOFTWARE_SINCE && !named.into_iter().all(|name| is_software_name(name)) {
        return ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..ApiVersionsResponse::default()
        };
    }
    let (level, version) = call.server.image.read(|state| (state.feature_level(), state.version()));
    let level = update_features::number(level);
    let feature =
        FinalizedFeatureKey { name: FEATURE.to_owned(), max_version_level: level, min_version_level: level };
    let supported = SupportedFeatureKey {
        name: FEATURE.to_owned(),
        min_version: update_features::number(FEATURE_LEVEL_INITIAL),
        max_version: update_features::number(FEATURE_LEVEL_MAX),
    };
    tracing::debug!(
        event = "kafka.client", peer = %call.client.peer, client_id = call.header.client_id,
        software = request.client_software_name, version = request.client_software_version, "a client",
    );
    let mut response = served();
    response.supported_features.push(supported);
    response.finalized_features.push(feature);
    response.finalized_features_epoch = i64::try_from(version.0).unwrap_or(i64::MAX);
    response
}

/// For a version that is not served.
pub(super) fn unsupported() -> ApiVersionsResponse {
    ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..served() }
}

fn served() -> ApiVersionsResponse {
    let row = |served: &registry::Served| ApiVersion {
        api_key: served.key as i16,
        min_version: *served.advertised.start(),
        max_version: *served.advertised.end(),
    };
    ApiVersionsResponse {
        api_keys: registry::all().iter().map(row).collect(),
        supported_features: vec![SupportedFeatureKey {
            name: GROUP_VERSION.to_owned(),
            min_version: GROUP_VERSION_LEVEL,
            max_version: GROUP_VERSION_LEVEL,
        }],
        finalized_features: vec![FinalizedFeatureKey {
            name: GROUP_VERSION.to_owned(),
            max_version_level: GROUP_VERSION_LEVEL,
            min_version_level: GROUP_VERSION_LEVEL,
        }],
        ..ApiVersionsResponse::default()
    }
}

/// Kafka's rule: letters and digits, with `-` and `.` inside.
fn is_software_name(name: &str) -> bool {
    let (Some(first), Some(last)) = (name.chars().next(), name.chars().next_back()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_are_checked_as_in_kafka() {
        assert!(["librdkafka", "apache-kafka-java", "4.0.0", "a"].into_iter().all(is_software_name));
        assert!(["", "-a", "a-", "a b", "ä", "v1.0."].into_iter().all(|name| !is_software_name(name)));
    }
}
