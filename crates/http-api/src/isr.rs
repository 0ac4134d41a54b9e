//! `POST /api/v1/metadata/isr`: compare-and-set changes of ISRs, asked for by partition leaders (KIP-497),
//! and by members whose disk failed.

use common::{BrokerEpoch, BrokerId, MetadataVersion, Partition, PartitionId, TopicName};
use metadata_core::command::IsrChange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;

/// A batch of changes; they succeed or fail one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlterIsrRequest {
    /// The leader that asks.
    pub broker_id: BrokerId,
    /// Under which epoch.
    pub broker_epoch: BrokerEpoch,
    /// What to change.
    pub changes: Vec<IsrChange>,
}

/// One result per change, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlterIsrResponse {
    /// `metadataVersion` after the batch.
    pub metadata_version: MetadataVersion,
    /// The results.
    pub results: Vec<IsrChangeResult>,
}

/// Result of one change: either `state` or `problem` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IsrChangeResult {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
    /// The partition after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Partition>,
    /// Why nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
