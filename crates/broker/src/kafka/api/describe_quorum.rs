//! DescribeQuorum (55), versions 0 to 2: the controllers' Raft and who follows it, as Kafka's tools show it.
//!
//! The one partition is `__cluster_metadata-0`. Offsets are Raft indexes, the leader epoch is the term. The controllers are the
//! voters; in Kafka, brokers follow the same log as observers, and so they are told here, by their heartbeats: a broker that has
//! the newest metadata has everything up to the last entry that was applied.

use std::sync::Arc;

use client::{CallError, api};
use http_api::{BrokerInfo, RaftMember, RaftStatus};
use kafka_wire::{
    ErrorCode,
    messages::{
        DescribeQuorumRequest, DescribeQuorumResponse,
        describe_quorum::{Listener, Node, ReplicaState, ResponsePartitionData, ResponseTopicData},
    },
};
use uuid::Uuid;

use super::Call;
use crate::kafka::Server;

/// The topic that Kafka's tools ask about.
const TOPIC: &str = "__cluster_metadata";

/// Since this version the answer names the nodes, and the directories of replicas.
const NODES_SINCE: i16 = 2;

/// Since this version the answer says when replicas were last heard of.
const TIMES_SINCE: i16 = 1;

pub(super) async fn handle(call: Arc<Call>, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let quorum = match Quorum::ask(&call.server, call.version()).await {
        Ok(quorum) => quorum,
        Err(error) => {
            return DescribeQuorumResponse {
                error_code: ErrorCode::REQUEST_TIMED_OUT,
                error_message: Some(error.to_string()),
                ..DescribeQuorumResponse::default()
            };
        }
    };
    let topics = request.topics.into_iter().map(|topic| {
        let is_quorum = topic.topic_name == TOPIC;
        let partitions = topic.partitions.iter().map(|partition| match partition.partition_index {
            0 if is_quorum => quorum.partition(),
            partition_index => ResponsePartitionData {
                partition_index,
                error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ..ResponsePartitionData::default()
            },
        });
        ResponseTopicData { partitions: partitions.collect(), topic_name: topic.topic_name }
    });
    let members = quorum.status.members.iter().filter(|_| call.version() >= NODES_SINCE);
    DescribeQuorumResponse {
        topics: topics.collect(),
        nodes: members.filter_map(node).collect(),
        ..DescribeQuorumResponse::default()
    }
}

/// What the controller knows.
struct Quorum {
    version: i16,
    status: RaftStatus,
    brokers: Vec<BrokerInfo>,
}

impl Quorum {
    async fn ask(server: &Server, version: i16) -> Result<Self, CallError> {
        let (http, controller) = (server.metadata.http(), server.metadata.discovery().find().await?);
        // In this order: what a broker has was not applied later than what is asked about next.
        let brokers = api::brokers().send(http, &controller.url).await?;
        let status = api::raft_status().send(http, &controller.url).await?;
        Ok(Self { version, status, brokers })
    }

    fn partition(&self) -> ResponsePartitionData {
        let status = &self.status;
        let leader_id = status.leader_id.map_or(-1, |leader| id(leader.0));
        if !status.is_leader {
            // It was one a moment ago. Clients ask again.
            let error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
            return ResponsePartitionData { error_code, leader_id, ..ResponsePartitionData::default() };
        }
        let members =
            |voter: bool| status.members.iter().filter(move |it| it.voter == voter).map(|it| self.member(it));
        ResponsePartitionData {
            leader_id,
            leader_epoch: id(status.current_term.0),
            high_watermark: offset(status.commit_index),
            current_voters: members(true).collect(),
            observers: members(false).chain(self.brokers.iter().filter_map(|it| self.broker(it))).collect(),
            ..ResponsePartitionData::default()
        }
    }

    fn member(&self, member: &RaftMember) -> ReplicaState {
        let status = &self.status;
        let held = match member.node_id == status.node_id {
            true => status.last_log_index,
            false => status.replication.get(&member.node_id).copied().unwrap_or(0),
        };
        let contact = status.contacts.get(&member.node_id);
        self.replica(
            id(member.node_id.0),
            Uuid::nil(),
            held,
            contact.map(|it| it.last_answer),
            contact.and_then(|it| it.last_caught_up),
        )
    }

    /// A broker that heartbeats to this controller, or did.
    fn broker(&self, broker: &BrokerInfo) -> Option<ReplicaState> {
        let last_heartbeat = broker.last_heartbeat?;
        let has = broker.metadata_version.unwrap_or_default();
        let held = if has >= self.status.metadata_version { self.status.last_applied } else { has.0 };
        let directory = broker.directory_id.map_or(Uuid::nil(), |directory| directory.0);
        Some(self.replica(broker.broker_id.0, directory, held, Some(last_heartbeat), broker.last_caught_up))
    }

    fn replica(
        &self,
        replica_id: i32,
        directory: Uuid,
        held: u64,
        heard_ms: Option<u64>,
        caught_up_ms: Option<u64>,
    ) -> ReplicaState {
        let time = |at: Option<u64>| at.filter(|_| self.version >= TIMES_SINCE).map_or(-1, offset);
        ReplicaState {
            replica_id,
            replica_directory_id: if self.version >= NODES_SINCE { directory } else { Uuid::nil() },
            log_end_offset: offset(held),
            last_fetch_timestamp: time(heard_ms),
            last_caught_up_timestamp: time(caught_up_ms),
        }
    }
}

fn node(member: &RaftMember) -> Option<Node> {
    let authority = member.url.strip_prefix("http://").unwrap_or(&member.url);
    let (host, port) = authority.rsplit_once(':')?;
    let (name, host) = ("CONTROLLER".to_owned(), host.to_owned());
    let listeners = vec![Listener { name, host, port: port.parse().ok()? }];
    Some(Node { node_id: id(member.node_id.0), listeners })
}

fn id(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn offset(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
