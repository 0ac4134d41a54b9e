//! Requests of administrators: what groups there are, and that one be deleted.

use super::Coordinator;
use crate::{
    GroupError, Now, Outcome,
    api::{
        ConsumerGroupDescribe, ConsumerGroupDescribeReply, DeleteGroup, DeleteGroupReply, DescribeGroup,
        DescribeGroupReply, ListGroups, ListGroupsReply, Survey, SurveyReply, SurveyedGroup,
    },
    group::Group,
};

impl Coordinator {
    pub(super) fn describe_group(&self, request: &DescribeGroup, now: Now) -> DescribeGroupReply {
        let group = self.groups.get(&request.group_id).ok_or(GroupError::GroupIdNotFound)?;
        Ok(group.describe(&self.topics, now))
    }

    pub(super) fn describe_consumer_group(
        &self,
        request: &ConsumerGroupDescribe,
    ) -> ConsumerGroupDescribeReply {
        match self.groups.get(&request.group_id) {
            Some(Group::Consumer(group)) => Ok(group.describe_consumer_group()),
            Some(Group::Classic(_)) | None => Err(GroupError::GroupIdNotFound),
        }
    }

    pub(super) fn list_groups(&self, request: &ListGroups) -> ListGroupsReply {
        let listed = self.groups.values().map(Group::list).filter(|group| {
            (request.states.is_empty() || request.states.contains(&group.state))
                && (request.types.is_empty() || request.types.contains(&group.group_type))
        });
        listed.collect()
    }

    pub(super) fn survey(&self, request: &Survey) -> SurveyReply {
        let offsets: usize = self.groups.keys().map(|group_id| self.offsets.count(group_id)).sum();
        let are_told = offsets <= request.offsets_max;
        let groups = self.groups.iter().map(|(group_id, group)| SurveyedGroup {
            group_id: group_id.clone(),
            members: group.size(),
            offsets: are_told.then(|| self.offsets.survey(group_id)),
        });
        groups.collect()
    }

    pub(super) fn delete_group(
        &mut self,
        outcome: &mut Outcome,
        request: &DeleteGroup,
        now: Now,
    ) -> DeleteGroupReply {
        let group_id = &request.group_id;
        let group = self.groups.get(group_id).ok_or(GroupError::GroupIdNotFound)?;
        if !group.is_empty() {
            return Err(GroupError::NonEmptyGroup);
        }
        self.offsets.delete_group(outcome, group_id);
        self.bury(outcome, group_id, now);
        Ok(())
    }
}
