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
    configs::no_value,
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
    let settings = resource.configs.iter().map(|config| config.name.as_str());
    let of = call.server.to_alter(resource.resource_type, &resource.resource_name, settings)?;
    let named = resource.configs.iter();
    let named = named.map(|config| match &config.value {
        Some(value) => Ok((config.name.clone(), value.clone())),
        None => Err(no_value(&config.name)),
    });
    call.server.set_configs(&of, named.collect::<Result<_, _>>()?, validate_only).await
}
