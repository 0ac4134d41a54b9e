//! `GET` and `POST /api/v1/metadata/features`: the feature level, which gates new commands while nodes of an older
//! version are about.

use common::MetadataVersion;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The level in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureLevel {
    /// The level in force.
    pub level: u16,
    /// The highest level that the answering node can apply.
    pub max_level: u16,
    /// `metadataVersion` of this statement.
    pub metadata_version: MetadataVersion,
}

/// Raises the level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetFeatureLevelRequest {
    /// The new level.
    pub level: u16,
}
