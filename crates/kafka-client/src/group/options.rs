//! Settings of a member.

use std::time::Duration;

/// Settings of a member, by Kafka's names.
#[derive(Debug, Clone)]
pub struct GroupOptions {
    /// `group.id`.
    pub group_id: String,
    /// `group.instance.id`: makes it a static member (KIP-345).
    pub instance_id: Option<String>,
    /// What it reads.
    pub topics: Vec<String>,
    /// How it takes part: `group.protocol`.
    pub protocol: GroupProtocol,
    /// After which silence the member is gone. In the classic protocol the brokers are told (`session.timeout.ms`); in the other
    /// one they have it set (`group.consumer.session.timeout.ms`), and this must not be longer.
    pub session_timeout: Duration,
    /// How long others wait for this member to give partitions up: `max.poll.interval.ms`.
    pub rebalance_timeout: Duration,
    /// Between heartbeats of the classic protocol: `heartbeat.interval.ms`. In the other one the brokers say.
    pub heartbeat_interval: Duration,
}

/// How a member takes part in its group: `group.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    /// `classic`: one of the members assigns.
    Classic(Assignor),
    /// `consumer`: the coordinator assigns (KIP-848).
    Consumer,
}

/// How a member of a classic group assigns: `partition.assignment.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// `range`: of each topic, neighbours. Everything is given up in each rebalance.
    Range,
    /// `cooperative-sticky`: everybody keeps what it has, as far as that is fair, and gives up only what it loses (KIP-429).
    CooperativeSticky,
}

impl Assignor {
    /// Kafka's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }
}

impl GroupOptions {
    /// A dynamic member with Kafka's defaults.
    pub fn new(
        group_id: impl Into<String>,
        topics: impl IntoIterator<Item = String>,
        protocol: GroupProtocol,
    ) -> Self {
        Self {
            group_id: group_id.into(),
            instance_id: None,
            topics: topics.into_iter().collect(),
            protocol,
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_secs(3),
        }
    }
}
