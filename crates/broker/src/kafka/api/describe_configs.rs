//! DescribeConfigs (32), versions 1 to 4: every known setting of topics and of this broker, with its value and where that
//! comes from.
//!
//! A broker describes itself alone; clients ask each broker for its own. No setting is secret.

use std::sync::Arc;

use common::topic_config::{self, Setting};
use kafka_wire::{
    ErrorCode,
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs::{
            DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
            DescribeConfigsSynonym,
        },
    },
};

use super::{
    Call,
    configs::{BROKER, Source, type_code},
    create_topics::Refusal,
};

pub(super) async fn handle(call: Arc<Call>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let describe = |resource: &DescribeConfigsResource| {
        let described = describe(&call, resource).map(|mut configs| {
            for config in &mut configs {
                if !request.include_synonyms {
                    config.synonyms = Vec::new();
                }
                if !request.include_documentation {
                    config.documentation = None;
                }
            }
            configs
        });
        let (error_code, error_message, configs) = match described {
            Ok(configs) => (ErrorCode::NONE, None, configs),
            Err(refusal) => (refusal.code, Some(refusal.message), Vec::new()),
        };
        DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
        }
    };
    let results = request.resources.iter().map(describe).collect();
    DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() }
}

fn describe(
    call: &Call,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let is_wanted = |setting: &&Setting| match &resource.configuration_keys {
        Some(names) => names.iter().any(|name| name == setting.name),
        None => true,
    };
    if resource.resource_type == BROKER {
        let own = call.server.settings.broker_id.to_string();
        if resource.resource_name != own && !resource.resource_name.is_empty() {
            let message = format!("broker {own} was asked about broker `{}`", resource.resource_name);
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        let config = &call.server.settings.config;
        let value = |setting: &Setting| match config.own(setting.name) {
            Some(own) => described(setting, own, Source::Static, true),
            None => described(setting, setting.default, Source::Default, true),
        };
        return Ok(crate::broker_config::SETTINGS.iter().filter(is_wanted).map(value).collect());
    }
    let topic = call.server.configured_topic(resource.resource_type, &resource.resource_name)?;
    let value = |setting: &Setting| match topic.configs.get(setting.name) {
        Some(own) => described(setting, own, Source::Topic, false),
        None if setting.name == MIN_INSYNC_REPLICAS => {
            let in_force =
                topic.config().min_insync_replicas(usize::from(topic.replication_factor.unsigned_abs()));
            described(setting, &in_force.to_string(), Source::Default, false)
        }
        None => described(setting, setting.default, Source::Default, false),
    };
    Ok(topic_config::SETTINGS.iter().filter(is_wanted).map(value).collect())
}

/// Its default depends on the topic.
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

fn described(
    setting: &Setting,
    value: &str,
    source: Source,
    read_only: bool,
) -> DescribeConfigsResourceResult {
    let synonym = |value: &str, source: Source| DescribeConfigsSynonym {
        name: setting.name.to_owned(),
        value: Some(value.to_owned()),
        source: source.code(),
    };
    let mut synonyms = vec![synonym(value, source)];
    if source != Source::Default {
        synonyms.push(synonym(setting.default, Source::Default));
    }
    DescribeConfigsResourceResult {
        name: setting.name.to_owned(),
        value: Some(value.to_owned()),
        read_only,
        config_source: source.code(),
        is_sensitive: false,
        synonyms,
        config_type: type_code(setting.kind),
        documentation: Some(setting.doc.to_owned()),
    }
}
