//! What several APIs say of topics, partitions and leaders.

use std::{sync::Arc, time::Duration};

use common::{BrokerId, PartitionId, Topic, TopicId};
use kafka_wire::ErrorCode;
use metadata_core::State;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::super::Server;
use crate::{kafka::errors, partition::Partition, partition::PartitionError};

/// How long a request waits for a partition to take the role that the metadata give it.
pub(super) const ROLE_WAIT: Duration = Duration::from_secs(1);

/// How a request names a topic.
#[derive(Debug, Clone, Copy)]
pub(super) enum TopicRef<'a> {
    Name(&'a str),
    Id(Uuid),
}

/// Who leads a partition, as far as is known here (KIP-951): for clients that came to the wrong broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaderHint {
    pub(super) leader_id: i32,
    pub(super) leader_epoch: i32,
    /// Where it is reached; `None` if it has no Kafka listener or is not there.
    pub(super) node: Option<Node>,
}

/// A broker as Kafka clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: i32,
    pub(super) host: String,
    pub(super) port: i32,
    pub(super) rack: Option<String>,
}

impl Node {
    /// A broker that takes part and has a Kafka listener.
    pub(super) fn of(state: &State, id: BrokerId) -> Option<Self> {
        let broker = state.broker(id)?;
        let is_there = broker.status != common::BrokerStatus::Offline;
        let port = broker.kafka_port.filter(|_| is_there)?;
        let (host, rack) = (broker.host.clone(), broker.rack.clone());
        Some(Self { id: id.0, host, port: port.into(), rack })
    }
}

impl TopicRef<'_> {
    /// By id where the version has ids.
    pub(super) fn new(by_id: bool, name: &str, id: Uuid) -> TopicRef<'_> {
        if by_id { TopicRef::Id(id) } else { TopicRef::Name(name) }
    }

    pub(super) fn find(self, state: &State) -> Option<Arc<Topic>> {
        match self {
            TopicRef::Name(name) => state.topic(name),
            TopicRef::Id(id) => state.topic_by_id(TopicId(id)),
        }
        .cloned()
    }

    /// The code for a topic that is not known.
    pub(super) fn unknown(self) -> ErrorCode {
        match self {
            TopicRef::Name(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            TopicRef::Id(_) => ErrorCode::UNKNOWN_TOPIC_ID,
        }
    }
}

impl Server {
    /// A partition that this broker has a replica of, or why not.
    pub(super) fn partition(&self, topic: TopicRef<'_>, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let id = PartitionId(index);
        let found = match topic {
            TopicRef::Name(name) => self.partitions.get(name, id),
            TopicRef::Id(topic) => self.partitions.get_by_id(TopicId(topic), id),
        };
        if let Some(partition) = found {
            return Ok(partition);
        }
        let known = self.image.read(|state| topic.find(state)).ok_or_else(|| topic.unknown())?;
        match usize::try_from(index).ok().and_then(|index| known.partitions.get(index)) {
            // Another broker's, or its directory is just being made.
            Some(_) => Err(errors::of_partition(&PartitionError::NotLeader)),
            None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        }
    }

    /// As [`Server::partition`], but waits a little for a partition that this broker is to lead by the metadata and does not
    /// yet, so that clients of a topic that was just made, or whose leader just changed, are not sent around.
    pub(super) async fn led_partition(
        &self,
        topic: TopicRef<'_>,
        index: i32,
    ) -> Result<Arc<Partition>, ErrorCode> {
        self.led_partition_by(topic, index, Instant::now() + ROLE_WAIT).await
    }

    /// As [`Server::led_partition`], for requests that name many partitions: those share one wait.
    pub(super) async fn led_partition_by(
        &self,
        topic: TopicRef<'_>,
        index: i32,
        deadline: Instant,
    ) -> Result<Arc<Partition>, ErrorCode> {
        if let Ok(partition) = self.partition(topic, index)
            && partition.leader_epoch().is_some_and(|(_, leads)| leads)
        {
            return Ok(partition);
        }
        let own = self.settings.broker_id.0;
        let ready = self.partitions.wait_for(|| {
            let hint = self.leader_hint(topic, index).filter(|hint| hint.leader_id == own);
            let found = self.partition(topic, index);
            match (hint, &found) {
                (Some(hint), Ok(partition)) => {
                    let leads = partition
                        .leader_epoch()
                        .is_some_and(|(epoch, leads)| leads && epoch.0 >= hint.leader_epoch);
                    leads.then_some(found)
                }
                (Some(_), Err(code)) if *code == ErrorCode::NOT_LEADER_OR_FOLLOWER => None,
                _ => Some(found),
            }
        });
        match timeout_at(deadline, ready).await {
            Ok(found) => found,
            Err(_) => self.partition(topic, index),
        }
    }

    /// Who leads a partition that this broker does not serve: another broker.
    pub(super) fn leader_elsewhere(&self, topic: TopicRef<'_>, index: i32) -> Option<LeaderHint> {
        self.leader_hint(topic, index).filter(|hint| hint.leader_id != self.settings.broker_id.0)
    }

    /// Who leads a partition.
    pub(super) fn leader_hint(&self, topic: TopicRef<'_>, index: i32) -> Option<LeaderHint> {
        self.image.read(|state| {
            let topic = topic.find(state)?;
            let partition = topic.partitions.get(usize::try_from(index).ok()?)?;
            let leader = partition.leader?;
            let node = Node::of(state, leader);
            Some(LeaderHint { leader_id: leader.0, leader_epoch: partition.leader_epoch.0, node })
        })
    }
}

/// Whether a client that gets this code looks for another leader.
pub(super) fn wants_leader(code: ErrorCode) -> bool {
    code == ErrorCode::NOT_LEADER_OR_FOLLOWER || code == ErrorCode::FENCED_LEADER_EPOCH
}
