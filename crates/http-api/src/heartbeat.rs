//! `POST /api/v1/metadata/heartbeat/{brokerId}`: a broker is alive.

use common::{BrokerEpoch, BrokerStatus, MetadataVersion, NodeId, PartitionId, Term, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A heartbeat. An empty body is one of the current epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeartbeatRequest {
    /// The epoch of the registration it is sent under.
    pub broker_epoch: BrokerEpoch,
    /// The metadata that the broker has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_version: Option<MetadataVersion>,
    /// The broker wants to leave: take its leaderships from it.
    #[serde(default)]
    pub want_shutdown: bool,
    /// The replicas that the broker holds. Informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<Vec<HeldPartition>>,
}

/// A replica that a broker holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeldPartition {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatResponse {
    /// Always true: a heartbeat that was not taken is answered with a problem.
    pub success: bool,
    /// The newest version. A broker with an older one pulls.
    pub metadata_version: MetadataVersion,
    /// Who answers.
    pub controller_id: NodeId,
    /// In which term.
    pub controller_term: Term,
    /// What the controller thinks of the broker. A draining broker may go once it leads nothing.
    pub broker_status: BrokerStatus,
    /// The controller's clock, in Unix milliseconds.
    pub timestamp: u64,
}
