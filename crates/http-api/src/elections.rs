//! `POST /api/v1/metadata/elections`: gives partitions back to their preferred leaders, or gives those that have no leader
//! one that may lack records.

use common::{BrokerId, MetadataVersion, PartitionId, TopicName};
use metadata_core::outcome::{Election, ElectionResult};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which partitions, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ElectLeadersRequest {
    /// Empty or absent: all.
    #[serde(default)]
    pub partitions: Vec<PartitionRef>,
    /// Elect a leader where there is none, from the replicas that are ONLINE: acknowledged records may be lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unclean: bool,
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
    /// What came of each partition that was named, in that order.
    #[serde(default)]
    pub results: Vec<PartitionElection>,
}

/// What came of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionElection {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
    /// What came of it.
    pub result: Election,
    /// Who leads afterwards.
    pub leader: Option<BrokerId>,
}

impl From<ElectionResult> for PartitionElection {
    fn from(ElectionResult { topic_name, partition, result, leader }: ElectionResult) -> Self {
        Self { topic_name, partition, result, leader }
    }
}
