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
            Rejection::InvalidGroupId { .. } => problem.with("field", "group"),
            Rejection::InvalidRegistration { .. }
            | Rejection::FencedLeaderEpoch { .. }
            | Rejection::InvalidUpdateVersion { .. }
            | Rejection::InvalidIsr { .. }
            | Rejection::IneligibleReplica { .. } => problem,
            Rejection::InvalidFeatureLevel { .. } => problem.with("field", "level"),
            Rejection::TopicAlreadyExists { topic_name } | Rejection::UnknownTopic { topic_name } => {
                problem.with("topicName", topic_name.as_str())
            }
            Rejection::UnknownPartition { topic_name, partition }
            | Rejection::NoReassignmentInProgress { topic_name, partition } => {
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
        Rejection::InvalidGroupId { .. } => ErrorCode::InvalidGroupId,
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
        Rejection::NoReassignmentInProgress { .. } => ErrorCode::NoReassignmentInProgress,
        Rejection::InvalidFeatureLevel { .. } => ErrorCode::InvalidFeatureLevel,
        Rejection::IdempotencyKeyReused { .. } => ErrorCode::IdempotencyKeyReused,
        Rejection::LimitExceeded { .. } => ErrorCode::LimitExceeded,
    }
}

#[cfg(test)]
mod tests {
    use common::{BrokerEpoch, BrokerId, PartitionId, TopicName};

    use super::*;
    use crate::Retry;

    fn all() -> Vec<Rejection> {
        let detail = || "why".to_owned();
        let topic_name = TopicName::new("orders").unwrap();
        let broker_id = BrokerId(101);
        vec![
            Rejection::InvalidTopicName { detail: detail() },
            Rejection::InvalidPartitions { detail: detail() },
            Rejection::InvalidReplicationFactor { detail: detail() },
            Rejection::InvalidAssignment { detail: detail() },
            Rejection::InvalidConfig { name: "retention.ms".into(), detail: detail() },
            Rejection::InvalidGroupId { detail: detail() },
            Rejection::TopicAlreadyExists { topic_name: topic_name.clone() },
            Rejection::UnknownTopic { topic_name: topic_name.clone() },
            Rejection::UnknownPartition { topic_name: topic_name.clone(), partition: PartitionId(7) },
            Rejection::NoReassignmentInProgress { topic_name: topic_name.clone(), partition: PartitionId(7) },
            Rejection::InternalTopic { topic_name, action: "deleted".into() },
            Rejection::UnknownBroker { broker_id },
            Rejection::DuplicateBrokerId { broker_id, broker_epoch: BrokerEpoch(1) },
            Rejection::StaleBrokerEpoch { broker_id, given: BrokerEpoch(1), current: BrokerEpoch(2) },
            Rejection::BrokerHoldsReplicas { broker_id, replicas: 3 },
            Rejection::InvalidRegistration { detail: detail() },
            Rejection::FencedLeaderEpoch { detail: detail() },
            Rejection::InvalidUpdateVersion { detail: detail() },
            Rejection::InvalidIsr { detail: detail() },
            Rejection::IneligibleReplica { detail: detail() },
            Rejection::InvalidFeatureLevel { detail: detail() },
            Rejection::IdempotencyKeyReused { request_id: uuid::Uuid::nil() },
            Rejection::LimitExceeded { what: "partitions".into(), value: 11, bound: 10 },
        ]
    }

    #[test]
    fn a_rejection_keeps_its_code_and_is_the_clients_to_fix() {
        for rejection in all() {
            let code = serde_json::to_value(&rejection).unwrap()["code"].clone();
            let problem = Problem::from(rejection.clone());
            assert_eq!(code, problem.code.to_string());
            assert!((400..500).contains(&problem.status), "{problem}");
            assert_eq!(problem.detail, rejection.to_string());
            let later = problem.code == ErrorCode::DuplicateBrokerId;
            assert_eq!(problem.code.retry() == Retry::Later, later, "{problem}");
        }
    }
}
