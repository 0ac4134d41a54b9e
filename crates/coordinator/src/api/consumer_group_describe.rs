//! ConsumerGroupDescribe (69, KIP-848): a consumer group with its epochs and assignments. One group; a request for several
//! asks several times.

use super::TopicPartitions;
use crate::{GroupError, GroupId, GroupState, InstanceId, MemberId};

/// Asks for a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupDescribe {
    /// Which.
    pub group_id: GroupId,
}

/// The answer; GROUP_ID_NOT_FOUND also for a classic group.
pub type ConsumerGroupDescribeReply = Result<ConsumerGroupDescription, GroupError>;

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupDescription {
    /// Where it stands.
    pub state: GroupState,
    /// Raised by each change that calls for another assignment.
    pub group_epoch: i32,
    /// The group epoch that the target assignment was made for.
    pub assignment_epoch: i32,
    /// `uniform` or `range`.
    pub assignor_name: String,
    /// The members, by member id.
    pub members: Vec<ConsumerMemberDescription>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerMemberDescription {
    /// Who.
    pub member_id: MemberId,
    /// If it is a static member.
    pub instance_id: Option<InstanceId>,
    /// Where it is.
    pub rack_id: Option<String>,
    /// The group epoch that it has reached.
    pub member_epoch: i32,
    /// How the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// Topics that it reads.
    pub subscribed_topic_names: Vec<String>,
    /// Topics that it reads, in RE2's syntax.
    pub subscribed_topic_regex: Option<String>,
    /// What it has.
    pub assignment: Vec<TopicPartitions>,
    /// What it is to have.
    pub target_assignment: Vec<TopicPartitions>,
    /// Whether it uses the classic protocol (v1: member type 0, else 1).
    pub is_classic: bool,
}
