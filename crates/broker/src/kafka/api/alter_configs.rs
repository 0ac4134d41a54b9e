//! AlterConfigs (33), versions 0 to 2: gives a topic, a group, a broker or all brokers exactly the settings that are named;
//! all others go back to their defaults.

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse,
        alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse},
    },
};

use super::{
    Call,
    configs::once_each,
    create_topics::Refusal,
    several::{named_twice, repeated},
};

pub(super) async fn handle(call: Arc<Call>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut response = AlterConfigsResponse::default();
    let named = |resource: &AlterConfigsResource| (resource.resource_type, resource.resource_name.clone());
    let twice = repeated(request.resources.iter().map(named));
    for resource in request.resources {
        let altered = if twice.contains(&named(&resource)) {
            Err(named_twice())
        } else {
            alter(&call, &resource, request.validate_only).await
        };
        let (error_code, error_message) = match altered {
            Ok(()) => (ErrorCode::NONE, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        };
        response.responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    response
}

async fn alter(call: &Call, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    let of = call.server.resource(resource.resource_type, &resource.resource_name)?;
    once_each(resource.configs.iter().map(|config| config.name.as_str()))?;
    let named = resource.configs.iter();
    // Null is "as if it were not named".
    let wanted = named.filter_map(|config| Some((config.name.clone(), config.value.clone()?))).collect();
    call.server.set_configs(&of, wanted, validate_only).await
}
