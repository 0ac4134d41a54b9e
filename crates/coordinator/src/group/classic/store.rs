//! The record of a classic group, and the group from its record.
//!
//! It is written when a generation has its assignment, when the last member has gone, and when a static member came back.
//! A rebalance that is under way is not written: after a failure the members of the last written generation are told to
//! join anew. The exception is one in which static members are given ids: before they hear of them, these are written, in a
//! record without a leader. The next coordinator would else fence them for the ids of their former selves, which ends a
//! client.

use super::{
    group::{ClassicGroup, Phase},
    member::Member,
};
use crate::{
    GroupId, Record,
    api::Protocol,
    context::Context,
    records::{GroupMetadataMember, GroupMetadataValue},
    sizes,
};

impl ClassicGroup {
    /// Writes it down as it is.
    pub(in crate::group) fn store(&mut self, ctx: &mut Context<'_>) {
        self.is_stored = true;
        self.has_unwritten_ids = false;
        let value = self.to_value();
        ctx.outcome.records.push(Record::GroupMetadata { group_id: self.id.clone(), value: Some(value) });
    }

    /// Writes new ids of static members down while their rebalance is under way. If there is no room for that, there is none
    /// for the generation either, and its assignment will be refused.
    pub(super) fn store_new_ids(&mut self, ctx: &mut Context<'_>) {
        let value = GroupMetadataValue { leader: None, ..self.to_value() };
        if self.has_unwritten_ids && ctx.settings.check_record(sizes::of_group(&value)).is_ok() {
            self.is_stored = true;
            self.has_unwritten_ids = false;
            ctx.outcome.records.push(Record::GroupMetadata { group_id: self.id.clone(), value: Some(value) });
        }
    }

    /// Whether what was loaded is a rebalance that was under way.
    pub(super) fn was_rebalancing(&self) -> bool {
        self.leader.is_none() && !self.members.is_empty()
    }

    pub(crate) fn to_value(&self) -> GroupMetadataValue {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.members.iter().map(|(member_id, member)| GroupMetadataMember {
            member_id: member_id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        });
        GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation_id,
            protocol: self.protocol_name.clone(),
            leader: self.leader.clone(),
            current_state_timestamp_ms: self.phase_since_unix_ms,
            members: members.collect(),
        }
    }

    /// As it was written down. Of what the members can do, only the protocol of the generation is known.
    pub(crate) fn from_value(id: GroupId, value: GroupMetadataValue) -> Self {
        let mut group = Self::new(id, value.current_state_timestamp_ms);
        group.phase = if value.members.is_empty() { Phase::Empty } else { Phase::Stable };
        group.protocol_type = Some(value.protocol_type).filter(|protocol_type| !protocol_type.is_empty());
        group.generation_id = value.generation;
        group.leader = value.leader;
        group.is_stored = true;
        for stored in value.members {
            let name = value.protocol.clone().unwrap_or_default();
            let member = Member {
                instance_id: stored.group_instance_id,
                client_id: stored.client_id,
                client_host: stored.client_host,
                session_timeout_ms: stored.session_timeout_ms,
                rebalance_timeout_ms: stored.rebalance_timeout_ms,
                protocols: vec![Protocol { name, metadata: stored.subscription }],
                assignment: stored.assignment,
                is_new: false,
            };
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), stored.member_id.clone());
            }
            group.protocols.add(&member);
            group.members.insert(stored.member_id, member);
        }
        group.protocol_name = value.protocol;
        group.subscribed_topics = group.subscriptions();
        group
    }
}
