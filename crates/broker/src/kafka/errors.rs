//! What went wrong, as Kafka's error codes. One `match` per kind of error, and no code for "anything else": clients
//! decide by the code whether to try again, to look for another leader, or to give up (T10 of the failure catalogue).

use client::CallError;
use commit_log::{
    ProducerError, Refused,
    batch::{BatchError, InvalidBatch},
};
use coordinator::GroupError;
use http_api::ErrorCode as Code;
use kafka_wire::ErrorCode;

use crate::{coordinator::Unavailable, partition::PartitionError, producer_ids::NoProducerId};

/// The code of what a partition does not do.
pub(super) fn of_partition(error: &PartitionError) -> ErrorCode {
    match error {
        PartitionError::Unknown => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        PartitionError::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        PartitionError::FencedLeaderEpoch { .. } => ErrorCode::FENCED_LEADER_EPOCH,
        PartitionError::UnknownLeaderEpoch { .. } => ErrorCode::UNKNOWN_LEADER_EPOCH,
        PartitionError::StaleBrokerEpoch => ErrorCode::STALE_BROKER_EPOCH,
        PartitionError::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        PartitionError::OffsetNotAvailable => ErrorCode::OFFSET_NOT_AVAILABLE,
        PartitionError::NotEnoughReplicas { .. } => ErrorCode::NOT_ENOUGH_REPLICAS,
        PartitionError::NotEnoughReplicasAfterAppend => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        PartitionError::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
        PartitionError::Refused(refused) => of_refused(refused),
        PartitionError::Storage(_) | PartitionError::NothingAppended(_) => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// The code of a group that nobody answers for now.
pub(super) fn of_unavailable(unavailable: Unavailable) -> ErrorCode {
    match unavailable {
        Unavailable::NotAvailable => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        Unavailable::Loading => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        Unavailable::NotCoordinator | Unavailable::InDoubt => ErrorCode::NOT_COORDINATOR,
    }
}

/// The code of what a group refuses.
pub(super) fn of_group(error: &GroupError) -> ErrorCode {
    match error {
        GroupError::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
        GroupError::UnknownMemberId => ErrorCode::UNKNOWN_MEMBER_ID,
        GroupError::IllegalGeneration { .. } => ErrorCode::ILLEGAL_GENERATION,
        GroupError::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
        GroupError::InconsistentGroupProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        GroupError::InvalidSessionTimeout { .. } => ErrorCode::INVALID_SESSION_TIMEOUT,
        GroupError::MemberIdRequired => ErrorCode::MEMBER_ID_REQUIRED,
        GroupError::FencedInstanceId => ErrorCode::FENCED_INSTANCE_ID,
        GroupError::GroupMaxSizeReached { .. } => ErrorCode::GROUP_MAX_SIZE_REACHED,
        GroupError::GroupIdNotFound => ErrorCode::GROUP_ID_NOT_FOUND,
        GroupError::NonEmptyGroup => ErrorCode::NON_EMPTY_GROUP,
        GroupError::GroupSubscribedToTopic => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        GroupError::OffsetMetadataTooLarge { .. } => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        GroupError::RecordTooLarge { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
        GroupError::LeaseExpired | GroupError::TooManyLeases { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
        GroupError::UnstableOffsetCommit => ErrorCode::UNSTABLE_OFFSET_COMMIT,
        GroupError::FencedMemberEpoch { .. } => ErrorCode::FENCED_MEMBER_EPOCH,
        GroupError::StaleMemberEpoch { .. } => ErrorCode::STALE_MEMBER_EPOCH,
        GroupError::UnreleasedInstanceId => ErrorCode::UNRELEASED_INSTANCE_ID,
        GroupError::UnsupportedAssignor { .. } => ErrorCode::UNSUPPORTED_ASSIGNOR,
        GroupError::InvalidRegularExpression { .. } => ErrorCode::INVALID_REGULAR_EXPRESSION,
        GroupError::InvalidRequest { .. } => ErrorCode::INVALID_REQUEST,
        GroupError::UnsupportedVersion => ErrorCode::UNSUPPORTED_VERSION,
    }
}

fn of_refused(refused: &Refused) -> ErrorCode {
    match refused {
        Refused::Invalid(invalid) => match invalid {
            InvalidBatch::Corrupt(BatchError::Magic(_)) => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            InvalidBatch::Corrupt(BatchError::Codec(_)) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            InvalidBatch::Corrupt(_) => ErrorCode::CORRUPT_MESSAGE,
            InvalidBatch::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
            InvalidBatch::Form(_) | InvalidBatch::NullKeys(_) => ErrorCode::INVALID_RECORD,
            InvalidBatch::Timestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
        },
        Refused::Producer(producer) => match producer {
            ProducerError::Fenced { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
            ProducerError::OutOfOrder { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ProducerError::OutsideTransaction { .. } => ErrorCode::INVALID_TXN_STATE,
            ProducerError::CoordinatorFenced { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        },
        Refused::OldEpoch { .. } => ErrorCode::NOT_LEADER_OR_FOLLOWER,
    }
}

/// The code of a call of the controllers that gave no result. `REQUEST_TIMED_OUT` where nobody could be asked, or nobody
/// knows what came of it: clients try again.
pub(super) fn of_call(error: &CallError) -> ErrorCode {
    match error {
        CallError::NoAnswer(_) | CallError::NoLeader(_) | CallError::NotController { .. } => {
            ErrorCode::REQUEST_TIMED_OUT
        }
        CallError::OutcomeUnknown { .. } => ErrorCode::REQUEST_TIMED_OUT,
        CallError::Problem(problem) => of_problem(problem.code),
        CallError::Unreadable { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

pub(super) fn of_problem(code: Code) -> ErrorCode {
    match code {
        Code::InvalidTopicName => ErrorCode::INVALID_TOPIC_EXCEPTION,
        Code::InvalidPartitions => ErrorCode::INVALID_PARTITIONS,
        Code::InvalidReplicationFactor => ErrorCode::INVALID_REPLICATION_FACTOR,
        Code::InvalidAssignment => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        Code::InvalidConfig => ErrorCode::INVALID_CONFIG,
        Code::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
        Code::InternalTopic => ErrorCode::INVALID_TOPIC_EXCEPTION,
        Code::UnknownTopic | Code::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Code::LeaderNotAvailable => ErrorCode::LEADER_NOT_AVAILABLE,
        Code::TopicAlreadyExists => ErrorCode::TOPIC_ALREADY_EXISTS,
        Code::StaleBrokerEpoch => ErrorCode::STALE_BROKER_EPOCH,
        Code::FencedLeaderEpoch => ErrorCode::FENCED_LEADER_EPOCH,
        Code::UnknownBroker => ErrorCode::BROKER_ID_NOT_REGISTERED,
        Code::InvalidUpdateVersion => ErrorCode::INVALID_UPDATE_VERSION,
        Code::IneligibleReplica => ErrorCode::INELIGIBLE_REPLICA,
        Code::NoReassignmentInProgress => ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
        Code::OffsetOutOfRange => ErrorCode::OFFSET_OUT_OF_RANGE,
        Code::LimitExceeded => ErrorCode::POLICY_VIOLATION,
        Code::InvalidFeatureLevel => ErrorCode::FEATURE_UPDATE_FAILED,
        Code::InvalidRequest
        | Code::InvalidParameter
        | Code::InvalidIsr
        | Code::BrokerHoldsReplicas
        | Code::InvalidMembership
        | Code::InvalidRegistration => ErrorCode::INVALID_REQUEST,
        Code::NotController
        | Code::NotReady
        | Code::QuorumUnavailable
        | Code::Overloaded
        | Code::StorageUnavailable
        | Code::ShuttingDown
        | Code::CommitUnknown
        | Code::MembershipChangeInProgress => ErrorCode::REQUEST_TIMED_OUT,
        _ => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

/// The code of a producer id that is not there.
pub(super) fn of_producer_id(error: &NoProducerId) -> ErrorCode {
    match error {
        NoProducerId::NotRegistered => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        NoProducerId::Refused(CallError::Problem(problem)) if problem.code == Code::LimitExceeded => {
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
        NoProducerId::Refused(_) => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    }
}
