//! CreatePartitions (37), versions 0 to 3: gives topics more partitions, on brokers that the request names or the
//! controllers choose.

use std::{sync::Arc, time::Duration};

use client::api;
use common::{BrokerId, BrokerStatus};
use http_api::AlterTopicRequest;
use kafka_wire::{
    ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic, CreatePartitionsTopicResult},
    },
};
use tokio::time::timeout_at;

use super::{
    Call,
    create_topics::Refusal,
    several::{in_order, named_twice, repeated},
};
use crate::kafka::{Server, errors};

pub(super) async fn handle(call: Arc<Call>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let deadline = call.arrived + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let twice = repeated(request.topics.iter().map(|topic| topic.name.as_str()));
    let results = request.topics.iter().map(async |topic| {
        let late = Refusal::new(ErrorCode::REQUEST_TIMED_OUT, "the partitions are not known in time");
        let made = if twice.contains(topic.name.as_str()) {
            Err(named_twice())
        } else {
            let made = timeout_at(deadline, create(&call.server, topic, request.validate_only));
            made.await.unwrap_or(Err(late))
        };
        let (error_code, error_message) = match made {
            Ok(()) => (ErrorCode::NONE, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        };
        CreatePartitionsTopicResult { name: topic.name.clone(), error_code, error_message }
    });
    CreatePartitionsResponse {
        results: in_order(results.collect()).await,
        ..CreatePartitionsResponse::default()
    }
}

async fn create(server: &Server, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let name = topic.name.as_str();
    let known = server.image.read(|state| state.topic(name).map(|topic| topic.partitions.len()));
    let Some(known) = known else {
        let message = format!("there is no topic `{name}`");
        return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
    };
    let added = usize::try_from(topic.count).unwrap_or(0).saturating_sub(known);
    if added == 0 {
        let message = format!("`{name}` has {known} partitions, {} are no more", topic.count);
        return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
    }
    let assignments = topic.assignments.as_ref().map(|assignments| {
        let brokers =
            |it: &CreatePartitionsAssignment| it.broker_ids.iter().map(|id| BrokerId(*id)).collect();
        assignments.iter().map(brokers).collect::<Vec<Vec<BrokerId>>>()
    });
    if let Some(assignments) = &assignments {
        check(server, name, added, assignments)?;
    }
    if validate_only {
        return Ok(());
    }
    let num_partitions = Some(topic.count.into());
    let request = AlterTopicRequest { num_partitions, assignments, ..AlterTopicRequest::default() };
    let altered = server.metadata.call(&api::alter_topic(name, &request)).await;
    let info = altered.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))?;
    let is_known = |topic: &common::Topic| topic.partitions.len() >= info.num_partitions;
    let wait = server
        .image
        .wait_for(|state| state.topic_by_id(info.topic_id).is_none_or(|it| is_known(it)).then_some(()));
    wait.await;
    Ok(())
}

/// The checks of assignments that need no controller, for requests that are only to be checked.
fn check(server: &Server, name: &str, added: usize, assignments: &[Vec<BrokerId>]) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
    if assignments.len() != added {
        let named = assignments.len();
        return invalid(format!("assignments name {named} partitions, but {added} are to be added"));
    }
    server.image.read(|state| {
        let first = state.topic(name).and_then(|topic| topic.partitions.first());
        let factor = first.map_or(0, common::Partition::settled_replicas);
        for replicas in assignments {
            if replicas.len() != factor {
                let named = replicas.len();
                return invalid(format!("{named} replicas for a partition, but partition 0 has {factor}"));
            }
            let is_online = |id: &&BrokerId| {
                state.broker(**id).is_some_and(|broker| broker.status == BrokerStatus::Online)
            };
            if let Some(id) = replicas.iter().find(|id| !is_online(id)) {
                return invalid(format!("broker {id} is not there"));
            }
            if replicas.iter().collect::<std::collections::BTreeSet<_>>().len() != factor {
                return invalid("two replicas of a partition on one broker".to_owned());
            }
        }
        Ok(())
    })
}
