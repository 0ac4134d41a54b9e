//! What the leader of a classic generation does for all: it shares out the topics that members read, and sees when they have other
//! partitions than it has shared out.

use std::collections::BTreeMap;

use kafka_wire::messages::{join_group::JoinGroupResponseMember, sync_group::SyncGroupRequestAssignment};
use tokio::time::sleep;

use super::{
    Assignor,
    assignor::{self, Members},
    embedded::{Subscription, encode_share},
};
use crate::cluster::Cluster;

/// What a leader knows.
#[derive(Debug)]
pub(super) struct Leader {
    members: Members,
    /// How many partitions each topic has that anybody reads. One that is not there has nothing to be shared.
    counts: BTreeMap<String, i32>,
}

impl Leader {
    /// Looks up what these members read.
    pub(super) async fn look(cluster: &Cluster, members: &[JoinGroupResponseMember]) -> Self {
        let said =
            members.iter().map(|member| (member.member_id.clone(), Subscription::decode(&member.metadata)));
        let mut leader = Self { members: said.collect(), counts: BTreeMap::new() };
        leader.counts = leader.look_up(cluster).await;
        leader
    }

    /// Everybody's share.
    pub(super) fn shares(&self, assignor: Assignor) -> Vec<SyncGroupRequestAssignment> {
        let shares = assignor::assign(assignor, &self.members, &self.counts).into_iter();
        let shares = shares.map(|(member_id, share)| {
            let assignment = encode_share(&share);
            SyncGroupRequestAssignment { member_id, assignment }
        });
        shares.collect()
    }

    /// Ends when there are other partitions. Looks every `metadata.max.age.ms`.
    pub(super) async fn outdated(&self, cluster: &Cluster) {
        loop {
            sleep(cluster.options().metadata_max_age).await;
            if self.look_up(cluster).await != self.counts {
                return;
            }
        }
    }

    async fn look_up(&self, cluster: &Cluster) -> BTreeMap<String, i32> {
        let topics = || self.members.values().flat_map(|said| &said.topics).map(String::as_str);
        let seen = cluster.generation();
        // If nobody answers, what is known counts.
        let _ = cluster.refresh(topics(), seen).await;
        let counts = topics().filter_map(|topic| {
            let partitions = cluster.known_topic(topic)?.partitions.len();
            Some((topic.to_owned(), i32::try_from(partitions).unwrap_or(i32::MAX)))
        });
        counts.collect()
    }
}
