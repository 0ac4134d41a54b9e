//! What the state machine refuses, as problems: the one place that gives each [`Rejection`] its code.

use metadata_core::Rejection;

use crate::{ErrorCode, Problem};

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let problem = Self::new(code(&rejection), rejection.to_string());
        match rejection {
            Rejection::InvalidTopicName { .. } => problem.with("field", "topicName"),
            Rejection::InvalidPartitions { .. } => problem.with("field", "numPartitions"),
            Rejection::InvalidReplicationFactor { .. } => problem.with("field", "replicationFactor"),
            Rejection::InvalidAssignment { .. } => problem.with("field", "assignments"),
            Rejection::InvalidConfig { name, .. } => {
                problem.with("field", format!("configs.{name}")).with("config", name)
            }
            Rejection::InvalidRegistration { .. }
            | Rejection::FencedLeaderEpoch { .. }
            | Rejection::InvalidUpdateVersion { .. }
            | Rejection::InvalidIsr { .. }
            | Rejection::IneligibleReplica { .. } => problem,
            Rejection::InvalidFeatureLevel { .. } => problem.with("field", "level"),
            Rejection::TopicAlreadyExists { topic_name } | Rejection::UnknownTopic { topic_name } => {
                problem.with("topicName", topic_name.as_str())
            }
            Rejection::UnknownPartition { topic_name, partition } => {
                problem.with("topicName", topic_name.as_str()).with("partition", partition.0)
            }
            Rejection::InternalTopic { topic_name, action } => {
                problem.with("topicName", topic_name.as_str()).with("action", action)
            }
            Rejection::UnknownBroker { broker_id } => problem.with("brokerId", broker_id.0),
            Rejection::DuplicateBrokerId { broker_id, broker_epoch } => {
                problem.with("brokerId", broker_id.0).with("brokerEpoch", broker_epoch.0)
            }
            Rejection::StaleBrokerEpoch { broker_id, given, current } => {
                problem.with("brokerId", broker_id.0).with("value", given.0).with("currentEpoch", current.0)
            }
            Rejection::BrokerHoldsReplicas { broker_id, replicas } => {
                problem.with("brokerId", broker_id.0).with("replicas", replicas)
            }
            Rejection::IdempotencyKeyReused { request_id } => {
                problem.with("idempotencyKey", request_id.to_string())
            }
            Rejection::LimitExceeded { what, value, bound } => {
                problem.with("what", what).with("value", value).with("bound", bound)
            }
        }
    }
}

fn code(rejection: &Rejection) -> ErrorCode {
    match rejection {
        Rejection::InvalidTopicName { .. } => ErrorCode::InvalidTopicName,
        Rejection::InvalidPartitions { .. } => ErrorCode::InvalidPartitions,
        Rejection::InvalidReplicationFactor { .. } => ErrorCode::InvalidReplicationFactor,
        Rejection::InvalidAssignment { .. } => ErrorCode::InvalidAssignment,
        Rejection::InvalidConfig { .. } => ErrorCode::InvalidConfig,
        Rejection::TopicAlreadyExists { .. } => ErrorCode::TopicAlreadyExists,
        Rejection::UnknownTopic { .. } => ErrorCode::UnknownTopic,
        Rejection::UnknownPartition { .. } => ErrorCode::UnknownPartition,
        Rejection::InternalTopic { .. } => ErrorCode::InternalTopic,
        Rejection::UnknownBroker { .. } => ErrorCode::UnknownBroker,
        Rejection::DuplicateBrokerId { .. } => ErrorCode::DuplicateBrokerId,
        Rejection::StaleBrokerEpoch { .. } => ErrorCode::StaleBrokerEpoch,
        Rejection::BrokerHoldsReplicas { .. } => ErrorCode::BrokerHoldsReplicas,
        Rejection::InvalidRegistration { .. } => ErrorCode::InvalidRegistration,
        Rejection::FencedLeaderEpoch { .. } => ErrorCode::FencedLeaderEpoch,
        Rejection::InvalidUpdateVersion { .. } => ErrorCode::InvalidUpdateVersion,
        Rejection::InvalidIsr { .. } => ErrorCode::InvalidIsr,
        Rejection::IneligibleReplica { .. } => ErrorCode::IneligibleReplica,
        Rejection::InvalidFeatureLevel { .. } => ErrorCode::InvalidFeatureLevel,
        Rejection::IdempotencyKeyReused { .. } => ErrorCode::IdempotencyKeyReused,
        Rejection::LimitExceeded { .. } => ErrorCode::LimitExceeded,
    }
}
