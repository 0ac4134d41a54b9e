//! ListPartitionReassignments (46), version 0: the moves of replicas that are under way.

use std::sync::Arc;

use common::{Partition, PartitionId, Topic};
use kafka_wire::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    list_partition_reassignments::{OngoingPartitionReassignment, OngoingTopicReassignment},
};

use super::Call;

pub(super) async fn handle(
    call: Arc<Call>,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let wanted = request.topics;
    let is_wanted = |topic: &str, partition: PartitionId| {
        wanted.as_ref().is_none_or(|wanted| {
            wanted.iter().any(|it| it.name == topic && it.partition_indexes.contains(&partition.0))
        })
    };
    let topics = call.server.image.read(|state| {
        let moving = |topic: &Topic| {
            let name = topic.topic_name.as_str();
            let partitions: Vec<_> = topic
                .partitions
                .iter()
                .filter(|partition| is_wanted(name, partition.id))
                .filter_map(ongoing)
                .collect();
            let is_any = !partitions.is_empty();
            is_any.then(|| OngoingTopicReassignment { name: name.to_owned(), partitions })
        };
        state.topics().filter_map(|topic| moving(topic)).collect()
    });
    ListPartitionReassignmentsResponse { topics, ..ListPartitionReassignmentsResponse::default() }
}

fn ongoing(partition: &Partition) -> Option<OngoingPartitionReassignment> {
    let moving = partition.reassignment.as_ref()?;
    let ids = |brokers: &[common::BrokerId]| brokers.iter().map(|id| id.0).collect();
    Some(OngoingPartitionReassignment {
        partition_index: partition.id.0,
        replicas: ids(&partition.replicas),
        adding_replicas: ids(&moving.adding),
        removing_replicas: ids(&moving.removing),
    })
}
