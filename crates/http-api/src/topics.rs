//! Topics: create, read, alter; the leader of a partition.

use std::collections::BTreeMap;

use common::{BrokerId, LeaderEpoch, Partition, Topic, TopicId, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/metadata/topics`. Numbers are wider here than what a topic can have, so that one out of bounds is
/// answered with its own code instead of a type error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTopicRequest {
    /// 1 to 249 characters of `a-z A-Z 0-9 . _ -`.
    #[schema(example = "orders")]
    pub topic_name: String,
    /// How many partitions. Needed unless `assignments` says it. `partitionCount` means the same.
    #[serde(default, alias = "partitionCount", skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    pub num_partitions: Option<i64>,
    /// Replicas per partition. Needed unless `assignments` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    pub replication_factor: Option<i64>,
    /// Settings by Kafka's names; all values are strings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, String>,
    /// Replicas of each partition, preferred leader first, instead of automatic placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// `PATCH /api/v1/metadata/topics/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlterTopicRequest {
    /// The new number of partitions; it may only grow.
    #[serde(default, alias = "partitionCount", skip_serializing_if = "Option::is_none")]
    #[schema(example = 6)]
    pub num_partitions: Option<i64>,
    /// Settings to change; `null` puts one back to its default. Those not named stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, Option<String>>,
    /// Replicas of each new partition, preferred leader first, instead of the controller's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// A topic as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicInfo {
    /// Its name.
    pub topic_name: TopicName,
    /// Its identity, which a re-created topic of the same name does not share.
    pub topic_id: TopicId,
    /// How many partitions it has.
    pub num_partitions: usize,
    /// Replicas per partition at creation.
    pub replication_factor: i16,
    /// Settings that differ from the defaults.
    pub configs: BTreeMap<String, String>,
    /// Partition `i` stands at position `i`.
    pub partitions: Vec<Partition>,
}

impl From<Topic> for TopicInfo {
    fn from(topic: Topic) -> Self {
        Self {
            num_partitions: topic.partitions.len(),
            topic_name: topic.topic_name,
            topic_id: topic.topic_id,
            replication_factor: topic.replication_factor,
            configs: topic.configs,
            partitions: topic.partitions,
        }
    }
}

impl From<TopicInfo> for Topic {
    fn from(info: TopicInfo) -> Self {
        Self {
            topic_name: info.topic_name,
            topic_id: info.topic_id,
            replication_factor: info.replication_factor,
            configs: info.configs,
            partitions: info.partitions,
        }
    }
}

/// [`TopicInfo`] that borrows, for writing many topics without copying them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicRef<'a> {
    topic_name: &'a TopicName,
    topic_id: TopicId,
    num_partitions: usize,
    replication_factor: i16,
    configs: &'a BTreeMap<String, String>,
    partitions: &'a [Partition],
}

impl<'a> From<&'a Topic> for TopicRef<'a> {
    fn from(topic: &'a Topic) -> Self {
        Self {
            topic_name: &topic.topic_name,
            topic_id: topic.topic_id,
            num_partitions: topic.partitions.len(),
            replication_factor: topic.replication_factor,
            configs: &topic.configs,
            partitions: &topic.partitions,
        }
    }
}

/// `GET /api/v1/metadata/topics/{name}/partitions/{p}/leader`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionLeader {
    /// The broker that leads the partition.
    pub broker_id: BrokerId,
    /// Base URL of its REST API.
    pub url: String,
    /// `host:port` of its Kafka listener, if it has one.
    pub kafka_address: Option<String>,
    /// The epoch it leads under.
    pub leader_epoch: LeaderEpoch,
}
