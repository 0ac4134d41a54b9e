//! ListGroups (16): the groups of one coordinator.

use crate::{GroupId, GroupState, GroupType};

/// Asks for groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListGroups {
    /// In one of these states; empty: in any (v4+, KIP-518).
    pub states: Vec<GroupState>,
    /// Of one of these types; empty: of any (v5+, KIP-848).
    pub types: Vec<GroupType>,
}

/// The answer, by group id.
pub type ListGroupsReply = Vec<ListedGroup>;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// Which.
    pub group_id: GroupId,
    /// `consumer`, `connect`, ...; empty if it never had members.
    pub protocol_type: String,
    /// Where it stands.
    pub state: GroupState,
    /// By which protocol it works.
    pub group_type: GroupType,
}
