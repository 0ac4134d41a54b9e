//! Topics, partitions with their ISR, and brokers, as the controllers keep them and as brokers see them.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    BrokerEpoch, BrokerId, IncarnationId, LeaderEpoch, PartitionEpoch, PartitionId, TopicId, TopicName,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Partition {
    /// Its position within the topic.
    pub id: PartitionId,
    /// The leader; `None` while no in-sync replica is ONLINE. Always a member of `isr`.
    pub leader: Option<BrokerId>,
    /// Raised with each change of `leader`, and when the leader is a new incarnation of the former one.
    pub leader_epoch: LeaderEpoch,
    /// Raised with each change of this partition.
    pub partition_epoch: PartitionEpoch,
    /// All replicas, the preferred leader first. Not empty, no duplicates.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas: a subset of `replicas`, in their order, and never empty (the last ones stay in it
    /// when they go, so that it is known who may lead again). While there is a leader, all of them are ONLINE.
    pub isr: Vec<BrokerId>,
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
