//! DeleteTopics (20), versions 1 to 6: asks the controllers to delete topics, and answers when this broker knows that
//! they are gone.

use std::{sync::Arc, time::Duration};

use client::api;
use common::Topic;
use kafka_wire::{
    ErrorCode,
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse,
        delete_topics::{DeletableTopicResult, DeleteTopicState},
    },
};
use tokio::time::timeout_at;

use super::{
    Call,
    create_topics::Refusal,
    several::{in_order, named_twice, repeated},
    topics::TopicRef,
};
use crate::kafka::{Server, errors};

/// Since this version topics may be named by their ids.
const TOPIC_IDS_SINCE: i16 = 6;

pub(super) async fn handle(call: Arc<Call>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let deadline = call.arrived + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let wanted = if call.version() >= TOPIC_IDS_SINCE {
        request.topics
    } else {
        let by_name = |name| DeleteTopicState { name: Some(name), ..DeleteTopicState::default() };
        request.topic_names.into_iter().map(by_name).collect()
    };
    let wanted = wanted.into_iter().map(|topic| {
        let name = topic.name.as_deref().unwrap_or_default();
        let asked = TopicRef::new(topic.name.is_none(), name, topic.topic_id);
        let found = call.server.image.read(|state| asked.find(state)).ok_or_else(|| asked.unknown());
        (found, topic)
    });
    let wanted: Vec<_> = wanted.collect();
    let twice = repeated(wanted.iter().filter_map(|(found, _)| Some(found.as_ref().ok()?.topic_id)));
    let responses = wanted.into_iter().map(async |(found, topic)| {
        let found = match found {
            Ok(found) => found,
            Err(error_code) => {
                let (name, topic_id) = (topic.name, topic.topic_id);
                return DeletableTopicResult { name, topic_id, error_code, error_message: None };
            }
        };
        let late = Refusal::new(ErrorCode::REQUEST_TIMED_OUT, "not known to be deleted in time");
        let deleted = if twice.contains(&found.topic_id) {
            Err(named_twice())
        } else {
            timeout_at(deadline, delete(&call.server, &found)).await.unwrap_or(Err(late))
        };
        let (error_code, error_message) = match deleted {
            Ok(()) => (ErrorCode::NONE, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        };
        let name = Some(found.topic_name.as_str().to_owned());
        DeletableTopicResult { name, topic_id: found.topic_id.0, error_code, error_message }
    });
    DeleteTopicsResponse { responses: in_order(responses.collect()).await, ..DeleteTopicsResponse::default() }
}

async fn delete(server: &Server, topic: &Topic) -> Result<(), Refusal> {
    let deleted = server.metadata.call(&api::delete_topic(topic.topic_name.as_str())).await;
    deleted.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))?;
    server.image.wait_for(|state| state.topic_by_id(topic.topic_id).is_none().then_some(())).await;
    Ok(())
}
