//! `POST /api/v1/metadata/internal-topics`: a topic of the system, made for the broker that needs it first.

use std::collections::BTreeMap;

use common::{BrokerEpoch, BrokerId, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which topic, and who asks. Answered as the creation of any topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateInternalTopicRequest {
    /// The broker.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
    /// `__consumer_offsets` or `__transaction_state`.
    pub topic_name: TopicName,
    /// How many partitions.
    pub num_partitions: i32,
    /// Replicas per partition.
    pub replication_factor: i16,
    /// Settings by Kafka's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, String>,
}
