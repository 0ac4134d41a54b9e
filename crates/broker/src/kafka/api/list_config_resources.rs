//! ListConfigResources (74), versions 0 and 1: what has settings (KIP-1000, KIP-1142). Version 0 asks for what subscribes to
//! client metrics, and there is none of that; version 1 for any types, or with an empty list for all. Of groups, those are listed
//! that have settings of their own.

use std::{collections::BTreeSet, sync::Arc};

use kafka_wire::{
    ErrorCode,
    messages::{
        ListConfigResourcesRequest, ListConfigResourcesResponse, list_config_resources::ConfigResource,
    },
};

use super::{
    Call,
    configs::{BROKER, GROUP, TOPIC},
};

/// Types that something here is of.
const KNOWN: [i8; 3] = [TOPIC, BROKER, GROUP];

/// `ConfigResource.Type`: a broker's loggers, client metrics. Both are types that Kafka knows and nothing here is of.
const OF_NOTHING: [i8; 2] = [8, 16];

/// Since this version the request says which types are wanted.
const TYPES_SINCE: i16 = 1;

pub(super) async fn handle(
    call: Arc<Call>,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let mut response = ListConfigResourcesResponse::default();
    let mut wanted: BTreeSet<i8> = request.resource_types.into_iter().collect();
    if call.version() < TYPES_SINCE {
        return response;
    }
    if wanted.is_empty() {
        wanted = KNOWN.into();
    }
    if !wanted.iter().all(|kind| KNOWN.contains(kind) || OF_NOTHING.contains(kind)) {
        response.error_code = ErrorCode::UNSUPPORTED_VERSION;
        return response;
    }
    let resource = |resource_type, resource_name| ConfigResource { resource_name, resource_type };
    call.server.image.read(|state| {
        if wanted.contains(&TOPIC) {
            let topics = state.topics().map(|topic| resource(TOPIC, topic.topic_name.as_str().to_owned()));
            response.config_resources.extend(topics);
        }
        if wanted.contains(&BROKER) {
            let brokers = state.brokers().map(|broker| resource(BROKER, broker.broker_id.to_string()));
            response.config_resources.extend(brokers);
        }
        if wanted.contains(&GROUP) {
            let groups = state.group_configs().iter().map(|(id, _)| resource(GROUP, id.to_owned()));
            response.config_resources.extend(groups);
        }
    });
    response
}
