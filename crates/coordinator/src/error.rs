//! Why a request is refused.

use common::limits::GROUP_ID_BYTES_MAX;
use thiserror::Error;

/// Why, with the Kafka error that it is told by. Whoever answers clients maps them one to one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupError {
    /// INVALID_GROUP_ID (24).
    #[error("the group id is empty or has more than {GROUP_ID_BYTES_MAX} bytes")]
    InvalidGroupId,
    /// UNKNOWN_MEMBER_ID (25): join anew, without a member id.
    #[error("the group has no such member")]
    UnknownMemberId,
    /// ILLEGAL_GENERATION (22): join anew.
    #[error("generation {asked} is not the current one, {current}")]
    IllegalGeneration {
        /// In the request.
        asked: i32,
        /// Of the group.
        current: i32,
    },
    /// REBALANCE_IN_PROGRESS (27): join anew.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// INCONSISTENT_GROUP_PROTOCOL (23).
    #[error("no protocol in common with the other members of the group, or another protocol type")]
    InconsistentGroupProtocol,
    /// INVALID_SESSION_TIMEOUT (26).
    #[error("session timeout {asked} ms is outside {min} to {max} ms")]
    InvalidSessionTimeout {
        /// In the request.
        asked: i32,
        /// `group.min.session.timeout.ms`.
        min: i32,
        /// `group.max.session.timeout.ms`.
        max: i32,
    },
    /// MEMBER_ID_REQUIRED (79): join again with the member id of this answer (KIP-394).
    #[error("join again with the member id of this answer")]
    MemberIdRequired,
    /// FENCED_INSTANCE_ID (82): another consumer with the same `group.instance.id` took over (KIP-345).
    #[error("another member has this group.instance.id now")]
    FencedInstanceId,
    /// GROUP_MAX_SIZE_REACHED (81).
    #[error("the group has its most members, {max}")]
    GroupMaxSizeReached {
        /// The bound.
        max: usize,
    },
    /// GROUP_ID_NOT_FOUND (69). OffsetCommit below v9 tells it as ILLEGAL_GENERATION.
    #[error("there is no such group")]
    GroupIdNotFound,
    /// NON_EMPTY_GROUP (68).
    #[error("the group has members")]
    NonEmptyGroup,
    /// GROUP_SUBSCRIBED_TO_TOPIC (86).
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    /// OFFSET_METADATA_TOO_LARGE (12).
    #[error("metadata of {bytes} bytes beside an offset; the most is {max}")]
    OffsetMetadataTooLarge {
        /// In the request.
        bytes: usize,
        /// `offset.metadata.max.bytes`.
        max: usize,
    },
    /// UNKNOWN_SERVER_ERROR (-1), as Kafka says it: the log does not take what would have to be written.
    #[error("a record of about {bytes} bytes; the most that `__consumer_offsets` takes is {max}")]
    RecordTooLarge {
        /// What it would take.
        bytes: usize,
        /// `max.message.bytes` of the topic.
        max: usize,
    },
    /// Not of Kafka: the lease is not known any more, and its records come again.
    #[error("the lease has ended, and its records are given out again")]
    LeaseExpired,
    /// Not of Kafka: too much is given out and not acknowledged.
    #[error("{max} {what} are leased and not acknowledged; there may be no more")]
    TooManyLeases {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// UNSTABLE_OFFSET_COMMIT (88): a transaction may still change the offset.
    #[error("a transaction has not decided about the offset")]
    UnstableOffsetCommit,
    /// FENCED_MEMBER_EPOCH (110): the member is behind; it gives up its partitions and joins anew (KIP-848).
    #[error("member epoch {asked} is not the current one, {current}")]
    FencedMemberEpoch {
        /// In the request.
        asked: i32,
        /// Of the member.
        current: i32,
    },
    /// STALE_MEMBER_EPOCH (113): commit or fetch again with the epoch of the next heartbeat's answer (KIP-848).
    #[error("member epoch {asked} is not the current one, {current}")]
    StaleMemberEpoch {
        /// In the request.
        asked: i32,
        /// Of the member.
        current: i32,
    },
    /// UNRELEASED_INSTANCE_ID (111): another member with this instance id has not left (KIP-848).
    #[error("a member with this group.instance.id is still in the group")]
    UnreleasedInstanceId,
    /// UNSUPPORTED_ASSIGNOR (112).
    #[error("no assignor `{name}`; there are `uniform` and `range`")]
    UnsupportedAssignor {
        /// In the request.
        name: String,
    },
    /// INVALID_REGULAR_EXPRESSION (128).
    #[error("regular expression `{expression}`: {reason}")]
    InvalidRegularExpression {
        /// In the request.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// INVALID_REQUEST (42).
    #[error("{reason}")]
    InvalidRequest {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// UNSUPPORTED_VERSION (35): a member of the consumer protocol commits with a version that has no member epoch.
    #[error("the request's version knows nothing of member epochs")]
    UnsupportedVersion,
}
