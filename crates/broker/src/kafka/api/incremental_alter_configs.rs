//! IncrementalAlterConfigs (44), versions 0 and 1: changes the settings of a topic, a group, a broker or all brokers that are
//! named, and leaves the others. APPEND and SUBTRACT are for lists; what is there already is not appended again.

use std::sync::Arc;

use common::{
    broker_config::{Configs, is_list},
    topic_config::Setting,
};
use kafka_wire::{
    ErrorCode,
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig},
    },
};

use super::{
    Call,
    configs::no_value,
    create_topics::Refusal,
    several::{named_twice, repeated},
};

pub(super) async fn handle(
    call: Arc<Call>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut response = IncrementalAlterConfigsResponse::default();
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
    let mut wanted = call.server.own_configs(&of);
    for change in &resource.configs {
        apply(&mut wanted, of.setting(&change.name)?, change)?;
    }
    call.server.set_configs(&of, wanted, validate_only).await
}

/// Makes one change, by Kafka's numbers of operations (`AlterConfigOp.OpType`).
fn apply(wanted: &mut Configs, setting: &Setting, change: &AlterableConfig) -> Result<(), Refusal> {
    let name = change.name.as_str();
    let operation = change.config_operation;
    if operation == 1 {
        wanted.remove(name);
        return Ok(());
    }
    let Some(value) = &change.value else { return Err(no_value(name)) };
    if operation == 0 {
        wanted.insert(name.to_owned(), value.clone());
        return Ok(());
    }
    if !is_list(setting.kind) {
        let message = format!("`{name}` is no list: nothing is appended or taken away");
        return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
    }
    let words = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let mut list = words(wanted.get(name).map_or(setting.default, String::as_str));
    for word in words(value) {
        match operation {
            2 if list.contains(&word) => {}
            2 => list.push(word),
            3 => list.retain(|known| *known != word),
            other => {
                let message = format!("there is no operation {other}");
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
            }
        }
    }
    wanted.insert(name.to_owned(), list.join(","));
    Ok(())
}

#[cfg(test)]
mod tests {
    use common::topic_config;

    use super::*;

    fn applied(own: &[(&str, &str)], changes: &[(&str, i8, Option<&str>)]) -> Result<String, ErrorCode> {
        let mut wanted = own.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        for (name, config_operation, value) in changes {
            let value = value.map(str::to_owned);
            let change = AlterableConfig { name: (*name).into(), config_operation: *config_operation, value };
            let setting = topic_config::setting(name).unwrap();
            apply(&mut wanted, setting, &change).map_err(|refusal| refusal.code)?;
        }
        Ok(format!("{wanted:?}"))
    }

    #[test]
    fn lists_grow_and_shrink_and_nothing_is_in_them_twice() {
        let policy = "cleanup.policy";
        let compact = (policy, 2, Some("compact"));
        assert_eq!(applied(&[], &[compact]).unwrap(), r#"{"cleanup.policy": "delete,compact"}"#);
        assert_eq!(applied(&[], &[compact, compact]), applied(&[], &[compact]));
        let without = applied(&[], &[compact, (policy, 3, Some("delete"))]);
        assert_eq!(without.unwrap(), r#"{"cleanup.policy": "compact"}"#);
        assert_eq!(applied(&[("retention.ms", "5")], &[("retention.ms", 1, None)]).unwrap(), "{}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |operation, value| applied(&[], &[("retention.ms", operation, value)]);
        assert_eq!(refused(0, None), Err(ErrorCode::INVALID_REQUEST));
        assert_eq!(refused(2, Some("1")), Err(ErrorCode::INVALID_CONFIG));
    }
}
