//! What administrators see of a classic group.

use super::group::{ClassicGroup, Phase};
use crate::{
    GroupType, MemberId, Now,
    api::{GroupDescription, ListedGroup, MemberDescription},
};

impl ClassicGroup {
    /// As DescribeGroups shows it.
    pub(crate) fn describe(&self, now: Now) -> GroupDescription {
        let is_stable = self.phase == Phase::Stable;
        let protocol_name = self.protocol_name.clone().filter(|_| is_stable).unwrap_or_default();
        let members = self.members.iter().map(|(member_id, member)| MemberDescription {
            member_id: member_id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if is_stable { member.metadata(&protocol_name) } else { bytes::Bytes::new() },
            assignment: if is_stable { member.assignment.clone() } else { bytes::Bytes::new() },
        });
        GroupDescription {
            group_type: GroupType::Classic,
            state: self.state(),
            state_age_ms: now.unix_ms.saturating_sub(self.phase_since_unix_ms).max(0),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: members.collect(),
            protocol_name,
            generation_id: self.generation_id,
            leader: self.leader.clone(),
            waiting_for: self.waiting_for(),
        }
    }

    fn waiting_for(&self) -> Vec<MemberId> {
        match self.phase {
            Phase::Empty => Vec::new(),
            Phase::Preparing(_) => {
                let missing = self.members.keys().filter(|id| !self.parked_joins.contains_key(*id));
                missing.chain(&self.pending_members).cloned().collect()
            }
            Phase::Completing => self.leader.iter().cloned().collect(),
            Phase::Stable => self.pending_syncs.iter().cloned().collect(),
        }
    }

    /// As ListGroups shows it.
    pub(crate) fn list(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state(),
            group_type: GroupType::Classic,
        }
    }
}
