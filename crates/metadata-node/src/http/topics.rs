//! Topics: create, list, read, alter, delete; the leader of a partition.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use common::{PartitionId, TopicId, TopicName, topic_name::CLUSTER_METADATA_TOPIC};
use http_api::{
    AlterTopicRequest, CreateTopicRequest, ErrorCode, PartitionLeader, Problem, TopicInfo, paths,
    query::{ReadQuery, WriteQuery},
    topics::TopicRef,
};
use metadata_core::{Command, Outcome, Rejection};
use runtime::http::JsonBody;
use uuid::Uuid;

use super::{
    api::Api,
    image,
    params::{Params, Segments},
    refusal::{Answer, Refusal},
    responses::{ReadProblems, WriteProblems},
    writer::{Writer, unexpected},
};

/// Create a topic
///
/// Answers once the topic is committed by a majority and applied.
#[utoipa::path(
    post, operation_id = "createTopic", path = paths::TOPICS, tag = "topics", params(WriteQuery), request_body = CreateTopicRequest,
    responses(
        (status = 201, body = TopicInfo),
        (status = 403, description = "Internal topic", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The topic exists", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn create(
    writer: Writer,
    JsonBody(request): JsonBody<CreateTopicRequest>,
) -> Answer<Response> {
    let assigned = request.assignments.is_some();
    let num_partitions = match request.num_partitions {
        Some(number) => num_partitions(number)?,
        None if assigned => -1,
        None => return Err(missing("numPartitions")),
    };
    let replication_factor = match request.replication_factor {
        Some(number) => replication_factor(number)?,
        None if assigned => -1,
        None => return Err(missing("replicationFactor")),
    };
    let topic_name = topic_name(&request.topic_name)?;
    if topic_name.as_str() == CLUSTER_METADATA_TOPIC {
        return Err(Rejection::InternalTopic { topic_name, action: "created".to_owned() }.into());
    }
    let command = Command::CreateTopic {
        topic_name,
        topic_id: TopicId(Uuid::new_v4()),
        num_partitions,
        replication_factor,
        configs: request.configs,
        assignments: request.assignments,
        placement_seed: seed(),
        internal: false,
    };
    topic_answer(writer.propose(command).await?.0, StatusCode::CREATED)
}

/// List topics
///
/// All topics by name, with their partitions.
#[utoipa::path(
    get, operation_id = "listTopics", path = paths::TOPICS, tag = "topics", params(ReadQuery),
    responses((status = 200, body = Vec<TopicInfo>), ReadProblems)
)]
pub(super) async fn list(State(api): State<Arc<Api>>, Params(query): Params<ReadQuery>) -> Answer<Response> {
    api.settle(query.consistency).await?;
    let json = image::topics(&api).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// Describe a topic
#[utoipa::path(
    get, operation_id = "getTopic", path = paths::TOPIC, tag = "topics", params(ReadQuery, ("name" = String, Path)),
    responses(
        (status = 200, body = TopicInfo),
        (status = 404, description = "No such topic", body = Problem, content_type = "application/problem+json"),
        ReadProblems,
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Segments(name): Segments<String>,
    Params(query): Params<ReadQuery>,
) -> Answer<Response> {
    api.settle(query.consistency).await?;
    let topic =
        api.consensus.read(|state| state.topic(&name).cloned()).ok_or_else(|| unknown_topic(&name))?;
    Ok(Json(TopicRef::from(topic.as_ref())).into_response())
}

/// Alter a topic
///
/// Adds partitions (their number only grows) and changes settings; `null` puts a setting back to its default.
#[utoipa::path(
    patch, operation_id = "alterTopic", path = paths::TOPIC, tag = "topics", params(WriteQuery, ("name" = String, Path)),
    request_body = AlterTopicRequest,
    responses(
        (status = 200, body = TopicInfo),
        (status = 403, description = "Internal topic", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such topic", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn alter(
    writer: Writer,
    Segments(name): Segments<String>,
    JsonBody(request): JsonBody<AlterTopicRequest>,
) -> Answer<Response> {
    let command = Command::AlterTopic {
        topic_name: existing_name(&name)?,
        num_partitions: request.num_partitions.map(num_partitions).transpose()?,
        configs: request.configs,
        assignments: request.assignments,
        placement_seed: seed(),
    };
    topic_answer(writer.propose(command).await?.0, StatusCode::OK)
}

/// Delete a topic
#[utoipa::path(
    delete, operation_id = "deleteTopic", path = paths::TOPIC, tag = "topics", params(WriteQuery, ("name" = String, Path)),
    responses(
        (status = 204, description = "The topic is gone"),
        (status = 403, description = "Internal topic", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such topic", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn delete(writer: Writer, Segments(name): Segments<String>) -> Answer<StatusCode> {
    match writer.propose(Command::DeleteTopic { topic_name: existing_name(&name)? }).await?.0 {
        Outcome::TopicDeleted => Ok(StatusCode::NO_CONTENT),
        other => Err(unexpected(&other)),
    }
}

/// Find a partition's leader
#[utoipa::path(
    get, operation_id = "getPartitionLeader", path = paths::PARTITION_LEADER, tag = "topics",
    params(ReadQuery, ("name" = String, Path), ("partition" = PartitionId, Path)),
    responses(
        (status = 200, body = PartitionLeader),
        (status = 404, description = "No such topic or partition, or it has no leader at present",
         body = Problem, content_type = "application/problem+json"),
        ReadProblems,
    )
)]
pub(super) async fn leader(
    State(api): State<Arc<Api>>,
    Segments((name, partition)): Segments<(String, PartitionId)>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<PartitionLeader>> {
    api.settle(query.consistency).await?;
    api.consensus.read(|state| {
        let topic = state.topic(&name).ok_or_else(|| unknown_topic(&name))?;
        let found = usize::try_from(partition.0).ok().and_then(|position| topic.partitions.get(position));
        let found = found.ok_or_else(|| {
            let detail = format!(
                "topic `{name}` has no partition {partition}, only 0 to {}",
                topic.partitions.len() - 1
            );
            about(Problem::new(ErrorCode::UnknownPartition, detail), &name, partition)
        })?;
        let broker = found.leader.and_then(|id| state.broker(id)).ok_or_else(|| {
            let detail =
                format!("topic `{name}` partition {partition} has no leader: no in-sync replica is online");
            about(Problem::new(ErrorCode::LeaderNotAvailable, detail), &name, partition)
        })?;
        Ok(Json(PartitionLeader {
            broker_id: broker.broker_id,
            url: broker.url(),
            kafka_address: broker.kafka_port.map(|port| format!("{}:{port}", broker.host)),
            leader_epoch: found.leader_epoch,
        }))
    })
}

pub(super) fn topic_answer(outcome: Outcome, status: StatusCode) -> Answer<Response> {
    match outcome {
        Outcome::Topic { topic } => Ok((status, Json(TopicRef::from(topic.as_ref()))).into_response()),
        other => Err(unexpected(&other)),
    }
}

fn about(problem: Problem, topic: &str, partition: PartitionId) -> Refusal {
    problem.with("topicName", topic).with("partition", partition.0).into()
}

fn unknown_topic(name: &str) -> Refusal {
    Problem::new(ErrorCode::UnknownTopic, format!("topic `{name}` does not exist"))
        .with("topicName", name)
        .into()
}

/// The name of a new topic.
fn topic_name(name: &str) -> Answer<TopicName> {
    TopicName::new(name).map_err(|error| {
        Problem::new(ErrorCode::InvalidTopicName, error.to_string()).with("field", "topicName").into()
    })
}

/// The name of a topic that may exist: one that breaks the grammar does not.
fn existing_name(name: &str) -> Answer<TopicName> {
    TopicName::new(name).map_err(|_| unknown_topic(name))
}

fn missing(field: &str) -> Refusal {
    let detail = format!("`{field}` is missing; only `assignments` makes it superfluous");
    Problem::new(ErrorCode::InvalidRequest, detail).with("field", field).into()
}

/// Numbers that do not even fit their type. Whether one fits the cluster is decided when the command is applied;
/// there -1 stands for "as the assignments say", so it is kept out here.
pub(super) fn num_partitions(number: i64) -> Answer<i32> {
    i32::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| {
        let bound = common::limits::PARTITIONS_PER_TOPIC_MAX;
        let detail = format!("numPartitions is {number}; 1 to {bound} are allowed");
        out_of_bounds(ErrorCode::InvalidPartitions, detail, "numPartitions", number, bound)
    })
}

pub(super) fn replication_factor(number: i64) -> Answer<i16> {
    i16::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| {
        let bound = common::limits::REPLICATION_FACTOR_MAX;
        let detail = format!("replicationFactor is {number}; 1 to {bound} are allowed");
        out_of_bounds(ErrorCode::InvalidReplicationFactor, detail, "replicationFactor", number, bound)
    })
}

fn out_of_bounds(code: ErrorCode, detail: String, field: &str, value: i64, bound: usize) -> Refusal {
    Problem::new(code, detail).with("field", field).with("value", value).with("bound", bound).into()
}

/// Where placement starts: drawn here, so that every node that applies the command places alike.
pub(super) fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
