//! DescribeGroups (15): a group, whatever its type. One group; a request for several asks several times.

use bytes::Bytes;

use crate::{GroupError, GroupId, GroupState, GroupType, InstanceId, MemberId};

/// Asks for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeGroup {
    /// Which.
    pub group_id: GroupId,
}

/// The answer. GROUP_ID_NOT_FOUND is told as state `Dead` without an error below v6; and so are consumer groups, which
/// Kafka's DescribeGroups does not show ([`GroupDescription::group_type`] tells).
pub type DescribeGroupReply = Result<GroupDescription, GroupError>;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// By which protocol it works.
    pub group_type: GroupType,
    /// Where it stands.
    pub state: GroupState,
    /// How long it has been in this state, in ms.
    pub state_age_ms: i64,
    /// `consumer`, `connect`, ...; empty if it never had members.
    pub protocol_type: String,
    /// The protocol of the generation, or the assignor of a consumer group; empty while there is none.
    pub protocol_name: String,
    /// The generation, or the group epoch of a consumer group.
    pub generation_id: i32,
    /// The member that assigns, in a classic group.
    pub leader: Option<MemberId>,
    /// The members, by member id.
    pub members: Vec<MemberDescription>,
    /// Members that the group waits for: to join, to bring or fetch the assignment, to give partitions up.
    pub waiting_for: Vec<MemberId>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Who.
    pub member_id: MemberId,
    /// If it is a static member.
    pub group_instance_id: Option<InstanceId>,
    /// How the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// What it said under the protocol of the generation; empty unless the group is stable.
    pub metadata: Bytes,
    /// Its share; empty unless the group is stable. Of a consumer group: written as the classic protocol would.
    pub assignment: Bytes,
}
