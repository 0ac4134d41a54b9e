//! SyncGroup (14): the leader's assignment comes in, each member's share goes out.

use bytes::Bytes;

use crate::{GroupError, GroupId, InstanceId, MemberId};

/// Asks for the member's share; the leader brings all shares along.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncGroup {
    /// Which group.
    pub group_id: GroupId,
    /// Who asks.
    pub member_id: MemberId,
    /// If it is a static member.
    pub group_instance_id: Option<InstanceId>,
    /// The generation that it joined.
    pub generation_id: i32,
    /// Checked if given (v5+).
    pub protocol_type: Option<String>,
    /// Checked if given (v5+).
    pub protocol_name: Option<String>,
    /// Of the leader; of others it is ignored. Opaque.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// The answer.
pub type SyncGroupReply = Result<Synced, GroupError>;

/// A member's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// Of the group.
    pub protocol_type: String,
    /// Of the generation.
    pub protocol_name: String,
    /// As the leader wrote it; empty if it did not name the member.
    pub assignment: Bytes,
}
