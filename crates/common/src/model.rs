//! Topics, partitions with their ISR, and brokers, as the controllers keep them and as brokers see them.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, LeaderEpoch, PartitionEpoch, PartitionId, TopicId,
    TopicName, topic_config::MinInsyncReplicas,
};

/// A topic with all its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    /// Its name.
    pub topic_name: TopicName,
    /// Its identity, which a re-created topic of the same name does not share.
    pub topic_id: TopicId,
    /// Replicas per partition at creation.
    pub replication_factor: i16,
    /// Settings that differ from the defaults, by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Partition `i` stands at position `i`.
    pub partitions: Vec<Partition>,
}

/// One partition: who holds it, who leads it, who is in sync.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Partition {
    /// Its position within the topic.
    pub id: PartitionId,
    /// The leader; `None` while nobody who may lead is ONLINE. Always a member of `isr`.
    pub leader: Option<BrokerId>,
    /// Raised with each change of `leader`, and when the leader is a new incarnation of the former one.
    pub leader_epoch: LeaderEpoch,
    /// Raised with each change of this partition.
    pub partition_epoch: PartitionEpoch,
    /// All replicas, the preferred leader first. Not empty, no duplicates. While they are being reassigned, those that
    /// are being added come last.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas: a subset of `replicas`, in their order. While there is a leader, all of them are ONLINE.
    /// The last ones stay in it when they go, so that it is known who may lead again; it is empty only if they came
    /// back without their disks: then nobody in it is known to have all acknowledged records.
    pub isr: Vec<BrokerId>,
    /// Replicas that left the ISR when it was, or came, below [`min_isr`](Self::min_isr) (KIP-966): since then the high
    /// watermark has not moved, so they too have every acknowledged record, and may lead if nobody in the ISR can. In
    /// the order of `replicas`; empty while the ISR is large enough.
    ///
    /// This binds leaders: while the ISR that the controllers have committed is below `min_isr`, the high watermark must
    /// not move, whatever larger ISR has been proposed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eligible_leader_replicas: Vec<BrokerId>,
    /// Where its replicas are moving (KIP-455).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reassignment: Option<Box<Reassignment>>,
}

/// Replicas that are moving: the new ones copy the data, then the partition's `replicas` become `target`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reassignment {
    /// What `replicas` are to become, preferred leader first.
    pub target: Vec<BrokerId>,
    /// Those of the target that are new: all of them must be in sync before the move is complete.
    pub adding: Vec<BrokerId>,
    /// Those of the partition's replicas that are not in the target: they go when it is complete.
    pub removing: Vec<BrokerId>,
}

impl Partition {
    /// How many replicas it has, those not counted that are only being added.
    pub fn settled_replicas(&self) -> usize {
        let adding = self.reassignment.as_ref().map_or(0, |moving| moving.adding.len());
        self.replicas.len().saturating_sub(adding)
    }

    /// The least ISR with which the high watermark moves, by the settings of the partition's topic: what
    /// `min.insync.replicas` says, but not more than there are settled replicas.
    pub fn min_isr(&self, min_insync: MinInsyncReplicas) -> usize {
        let settled = self.settled_replicas();
        min_insync.needed(settled).min(settled)
    }
}

/// What the controllers think of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BrokerStatus {
    /// Registered and heartbeating.
    Online,
    /// Silent for longer than the session timeout, or known to be dead. Fenced: leads nothing, joins no ISR.
    Offline,
    /// Asked to leave: leads nothing any more and left the ISRs in which others remain, but still follows until it
    /// is gone.
    Draining,
}

/// As in JSON.
impl fmt::Display for BrokerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Online => "ONLINE",
            Self::Offline => "OFFLINE",
            Self::Draining => "DRAINING",
        })
    }
}

/// A registered broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Broker {
    /// Its id.
    pub broker_id: BrokerId,
    /// The epoch of its present registration.
    pub broker_epoch: BrokerEpoch,
    /// The process that made this registration.
    pub incarnation_id: IncarnationId,
    /// The disk that its data is on, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<DirectoryId>,
    /// The registration that last came with another disk than the one before: what was on that one is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_lost_at: Option<BrokerEpoch>,
    /// Host name or address that clients and controllers reach it by.
    pub host: String,
    /// Port of its REST API.
    pub port: u16,
    /// Port of its Kafka listener, if it has one.
    pub kafka_port: Option<u16>,
    /// Failure domain, for placement.
    pub rack: Option<String>,
    /// Whether it takes part.
    pub status: BrokerStatus,
}

impl Broker {
    /// Where its REST API answers.
    pub fn url(&self) -> String {
        format!("http://{}:{}", bracketed(&self.host), self.port)
    }
}

/// A host as it stands in a URL: an IPv6 address in brackets.
fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]").into() } else { host.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_stand_in_brackets_in_urls() {
        assert_eq!(bracketed("::1"), "[::1]");
        assert_eq!(bracketed("[::1]"), "[::1]");
        assert_eq!(bracketed("localhost"), "localhost");
    }
}
