//! What happened. Events carry the state *after* the change, so that applying one needs nothing but the event,
//! and applying it twice is the same as once. They are persisted as history and sent to brokers as deltas: the
//! rules of [`crate::command`] about tags and fields hold here too. `fixtures/events/` holds one golden file each.

use std::{collections::BTreeMap, sync::Arc};

use common::{Broker, BrokerEpoch, BrokerId, BrokerStatus, Partition, Topic, TopicId, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change that was made. (`rename_all` stands on each variant because utoipa does not know `rename_all_fields`.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// A topic was created.
    #[serde(rename_all = "camelCase")]
    TopicCreated {
        /// The topic as created.
        topic: Arc<Topic>,
    },
    /// A topic's settings changed.
    #[serde(rename_all = "camelCase")]
    TopicConfigsChanged {
        /// Which topic.
        topic_name: TopicName,
        /// Its identity.
        topic_id: TopicId,
        /// All its settings after the change.
        configs: BTreeMap<String, String>,
    },
    /// A topic grew.
    #[serde(rename_all = "camelCase")]
    PartitionsAdded {
        /// Which topic.
        topic_name: TopicName,
        /// Its identity.
        topic_id: TopicId,
        /// The new partitions, in order.
        partitions: Vec<Partition>,
    },
    /// Leaders, ISRs or replicas of partitions of one topic changed.
    #[serde(rename_all = "camelCase")]
    PartitionsChanged {
        /// Which topic.
        topic_name: TopicName,
        /// Its identity.
        topic_id: TopicId,
        /// The changed partitions after the change.
        partitions: Vec<Partition>,
    },
    /// A topic was deleted: the committed tombstone without which no broker removes data.
    #[serde(rename_all = "camelCase")]
    TopicDeleted {
        /// Which topic.
        topic_name: TopicName,
        /// Its identity.
        topic_id: TopicId,
    },
    /// A broker registered, or registered again.
    #[serde(rename_all = "camelCase")]
    BrokerRegistered {
        /// The broker after registration.
        broker: Broker,
    },
    /// A broker's status changed.
    #[serde(rename_all = "camelCase")]
    BrokerStatusChanged {
        /// Who.
        broker_id: BrokerId,
        /// Under which epoch.
        broker_epoch: BrokerEpoch,
        /// The new status.
        status: BrokerStatus,
    },
    /// Settings of brokers changed.
    #[serde(rename_all = "camelCase")]
    BrokerConfigsChanged {
        /// Of which broker; `None`: of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broker_id: Option<BrokerId>,
        /// All that are set there after the change.
        configs: BTreeMap<String, String>,
    },
    /// Settings of a group changed.
    #[serde(rename_all = "camelCase")]
    GroupConfigsChanged {
        /// Of which group.
        group_id: String,
        /// All that are set for it after the change.
        configs: BTreeMap<String, String>,
    },
    /// A broker was forgotten, and with it what was set for it.
    #[serde(rename_all = "camelCase")]
    BrokerRemoved {
        /// Who.
        broker_id: BrokerId,
    },
    /// Producer ids were handed out.
    #[serde(rename_all = "camelCase")]
    ProducerIdsAllocated {
        /// To whom.
        broker_id: BrokerId,
        /// The next id that is still free: what the next block starts with (KAFKA-15552).
        next_producer_id: i64,
    },
    /// The feature level was raised.
    #[serde(rename_all = "camelCase")]
    FeatureLevelChanged {
        /// The level in force.
        level: u16,
    },
}
