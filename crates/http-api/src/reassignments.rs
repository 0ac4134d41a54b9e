//! `/api/v1/metadata/reassignments`: replicas that move to other brokers (KIP-455).

use common::{BrokerId, MetadataVersion, Partition, PartitionId, Reassignment, Topic, TopicId, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;

/// `POST`: moves to start or to cancel; they succeed or fail one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReassignRequest {
    /// The moves.
    pub reassignments: Vec<ReassignmentRequest>,
}

/// One move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReassignmentRequest {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
    /// The replicas it is to have, preferred leader first; `null` or absent cancels the move that is under way.
    #[serde(default)]
    pub replicas: Option<Vec<BrokerId>>,
}

/// One result per move, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReassignResponse {
    /// `metadataVersion` afterwards.
    pub metadata_version: MetadataVersion,
    /// The results.
    pub results: Vec<ReassignmentResult>,
}

/// What came of one move: either `state` or `problem` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReassignmentResult {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
    /// The partition afterwards; without a `reassignment` if there is nothing left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Partition>,
    /// Why nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// `GET`: a move that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReassignmentInfo {
    /// Topic.
    pub topic_name: TopicName,
    /// Its identity.
    pub topic_id: TopicId,
    /// Partition.
    pub partition: PartitionId,
    /// All replicas, those that are being added last.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: Vec<BrokerId>,
    /// Where it goes.
    #[serde(flatten)]
    pub reassignment: Reassignment,
}

impl ReassignmentInfo {
    /// The moves that are under way in a topic.
    pub fn of(topic: &Topic) -> impl Iterator<Item = Self> {
        topic.partitions.iter().filter_map(|partition| {
            Some(Self {
                topic_name: topic.topic_name.clone(),
                topic_id: topic.topic_id,
                partition: partition.id,
                replicas: partition.replicas.clone(),
                isr: partition.isr.clone(),
                reassignment: partition.reassignment.as_deref()?.clone(),
            })
        })
    }
}
