//! DescribeProducers (61), version 0: who wrote to a partition and is remembered for it. Leaders tell (KIP-664).

use std::sync::Arc;

use commit_log::ProducerState as Remembered;
use kafka_wire::{
    ErrorCode,
    messages::{
        DescribeProducersRequest, DescribeProducersResponse,
        describe_producers::{PartitionResponse, ProducerState, TopicResponse},
    },
};

use super::{Call, topics::TopicRef};
use crate::kafka::errors;

pub(super) async fn handle(call: Arc<Call>, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut response = DescribeProducersResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let (error_code, producers) = match producers(&call, &topic.name, index).await {
                Ok(producers) => (ErrorCode::NONE, producers),
                Err(error_code) => (error_code, Vec::new()),
            };
            partitions.push(PartitionResponse {
                partition_index: index,
                error_code,
                error_message: None,
                active_producers: producers.into_iter().map(shown).collect(),
            });
        }
        response.topics.push(TopicResponse { name: topic.name, partitions });
    }
    response
}

async fn producers(call: &Call, topic: &str, index: i32) -> Result<Vec<Remembered>, ErrorCode> {
    let partition = call.server.led_partition(TopicRef::Name(topic), index).await?;
    partition.producers().map_err(|error| errors::of_partition(&error))
}

fn shown(producer: Remembered) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id.0,
        producer_epoch: producer.epoch.into(),
        last_sequence: producer.batches.last().map_or(-1, |batch| batch.last_sequence),
        last_timestamp: producer.last_timestamp_ms,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.open_transaction.map_or(-1, |offset| offset.0),
    }
}
