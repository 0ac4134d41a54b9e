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

use super::{Call, create_topics::Refusal, topics::TopicRef};
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
    let mut response = DeleteTopicsResponse::default();
    for topic in wanted {
        let name = topic.name.as_deref().unwrap_or_default();
        let asked = TopicRef::new(topic.name.is_none(), name, topic.topic_id);
        let found = call.server.image.read(|state| asked.find(state));
        let (error_code, error_message) = match &found {
            None => (asked.unknown(), None),
            Some(found) => {
                let late = Refusal::new(ErrorCode::REQUEST_TIMED_OUT, "not known to be deleted in time");
                match timeout_at(deadline, delete(&call.server, found)).await.unwrap_or(Err(late)) {
                    Ok(()) => (ErrorCode::NONE, None),
                    Err(refusal) => (refusal.code, Some(refusal.message)),
                }
            }
        };
        let (name, topic_id) = match found {
            Some(found) => (Some(found.topic_name.as_str().to_owned()), found.topic_id.0),
            None => (topic.name, topic.topic_id),
        };
        response.responses.push(DeletableTopicResult { name, topic_id, error_code, error_message });
    }
    response
}

async fn delete(server: &Server, topic: &Topic) -> Result<(), Refusal> {
    let deleted = server.metadata.call(&api::delete_topic(topic.topic_name.as_str())).await;
    deleted.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))?;
    server.image.wait_for(|state| state.topic_by_id(topic.topic_id).is_none().then_some(())).await;
    Ok(())
}
