//! `GET /api/v1/metadata/cluster`: the whole metadata, or what changed since a version.

use std::{collections::BTreeMap, sync::Arc};

use common::{ClusterId, MetadataVersion, NodeId, broker_config::Configs};
use metadata_core::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BrokerInfo, ControllerInfo, RaftMember, TopicInfo, broker_configs::AllBrokerConfigs};

/// The metadata of the whole cluster at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterImage {
    /// Which cluster.
    pub cluster_id: ClusterId,
    /// Version of this image: the answer's ETag.
    pub version: MetadataVersion,
    /// True: this is a full image, also where deltas were asked for but no longer reach back far enough.
    pub full: bool,
    /// The Raft leader, if one is known.
    pub controller_leader_id: Option<NodeId>,
    /// The Raft leader with its URL and term, if one is known.
    pub controller_info: Option<ControllerInfo>,
    /// All brokers by id. `lastHeartbeat` is left out here: an image depends on its version alone.
    pub brokers: Vec<BrokerInfo>,
    /// Settings that are kept for brokers.
    #[serde(default)]
    pub broker_configs: AllBrokerConfigs,
    /// Settings that are kept for single groups, by group id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, BTreeMap<String, String>>)]
    pub group_configs: BTreeMap<String, Configs>,
    /// The feature level in force; 0: an older node does not say.
    #[serde(default)]
    pub feature_level: u16,
    /// All topics by name.
    pub topics: Vec<TopicInfo>,
    /// Partitions of all topics together.
    pub total_partitions: usize,
    /// Members of the quorum in force.
    pub active_metadata_nodes: Vec<RaftMember>,
}

/// What changed after `from_version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeltaSet {
    /// The version asked for: the deltas apply to an image of exactly this one.
    pub from_version: MetadataVersion,
    /// The version that applying all deltas leads to.
    pub version: MetadataVersion,
    /// The changes, in order. Empty: nothing changed.
    pub deltas: Vec<Delta>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delta {
    /// The Raft index that made it. Several deltas may share one; they take effect together.
    pub version: MetadataVersion,
    /// What happened, with the state after it.
    #[schema(value_type = Event)]
    pub event: Arc<Event>,
}

/// Answer to a request with `?since=`: deltas where they reach back far enough, else the full image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ClusterMetadata {
    /// What changed.
    Deltas(DeltaSet),
    /// Everything.
    Full(Box<ClusterImage>),
}
