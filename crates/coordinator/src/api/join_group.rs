//! JoinGroup (11): becoming or staying a member of the next generation of a classic group. Answered when all have joined.

use bytes::Bytes;
use uuid::Uuid;

use crate::{GroupError, GroupId, InstanceId, MemberId};

/// Asks to be in the next generation.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroup {
    /// Which group.
    pub group_id: GroupId,
    /// Empty: a new member.
    pub member_id: MemberId,
    /// Makes it a static member (v5+, KIP-345).
    pub group_instance_id: Option<InstanceId>,
    /// Of the request's header; empty if there was none.
    pub client_id: String,
    /// The client's address, as Kafka writes it: `/127.0.0.1`.
    pub client_host: String,
    /// After which silence the member is gone, in ms.
    pub session_timeout_ms: i32,
    /// How long it takes to join again at most, in ms. Version 0 has none: then it is the session timeout.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, ...
    pub protocol_type: String,
    /// What it can do, the best first.
    pub protocols: Vec<Protocol>,
    /// A new member has to come back with the id that it is given (v4+, KIP-394).
    pub require_known_member_id: bool,
    /// The client knows of `skip_assignment` (v9+, KIP-814).
    pub supports_skip_assignment: bool,
    /// For a member id, should one be needed.
    pub fresh_id: Uuid,
}

/// A protocol (an assignor) of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// `range`, `cooperative-sticky`, ...
    pub name: String,
    /// For the member that assigns: opaque.
    pub metadata: Bytes,
}

/// The answer.
pub type JoinGroupReply = Result<Joined, JoinRefused>;

/// Refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRefused {
    /// Why.
    pub error: GroupError,
    /// The member id of the answer: that of the request, or the one to come back with (MEMBER_ID_REQUIRED).
    pub member_id: MemberId,
}

/// In the generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Number of the generation.
    pub generation_id: i32,
    /// Of the group.
    pub protocol_type: String,
    /// Which of the protocols was chosen.
    pub protocol_name: String,
    /// The member that assigns.
    pub leader: MemberId,
    /// The one that asked.
    pub member_id: MemberId,
    /// All members, for the leader; empty for the others.
    pub members: Vec<JoinedMember>,
    /// The leader has nothing to assign: the assignment in hand stays (v9+).
    pub skip_assignment: bool,
}

/// A member, as the leader is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Who.
    pub member_id: MemberId,
    /// If it is a static one.
    pub group_instance_id: Option<InstanceId>,
    /// What it said under the chosen protocol.
    pub metadata: Bytes,
}

impl Joined {
    /// Whether the member that asked assigns.
    pub fn is_leader(&self) -> bool {
        self.leader == self.member_id
    }
}
