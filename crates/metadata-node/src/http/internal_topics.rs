//! `POST /api/v1/metadata/internal-topics`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use common::TopicId;
use http_api::{
    ErrorCode, Problem, TopicInfo, internal_topics::CreateInternalTopicRequest, paths, query::WriteQuery,
};
use metadata_core::{Command, Rejection};
use runtime::http::JsonBody;
use uuid::Uuid;

use super::{
    api::Api,
    refusal::{Answer, Refusal},
    responses::WriteProblems,
    topics,
    writer::Writer,
};

/// Create a topic of the system
///
/// For brokers: what clients may not create, a broker may that is registered.
#[utoipa::path(
    post, operation_id = "createInternalTopic", path = paths::INTERNAL_TOPICS, tag = "brokers", params(WriteQuery),
    request_body = CreateInternalTopicRequest,
    responses(
        (status = 201, body = TopicInfo),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The topic exists, or the caller's registration was replaced",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    writer: Writer,
    JsonBody(request): JsonBody<CreateInternalTopicRequest>,
) -> Answer<Response> {
    let CreateInternalTopicRequest { broker_id, broker_epoch: given, topic_name, .. } = request;
    let current = api.consensus.read(|state| state.broker(broker_id).map(|broker| broker.broker_epoch));
    match current {
        None => return Err(Rejection::UnknownBroker { broker_id }.into()),
        Some(current) if current != given => {
            return Err(Rejection::StaleBrokerEpoch { broker_id, given, current }.into());
        }
        Some(_) => {}
    }
    if !topic_name.is_internal() {
        let detail = format!("topic `{topic_name}` is not one of the system's");
        return Err(Refusal::new(
            Problem::new(ErrorCode::InvalidTopicName, detail).with("field", "topicName"),
        ));
    }
    let command = Command::CreateTopic {
        topic_name,
        topic_id: TopicId(Uuid::new_v4()),
        num_partitions: topics::num_partitions(request.num_partitions.into())?,
        replication_factor: topics::replication_factor(request.replication_factor.into())?,
        configs: request.configs,
        assignments: None,
        placement_seed: topics::seed(),
        internal: true,
    };
    topics::topic_answer(writer.for_broker(broker_id).propose(command).await?.0, StatusCode::CREATED)
}
