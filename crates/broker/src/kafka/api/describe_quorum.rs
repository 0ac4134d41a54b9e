//! DescribeQuorum (55), versions 0 to 2: the controllers' Raft, as Kafka's tools show it.
//!
//! The one partition is `__cluster_metadata-0`. Offsets are Raft indexes, the leader epoch is the term; when a follower
//! last fetched is not known, as here the leader sends.

use std::sync::Arc;

use client::api;
use http_api::RaftStatus;
use kafka_wire::{
    ErrorCode,
    messages::{
        DescribeQuorumRequest, DescribeQuorumResponse,
        describe_quorum::{Listener, Node, ReplicaState, ResponsePartitionData, ResponseTopicData},
    },
};

use super::Call;

/// The topic that Kafka's tools ask about.
const TOPIC: &str = "__cluster_metadata";

/// Since this version the answer names the nodes.
const NODES_SINCE: i16 = 2;

pub(super) async fn handle(call: Arc<Call>, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let metadata = &call.server.metadata;
    let status = match metadata.discovery().find().await {
        Ok(controller) => api::raft_status().send(metadata.http(), &controller.url).await,
        Err(error) => Err(error.into()),
    };
    let status = match status {
        Ok(status) => status,
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
        let partitions = topic.partitions.iter().map(|partition| {
            if is_quorum && partition.partition_index == 0 {
                quorum(&status)
            } else {
                ResponsePartitionData {
                    partition_index: partition.partition_index,
                    error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    ..ResponsePartitionData::default()
                }
            }
        });
        ResponseTopicData { partitions: partitions.collect(), topic_name: topic.topic_name }
    });
    DescribeQuorumResponse {
        topics: topics.collect(),
        nodes: if call.version() >= NODES_SINCE { nodes(&status) } else { Vec::new() },
        ..DescribeQuorumResponse::default()
    }
}

fn quorum(status: &RaftStatus) -> ResponsePartitionData {
    let replicas = |voter: bool| {
        let members = status.members.iter().filter(move |member| member.voter == voter);
        members.map(|member| {
            let held = match member.node_id == status.node_id {
                true => status.last_log_index,
                false => status.replication.get(&member.node_id).copied().unwrap_or(0),
            };
            ReplicaState {
                replica_id: id(member.node_id.0),
                log_end_offset: i64::try_from(held).unwrap_or(i64::MAX),
                last_fetch_timestamp: -1,
                last_caught_up_timestamp: -1,
                ..ReplicaState::default()
            }
        })
    };
    ResponsePartitionData {
        leader_id: status.leader_id.map_or(-1, |leader| id(leader.0)),
        leader_epoch: id(status.current_term.0),
        high_watermark: i64::try_from(status.commit_index).unwrap_or(i64::MAX),
        current_voters: replicas(true).collect(),
        observers: replicas(false).collect(),
        ..ResponsePartitionData::default()
    }
}

fn nodes(status: &RaftStatus) -> Vec<Node> {
    let node = |member: &http_api::RaftMember| {
        let authority = member.url.strip_prefix("http://").unwrap_or(&member.url);
        let (host, port) = authority.rsplit_once(':')?;
        let (name, host) = ("CONTROLLER".to_owned(), host.to_owned());
        Some(Node {
            node_id: id(member.node_id.0),
            listeners: vec![Listener { name, host, port: port.parse().ok()? }],
        })
    };
    status.members.iter().filter_map(node).collect()
}

fn id(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
