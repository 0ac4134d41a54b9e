//! CreatePartitions (37), versions 0 to 3: gives topics more partitions. The controllers choose their brokers; a request
//! that names them is refused.

use std::{sync::Arc, time::Duration};

use client::api;
use http_api::AlterTopicRequest;
use kafka_wire::{
    ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions::{CreatePartitionsTopic, CreatePartitionsTopicResult},
    },
};
use tokio::time::timeout_at;

use super::{Call, create_topics::Refusal};
use crate::kafka::{Server, errors};

pub(super) async fn handle(call: Arc<Call>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let deadline = call.arrived + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut response = CreatePartitionsResponse::default();
    for topic in request.topics {
        let late = Refusal::new(ErrorCode::REQUEST_TIMED_OUT, "the partitions are not known in time");
        let made = timeout_at(deadline, create(&call.server, &topic, request.validate_only)).await;
        let (error_code, error_message) = match made.unwrap_or(Err(late)) {
            Ok(()) => (ErrorCode::NONE, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        };
        response.results.push(CreatePartitionsTopicResult { name: topic.name, error_code, error_message });
    }
    response
}

async fn create(server: &Server, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let name = topic.name.as_str();
    let known = server.image.read(|state| state.topic(name).map(|topic| topic.partitions.len()));
    let Some(known) = known else {
        let message = format!("there is no topic `{name}`");
        return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
    };
    if topic.assignments.as_ref().is_some_and(|assignments| !assignments.is_empty()) {
        let message = "the controllers place new partitions; assignments are not taken";
        return Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
    }
    if usize::try_from(topic.count).unwrap_or(0) <= known {
        let message = format!("`{name}` has {known} partitions, {} are no more", topic.count);
        return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
    }
    if validate_only {
        return Ok(());
    }
    let request =
        AlterTopicRequest { num_partitions: Some(topic.count.into()), ..AlterTopicRequest::default() };
    let altered = server.metadata.call(&api::alter_topic(name, &request)).await;
    let info = altered.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))?;
    let is_known = |topic: &common::Topic| topic.partitions.len() >= info.num_partitions;
    let wait = server
        .image
        .wait_for(|state| state.topic_by_id(info.topic_id).is_none_or(|it| is_known(it)).then_some(()));
    wait.await;
    Ok(())
}
