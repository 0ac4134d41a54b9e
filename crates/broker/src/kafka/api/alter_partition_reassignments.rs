//! AlterPartitionReassignments (45), versions 0 and 1: starts and cancels moves of replicas (KIP-455). The number of
//! replicas may change.

use std::sync::Arc;

use client::api;
use common::{BrokerId, PartitionId, TopicName};
use http_api::reassignments::{ReassignRequest, ReassignmentRequest};
use kafka_wire::{
    ErrorCode,
    messages::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        alter_partition_reassignments::{ReassignablePartitionResponse, ReassignableTopicResponse},
    },
};

use super::Call;
use crate::kafka::errors;

pub(super) async fn handle(
    call: Arc<Call>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let mut moves = Vec::new();
    for topic in &request.topics {
        let Ok(topic_name) = TopicName::new(&topic.name) else { continue };
        moves.extend(topic.partitions.iter().map(|partition| ReassignmentRequest {
            topic_name: topic_name.clone(),
            partition: PartitionId(partition.partition_index),
            replicas: partition.replicas.as_ref().map(|ids| ids.iter().map(|id| BrokerId(*id)).collect()),
        }));
    }
    let asked = ReassignRequest { reassignments: moves };
    let results = match call.server.metadata.call(&api::reassign_partitions(&asked)).await {
        Ok(answer) => answer.results,
        Err(error) => {
            return AlterPartitionReassignmentsResponse {
                error_code: errors::of_call(&error),
                error_message: Some(error.to_string()),
                ..AlterPartitionReassignmentsResponse::default()
            };
        }
    };
    let mut results = results.into_iter();
    let mut response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: true,
        ..AlterPartitionReassignmentsResponse::default()
    };
    for topic in request.topics {
        let is_bad = TopicName::new(&topic.name).is_err();
        let partitions = topic.partitions.iter().map(|partition| {
            let (error_code, error_message) = if is_bad {
                (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)
            } else {
                let problem = results.next().and_then(|result| result.problem);
                let code = problem.as_ref().map(|problem| errors::of_problem(problem.code));
                (code.unwrap_or(ErrorCode::NONE), problem.map(|problem| problem.detail))
            };
            let partition_index = partition.partition_index;
            ReassignablePartitionResponse { partition_index, error_code, error_message }
        });
        let partitions = partitions.collect();
        response.responses.push(ReassignableTopicResponse { name: topic.name, partitions });
    }
    response
}
