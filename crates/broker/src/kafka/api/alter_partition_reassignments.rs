//! AlterPartitionReassignments (45), versions 0 and 1: starts and cancels moves of replicas (KIP-455). The number of
//! replicas may change, unless the request forbids that (KIP-860).

use std::sync::Arc;

use client::api;
use common::{BrokerId, Partition, PartitionId, TopicName};
use http_api::reassignments::{ReassignRequest, ReassignmentRequest};
use kafka_wire::{
    ErrorCode,
    messages::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        alter_partition_reassignments::{
            ReassignablePartition, ReassignablePartitionResponse, ReassignableTopic,
            ReassignableTopicResponse,
        },
    },
};

use super::{Call, create_topics::Refusal};
use crate::kafka::{Server, errors};

pub(super) async fn handle(
    call: Arc<Call>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let factor_may_change = request.allow_replication_factor_change;
    let mut moves = Vec::new();
    let mut refusals = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            match wanted(&call.server, topic, partition, factor_may_change) {
                Ok(wanted) => {
                    moves.push(wanted);
                    refusals.push(None);
                }
                Err(refusal) => refusals.push(Some(refusal)),
            }
        }
    }
    let asked = ReassignRequest { reassignments: moves };
    let mut results = Vec::new();
    if !asked.reassignments.is_empty() {
        match call.server.metadata.call(&api::reassign_partitions(&asked)).await {
            Ok(answer) => results = answer.results,
            Err(error) => {
                return AlterPartitionReassignmentsResponse {
                    error_code: errors::of_call(&error),
                    error_message: Some(error.to_string()),
                    ..AlterPartitionReassignmentsResponse::default()
                };
            }
        }
    }
    let (mut refusals, mut results) = (refusals.into_iter(), results.into_iter());
    let mut response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: factor_may_change,
        ..AlterPartitionReassignmentsResponse::default()
    };
    for topic in request.topics {
        let partitions = topic.partitions.iter().map(|partition| {
            let refusal = refusals.next().flatten().or_else(|| {
                let problem = results.next()?.problem?;
                Some(Refusal::new(errors::of_problem(problem.code), problem.detail))
            });
            ReassignablePartitionResponse {
                partition_index: partition.partition_index,
                error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
                error_message: refusal.map(|refusal| refusal.message),
            }
        });
        let partitions = partitions.collect();
        response.responses.push(ReassignableTopicResponse { name: topic.name, partitions });
    }
    response
}

/// One move, as the controllers are asked for it.
fn wanted(
    server: &Server,
    topic: &ReassignableTopic,
    partition: &ReassignablePartition,
    factor_may_change: bool,
) -> Result<ReassignmentRequest, Refusal> {
    let topic_name = TopicName::new(&topic.name)
        .map_err(|error| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, error.to_string()))?;
    let id = PartitionId(partition.partition_index);
    let replicas: Option<Vec<_>> =
        partition.replicas.as_ref().map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
    if let Some(target) = replicas.as_ref().filter(|_| !factor_may_change) {
        let factor = server.image.read(|state| {
            let topic = state.topic(topic_name.as_str())?;
            topic.partitions.get(usize::try_from(id.0).ok()?).map(target_replicas)
        });
        // What is not there is for the controllers to tell.
        if let Some(factor) = factor.filter(|factor| *factor != target.len()) {
            let message = format!(
                "{topic_name}-{id} has {factor} replicas, and would have {}; the request allows no other number",
                target.len()
            );
            return Err(Refusal::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
        }
    }
    Ok(ReassignmentRequest { topic_name, partition: id, replicas })
}

/// How many replicas it has, or is to have when its move is complete.
fn target_replicas(partition: &Partition) -> usize {
    partition.reassignment.as_ref().map_or(partition.replicas.len(), |moving| moving.target.len())
}
