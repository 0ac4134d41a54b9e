//! What may be asked of the state.

use std::sync::Arc;

use common::{Broker, BrokerId, ClusterId, MetadataVersion, PartitionId, Topic, TopicId, TopicName};

use super::{BrokerConfigs, GroupConfigs, State};
use crate::{
    Command, Rejection,
    command::FEATURE_LEVEL_MAX,
    digest::Digest,
    election::{Candidates, Rules, prefer},
};

impl State {
    /// Which cluster.
    pub fn cluster_id(&self) -> &ClusterId {
        &self.cluster_id
    }

    /// Raft index of the last command that made an event.
    pub fn version(&self) -> MetadataVersion {
        self.version
    }

    /// The feature level in force.
    pub fn feature_level(&self) -> u16 {
        self.features.level
    }

    /// Refuses a command that the feature level in force does not allow.
    ///
    /// # Errors
    /// [`Rejection::InvalidFeatureLevel`].
    pub fn check_level(&self, command: &Command) -> Result<(), Rejection> {
        let (needed, level) = (command.feature_level(), self.feature_level());
        if needed <= level {
            return Ok(());
        }
        let detail = format!(
            "this takes feature level {needed}, and {level} is in force; raise it once every node knows it"
        );
        Err(Rejection::InvalidFeatureLevel { detail })
    }

    /// Whether this build knows the feature level in force. A node for which this is false must stop: it would apply
    /// what comes in other ways than the nodes that know it.
    pub fn is_supported(&self) -> bool {
        self.features.level <= FEATURE_LEVEL_MAX
    }

    /// The first producer id that was never handed out.
    pub fn next_producer_id(&self) -> i64 {
        self.producer_ids.next
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.by_id(id)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.iter()
    }

    /// The topics from the name `start` on, by name: for reading them page by page.
    pub fn topics_from(&self, start: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.iter_from(start)
    }

    /// How many topics.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// A broker.
    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(id)
    }

    /// All brokers, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.iter()
    }

    /// The settings that are kept for brokers.
    pub fn broker_configs(&self) -> &BrokerConfigs {
        &self.broker_configs
    }

    /// The settings that are kept for single groups.
    pub fn group_configs(&self) -> &GroupConfigs {
        &self.group_configs
    }

    /// How many brokers.
    pub fn broker_count(&self) -> usize {
        self.brokers.len()
    }

    /// Partitions of all topics. O(1), like the counts below.
    pub fn total_partitions(&self) -> usize {
        self.partitions.total()
    }

    /// Partitions that `broker` leads.
    pub fn leader_partitions(&self, broker: BrokerId) -> usize {
        self.partitions.leaders(broker)
    }

    /// Partitions that `broker` holds a replica of.
    pub fn replica_partitions(&self, broker: BrokerId) -> usize {
        self.partitions.replicas(broker)
    }

    /// Partitions without a leader.
    pub fn offline_partitions(&self) -> usize {
        self.partitions.leaderless()
    }

    /// Partitions whose ISR lacks a replica.
    pub fn under_replicated_partitions(&self) -> usize {
        self.partitions.under_replicated()
    }

    /// Partitions that another than their preferred leader leads, or nobody.
    pub fn non_preferred_partitions(&self) -> usize {
        self.partitions.non_preferred()
    }

    /// Partitions whose replicas are moving.
    pub fn reassigning_partitions(&self) -> usize {
        self.partitions.moving()
    }

    /// The topics with partitions whose replicas are moving, by name. Costs as much as there are.
    pub fn reassigning_topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.partitions.moving_topics().filter_map(|name| self.topic(name.as_str()))
    }

    /// Partitions that their preferred leader could lead but does not, since it was away: at most so many. Costs as much
    /// as there are partitions led by others.
    pub fn returnable_leaders(&self, most: usize) -> Vec<(TopicName, PartitionId)> {
        let is_online = |id| self.brokers.is_online(id);
        let of = Candidates { brokers: &self.brokers, is_online: &is_online };
        let topics = self.partitions.non_preferred_topics().filter_map(|name| self.topic(name.as_str()));
        let returnable = topics.flat_map(|topic| {
            let rules = Rules::of(self, topic);
            let returns = topic.partitions.iter().filter(move |it| prefer(it, rules, of).is_some());
            returns.map(|partition| (topic.topic_name.clone(), partition.id))
        });
        returnable.take(most).collect()
    }

    /// Requests remembered for their idempotency keys.
    pub fn remembered_requests(&self) -> usize {
        self.requests.len()
    }

    /// A hash of the whole state, kept up to date with each change: equal states have equal digests on every
    /// node, build and machine. O(1). For finding nodes that diverged, not against forgery.
    pub fn digest(&self) -> u64 {
        let digest = Digest::new(0)
            .bytes(self.cluster_id.0.as_bytes())
            .word(self.version.0)
            .word(self.features.level.into())
            .int(self.producer_ids.next)
            .word(self.brokers.digest())
            .word(self.topics.digest())
            .word(self.partitions.digest())
            .word(self.requests.digest());
        // What older builds do not know of counts only if there is any.
        let of_brokers = (!self.broker_configs.is_empty()).then(|| self.broker_configs.digest());
        let of_groups = (!self.group_configs.is_empty()).then(|| self.group_configs.digest());
        [of_brokers, of_groups].into_iter().flatten().fold(digest, Digest::word).finish()
    }
}
