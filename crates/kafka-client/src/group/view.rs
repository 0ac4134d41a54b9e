//! A group as anybody sees it who is not in it.

use std::{collections::BTreeMap, time::Duration};

use common::{Offset, PartitionId};
use kafka_wire::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeGroupsRequest,
        DescribeGroupsResponse, consumer_group_describe, describe_groups,
    },
};

use super::{GroupError, Partitions, embedded::decode_share, link::Link, membership::Identity, offsets};
use crate::{cluster::Cluster, offsets::TopicPartition};

/// A group from outside. Keeps a connection to the group's coordinator.
#[derive(Debug)]
pub struct GroupView {
    group_id: String,
    link: Link,
}

/// What a group says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupDescription {
    /// `Stable`, `Empty`, `PreparingRebalance`, `Reconciling`, ...
    pub state: String,
    /// By member id, what each member has.
    pub members: BTreeMap<String, Partitions>,
}

impl GroupView {
    /// A group, whether it exists or not. Connects to nothing yet.
    pub fn new(cluster: Cluster, group_id: impl Into<String>) -> Self {
        let group_id = group_id.into();
        Self { link: Link::new(cluster, group_id.clone()), group_id }
    }

    /// Reads the group's offsets of these partitions, once; those that it never committed are left out.
    ///
    /// # Errors
    /// If the coordinator refuses or does not answer.
    pub async fn committed(
        &self,
        partitions: &Partitions,
    ) -> Result<BTreeMap<TopicPartition, Offset>, GroupError> {
        offsets::fetch(&self.link, &self.group_id, partitions).await
    }

    /// Commits offsets from outside, once: the group must have no members.
    ///
    /// # Errors
    /// If the coordinator refuses or does not answer: then they may be committed nonetheless.
    pub async fn commit(&self, offsets: &BTreeMap<TopicPartition, Offset>) -> Result<(), GroupError> {
        offsets::commit(&self.link, &self.group_id, &Identity::NOBODY, None, offsets).await
    }

    /// What the group is at; of either protocol. One that does not exist is `Dead`.
    ///
    /// # Errors
    /// If the coordinator refuses or does not answer.
    pub async fn describe(&self) -> Result<GroupDescription, GroupError> {
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![self.group_id.clone()],
            ..ConsumerGroupDescribeRequest::default()
        };
        let told =
            |response: &ConsumerGroupDescribeResponse| response.groups.first().map(|one| one.error_code);
        let code = |response: &_| told(response).unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
        let response = self.link.call(&request, i16::MAX, Duration::ZERO, code).await?;
        match code(&response) {
            ErrorCode::NONE => Ok(response.groups.into_iter().next().map(of_consumers).unwrap_or_default()),
            ErrorCode::GROUP_ID_NOT_FOUND => self.describe_classic().await,
            code => Err(self.refused(code)),
        }
    }

    async fn describe_classic(&self) -> Result<GroupDescription, GroupError> {
        let request =
            DescribeGroupsRequest { groups: vec![self.group_id.clone()], ..DescribeGroupsRequest::default() };
        let told = |response: &DescribeGroupsResponse| response.groups.first().map(|one| one.error_code);
        let code = |response: &_| told(response).unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
        let response = self.link.call(&request, i16::MAX, Duration::ZERO, code).await?;
        match code(&response) {
            ErrorCode::NONE | ErrorCode::GROUP_ID_NOT_FOUND => {
                Ok(response.groups.into_iter().next().map(classic).unwrap_or_default())
            }
            code => Err(self.refused(code)),
        }
    }

    fn refused(&self, code: ErrorCode) -> GroupError {
        GroupError::Refused { group_id: self.group_id.clone(), what: "describing it", code }
    }
}

fn of_consumers(group: consumer_group_describe::DescribedGroup) -> GroupDescription {
    let members = group.members.into_iter().map(|member| {
        let topics = member.assignment.topic_partitions.into_iter();
        let places = topics.flat_map(|of_topic| {
            let name = of_topic.topic_name;
            let ids = of_topic.partitions.into_iter();
            ids.map(move |id| TopicPartition::new(&name, PartitionId(id)))
        });
        (member.member_id, places.collect())
    });
    GroupDescription { state: group.group_state, members: members.collect() }
}

fn classic(group: describe_groups::DescribedGroup) -> GroupDescription {
    let members = group.members.into_iter();
    let members = members.map(|member| (member.member_id, decode_share(&member.member_assignment)));
    GroupDescription { state: group.group_state, members: members.collect() }
}
