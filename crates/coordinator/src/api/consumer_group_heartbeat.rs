//! ConsumerGroupHeartbeat (68, KIP-848): joining, living, reconciling and leaving in one request.

use common::TopicId;
use uuid::Uuid;

use crate::{GroupError, GroupId, InstanceId, MemberId};

/// "I am here, and this is what I own." What is `None` has not changed since the last heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeat {
    /// Which group.
    pub group_id: GroupId,
    /// Drawn by the client (v1+), or empty at the first heartbeat (v0).
    pub member_id: MemberId,
    /// 0: joins. -1: leaves. -2: a static member leaves for a while. Else the epoch that it was given last.
    pub member_epoch: i32,
    /// If it is a static member.
    pub instance_id: Option<InstanceId>,
    /// Where it is.
    pub rack_id: Option<String>,
    /// How long it takes to give partitions up at most, in ms.
    pub rebalance_timeout_ms: Option<i32>,
    /// Topics that it reads.
    pub subscribed_topic_names: Option<Vec<String>>,
    /// Topics that it reads, in RE2's syntax (v1+). Empty: no longer any.
    pub subscribed_topic_regex: Option<String>,
    /// `uniform` or `range`.
    pub server_assignor: Option<String>,
    /// The partitions that it has.
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    /// Of the request's header; empty if there was none.
    pub client_id: String,
    /// The client's address, as Kafka writes it: `/127.0.0.1`.
    pub client_host: String,
    /// For a member id, should one be needed.
    pub fresh_id: Uuid,
}

/// Partitions of one topic, ascending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartitions {
    /// Which topic.
    pub topic_id: TopicId,
    /// Which partitions.
    pub partitions: Vec<i32>,
}

/// The answer.
pub type ConsumerGroupHeartbeatReply = Result<ConsumerGroupHeartbeatAnswer, GroupError>;

/// What the member is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeatAnswer {
    /// Of the member.
    pub member_id: MemberId,
    /// To be given with the next heartbeat.
    pub member_epoch: i32,
    /// When to come again, in ms.
    pub heartbeat_interval_ms: i32,
    /// What it is to have; none: as before.
    pub assignment: Option<Vec<TopicPartitions>>,
}
