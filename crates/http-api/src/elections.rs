//! `POST /api/v1/metadata/elections`: gives partitions back to their preferred leaders.

use common::{MetadataVersion, PartitionId, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ElectLeadersRequest {
    /// Empty or absent: all.
    #[serde(default)]
    pub partitions: Vec<PartitionRef>,
}

/// Names a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartitionRef {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElectLeadersResponse {
    /// How many partitions got another leader.
    pub elected: usize,
    /// `metadataVersion` afterwards.
    pub metadata_version: MetadataVersion,
}
