//! What administrators see of a consumer group.

use super::group::ConsumerGroup;
use crate::{
    GroupType, Now, Topics,
    api::{
        ConsumerGroupDescription, ConsumerMemberDescription, GroupDescription, ListedGroup, MemberDescription,
    },
    embedded::encode_assignment,
};

impl ConsumerGroup {
    /// As ConsumerGroupDescribe shows it.
    pub(crate) fn describe_consumer_group(&self) -> ConsumerGroupDescription {
        let members = self.members.iter().map(|(member_id, member)| {
            let metadata = &member.metadata;
            ConsumerMemberDescription {
                member_id: member_id.clone(),
                instance_id: metadata.instance_id.clone(),
                rack_id: metadata.rack_id.clone(),
                member_epoch: member.current.epoch,
                client_id: metadata.client_id.clone(),
                client_host: metadata.client_host.clone(),
                subscribed_topic_names: metadata.subscribed_topic_names.clone(),
                subscribed_topic_regex: metadata.subscribed_topic_regex.clone(),
                assignment: member.current.assigned.to_wire(),
                target_assignment: self.target(member_id).to_wire(),
                is_classic: member.is_classic(),
            }
        });
        ConsumerGroupDescription {
            state: self.state(),
            group_epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor_name: self.preferred_assignor().as_str().to_owned(),
            members: members.collect(),
        }
    }

    /// In the terms of classic groups.
    pub(crate) fn describe(&self, topics: &Topics, now: Now) -> GroupDescription {
        let members = self.members.iter().map(|(member_id, member)| MemberDescription {
            member_id: member_id.clone(),
            group_instance_id: member.metadata.instance_id.clone(),
            client_id: member.metadata.client_id.clone(),
            client_host: member.metadata.client_host.clone(),
            metadata: bytes::Bytes::new(),
            assignment: encode_assignment(member.share_version(), &member.current.assigned, topics),
        });
        GroupDescription {
            group_type: GroupType::Consumer,
            state: self.state(),
            state_age_ms: now.unix_ms.saturating_sub(self.since_unix_ms).max(0),
            protocol_type: "consumer".to_owned(),
            protocol_name: self.preferred_assignor().as_str().to_owned(),
            generation_id: self.epoch,
            leader: None,
            members: members.collect(),
            waiting_for: self.waiting_for(),
        }
    }

    /// As ListGroups shows it.
    pub(crate) fn list(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: "consumer".to_owned(),
            state: self.state(),
            group_type: GroupType::Consumer,
        }
    }
}
