//! The brokers' side of the control plane: the controller's push, and what a broker knows and holds.

use common::{
    BrokerEpoch, BrokerId, BrokerStatus, IncarnationId, LeaderEpoch, MetadataVersion, NodeId, PartitionId,
    Term, TopicId, TopicName,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why the controller pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UpdateType {
    /// The sender took office.
    ControllerChanged,
    /// The metadata has a newer version.
    MetadataChanged,
}

/// `POST /api/v1/storage/metadata`. Saves time; nothing depends on one arriving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetadataPush {
    /// Why.
    pub update_type: UpdateType,
    /// The newest version.
    pub version: MetadataVersion,
    /// Who sends.
    pub controller_id: NodeId,
    /// Where it is reached.
    pub controller_url: String,
    /// Its term: a push with an older one than the broker has seen changes nothing.
    pub controller_term: Term,
    /// The sender's clock, in Unix milliseconds.
    pub timestamp: u64,
}

/// Answer to a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushAck {
    /// Always true: the push was understood.
    pub success: bool,
    /// Who answers.
    pub broker_id: BrokerId,
    /// Whether it told the broker anything new.
    pub applied: bool,
}

/// `GET /api/v1/storage/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatus {
    /// Who answers.
    pub broker_id: BrokerId,
    /// This life of the process.
    pub incarnation_id: IncarnationId,
    /// The epoch of its registration; `null` before the first.
    pub broker_epoch: Option<BrokerEpoch>,
    /// What the controller said of it last; `null` before the first registration.
    pub status: Option<BrokerStatus>,
    /// The controller it follows; `null` while it looks for one.
    pub controller: Option<FollowedController>,
    /// The version of the metadata it has.
    pub metadata_version: MetadataVersion,
    /// How its heartbeats fare.
    pub heartbeat: HeartbeatStatus,
    /// The replicas assigned to it.
    pub partitions: Vec<ReplicaStatus>,
}

/// The controller that a broker follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FollowedController {
    /// Its node id.
    pub id: NodeId,
    /// Base URL of its REST API.
    pub url: String,
    /// Its term.
    pub term: Term,
}

/// How a broker's heartbeats fare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatStatus {
    /// When one last succeeded, in Unix milliseconds; `null`: none yet.
    pub last_success: Option<u64>,
    /// Failures since then.
    pub consecutive_failures: u32,
    /// How often the broker looked for the controller anew since it started.
    pub rediscoveries: u64,
}

/// A replica's part in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReplicaRole {
    /// Leads the partition.
    Leader,
    /// Follows another broker.
    Follower,
    /// The partition has no leader.
    Offline,
}

/// One replica of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// Topic.
    pub topic_name: TopicName,
    /// Identity of the topic.
    pub topic_id: TopicId,
    /// Partition.
    pub partition: PartitionId,
    /// Its part.
    pub role: ReplicaRole,
    /// The partition's leader, if it has one.
    pub leader: Option<BrokerId>,
    /// The epoch of that leader.
    pub leader_epoch: LeaderEpoch,
    /// Whether this replica is in sync.
    pub in_sync: bool,
    /// What is wrong with what it has on disk, if something is. A disk that is given up takes no records: the replica leaves
    /// the ISR unless it is the last in it. Records that are damaged are made good from other replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_error: Option<String>,
}
