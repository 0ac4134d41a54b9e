//! The settings that the controllers keep for single consumer groups: `/api/v1/metadata/groups/{group}/configs`.

use std::collections::BTreeMap;

use common::{MetadataVersion, broker_config::Configs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is set for a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupConfigsInfo {
    /// For which group.
    pub group_id: String,
    /// By Kafka's names.
    #[schema(value_type = BTreeMap<String, String>)]
    pub configs: Configs,
    /// `metadataVersion` of this statement.
    pub metadata_version: MetadataVersion,
}

/// Changes some of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlterGroupConfigsRequest {
    /// New values; `null` sets no more what was set.
    pub configs: BTreeMap<String, Option<String>>,
}
