//! What a proposer is told once its command was applied.

use std::sync::Arc;

use common::{Broker, BrokerEpoch, BrokerId, MetadataVersion, Partition, PartitionId, Topic, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The result of an applied command. Cheap to clone. Kept with its request id, so that a retry gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// The topic as it is after creation or alteration.
    Topic {
        /// The topic.
        topic: Arc<Topic>,
    },
    /// The topic is gone.
    TopicDeleted,
    /// The broker as registered.
    Broker {
        /// The broker.
        broker: Broker,
    },
    /// Done, and nothing to tell but whether anything changed.
    Done {
        /// False: it was so already.
        changed: bool,
    },
    /// One result per ISR change, in the order asked.
    IsrChanges {
        /// The partition after the change, or why not.
        results: Vec<PartitionResult>,
    },
    /// What came of elections.
    Elections {
        /// How many partitions got another leader.
        elected: usize,
        /// One result per partition that was named, in that order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        results: Vec<ElectionResult>,
    },
    /// One result per move, in the order asked.
    Reassignments {
        /// The partition after the change, or why not.
        results: Vec<PartitionResult>,
    },
    /// A block of producer ids.
    ProducerIds {
        /// First id of the block.
        first: i64,
        /// How many.
        count: i32,
    },
}

/// Result of one change of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionResult {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
    /// The partition after the change, or the rejection.
    pub result: Result<Partition, Rejection>,
}

/// Result of one election.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElectionResult {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
    /// What came of it.
    pub result: Election,
    /// Who leads afterwards.
    pub leader: Option<BrokerId>,
}

/// What came of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Election {
    /// The partition has another leader.
    Elected,
    /// It had the wanted leader, or any where any will do (Kafka's `ELECTION_NOT_NEEDED`).
    NotNeeded,
    /// Nobody could be elected (`PREFERRED_LEADER_NOT_AVAILABLE`, `ELIGIBLE_LEADERS_NOT_AVAILABLE`).
    NotAvailable,
}

/// Why a command changed nothing. The text names the thing, the value and the bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum Rejection {
    /// `detail` says which rule of the grammar is broken, or which name it collides with.
    #[error("{detail}")]
    InvalidTopicName {
        /// What is wrong.
        detail: String,
    },
    /// Number of partitions out of bounds, or shrinking.
    #[error("{detail}")]
    InvalidPartitions {
        /// What is wrong.
        detail: String,
    },
    /// Replication factor below 1 or above the number of brokers that can take replicas.
    #[error("{detail}")]
    InvalidReplicationFactor {
        /// What is wrong.
        detail: String,
    },
    /// A replica assignment that is not possible.
    #[error("{detail}")]
    InvalidAssignment {
        /// What is wrong.
        detail: String,
    },
    /// An unknown setting or a value out of its range.
    #[error("{detail}")]
    InvalidConfig {
        /// The setting.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// No group can be called so.
    #[error("{detail}")]
    InvalidGroupId {
        /// What is wrong.
        detail: String,
    },
    /// The topic exists.
    #[error("topic `{topic_name}` already exists")]
    TopicAlreadyExists {
        /// Its name.
        topic_name: TopicName,
    },
    /// The topic does not exist.
    #[error("topic `{topic_name}` does not exist")]
    UnknownTopic {
        /// Its name.
        topic_name: TopicName,
    },
    /// The partition does not exist.
    #[error("topic `{topic_name}` has no partition {partition}")]
    UnknownPartition {
        /// Topic.
        topic_name: TopicName,
        /// Partition.
        partition: PartitionId,
    },
    /// The topic belongs to the system.
    #[error("topic `{topic_name}` is internal and cannot be {action} by clients")]
    InternalTopic {
        /// Its name.
        topic_name: TopicName,
        /// What was tried: `created`, `altered`, `deleted`.
        action: String,
    },
    /// The broker is not registered.
    #[error("broker {broker_id} is not registered")]
    UnknownBroker {
        /// Who.
        broker_id: BrokerId,
    },
    /// Another process holds this id and is alive.
    #[error("broker id {broker_id} is held by another live process (epoch {broker_epoch})")]
    DuplicateBrokerId {
        /// Who.
        broker_id: BrokerId,
        /// The epoch of the holder.
        broker_epoch: BrokerEpoch,
    },
    /// The caller's registration was replaced.
    #[error("broker {broker_id}: epoch {given} is not the current epoch {current}")]
    StaleBrokerEpoch {
        /// Who.
        broker_id: BrokerId,
        /// What the caller sent.
        given: BrokerEpoch,
        /// What holds.
        current: BrokerEpoch,
    },
    /// A broker that still holds replicas cannot be removed.
    #[error("broker {broker_id} still holds {replicas} replicas")]
    BrokerHoldsReplicas {
        /// Who.
        broker_id: BrokerId,
        /// How many.
        replicas: usize,
    },
    /// A registration whose fields cannot be.
    #[error("{detail}")]
    InvalidRegistration {
        /// What is wrong.
        detail: String,
    },
    /// The caller does not lead the partition, or leads it under another epoch, or leads one of a former topic of that
    /// name.
    #[error("{detail}")]
    FencedLeaderEpoch {
        /// Which partition, which epochs.
        detail: String,
    },
    /// The compare-and-set lost: the partition changed in between.
    #[error("{detail}")]
    InvalidUpdateVersion {
        /// Which partition, which epochs.
        detail: String,
    },
    /// A wanted ISR that is no ISR: it lacks the leader, or names a broker twice or one without a replica.
    #[error("{detail}")]
    InvalidIsr {
        /// What is wrong.
        detail: String,
    },
    /// A wanted ISR member is fenced, draining, or of another incarnation (KIP-841, KIP-903).
    #[error("{detail}")]
    IneligibleReplica {
        /// Which one and why.
        detail: String,
    },
    /// A move was to be cancelled, but the partition does not move.
    #[error("topic `{topic_name}` partition {partition} is not being reassigned")]
    NoReassignmentInProgress {
        /// Topic.
        topic_name: TopicName,
        /// Partition.
        partition: PartitionId,
    },
    /// A feature level that cannot be set.
    #[error("{detail}")]
    InvalidFeatureLevel {
        /// What is wrong.
        detail: String,
    },
    /// The same idempotency key came with another request.
    #[error("idempotency key {request_id} was used before for another request")]
    IdempotencyKeyReused {
        /// The key.
        request_id: uuid::Uuid,
    },
    /// The cluster would exceed one of its bounds.
    #[error("{what}: {value} exceeds the bound {bound}")]
    LimitExceeded {
        /// What is bounded.
        what: String,
        /// What it would be.
        value: u64,
        /// The bound.
        bound: u64,
    },
}

/// An outcome with the version it left the metadata at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// What was decided.
    pub result: Result<Outcome, Rejection>,
    /// `metadataVersion` after this command.
    pub version: MetadataVersion,
}
