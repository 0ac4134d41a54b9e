//! DescribeConfigs (32), versions 1 to 4: every known setting of topics and of this broker, with its value and where that
//! comes from.
//!
//! A broker describes itself alone, and what is kept for all brokers; clients ask each broker for its own. Synonyms are the
//! values that a setting has elsewhere: a topic's, then what the controllers keep for this broker and for all, what it was
//! started with, the default. No setting is secret.

use std::sync::Arc;

use common::{
    broker_config::{self, Change},
    topic_config::{self, Setting},
};
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
    configs::{Resource, Source, Value, type_code},
    create_topics::Refusal,
};
use crate::broker_config::Layer;

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
    let is_wanted = |name: &str| match &resource.configuration_keys {
        Some(names) => names.iter().any(|wanted| wanted == name),
        None => true,
    };
    let server = &call.server;
    match server.resource(resource.resource_type, &resource.resource_name)? {
        Resource::Topic(topic) => {
            let values = |setting| server.topic_values(&topic.configs, topic.replication_factor, setting);
            let settings = topic_config::SETTINGS.iter().filter(|setting| is_wanted(setting.name));
            Ok(settings.map(|setting| described(setting, values(setting), false)).collect())
        }
        Resource::Brokers(None) => {
            let kept = server.own_configs(&Resource::Brokers(None));
            let known = broker_config::settings().iter().filter(|it| is_wanted(it.setting.name));
            let set = known.filter_map(|it| Some((it, kept.get(it.setting.name)?)));
            Ok(set.map(|(it, value)| of_all_brokers(&it.setting, value)).collect())
        }
        Resource::Brokers(Some(id)) if id == server.settings.broker_id => {
            let settings = broker_config::settings().iter().filter(|it| is_wanted(it.setting.name));
            let all = settings
                .map(|it| described(&it.setting, server.broker_values(it), it.change == Change::AtStart));
            Ok(all.collect())
        }
        Resource::Brokers(Some(id)) => {
            let own = server.settings.broker_id;
            let message = format!("broker {own} was asked about broker {id}");
            Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
        }
    }
}

/// A setting that is kept for all brokers.
fn of_all_brokers(setting: &'static Setting, value: &str) -> DescribeConfigsResourceResult {
    let values = [(value, Layer::Cluster), (setting.default, Layer::Default)];
    let values = values.map(|(value, layer)| Value {
        name: setting.name,
        value: value.to_owned(),
        source: Source::Broker(layer),
    });
    described(setting, values.into(), false)
}

/// A setting with all its values, of which the first is in force.
fn described(setting: &Setting, values: Vec<Value>, read_only: bool) -> DescribeConfigsResourceResult {
    let in_force = values.first();
    DescribeConfigsResourceResult {
        name: setting.name.to_owned(),
        value: in_force.map(|it| it.value.clone()),
        read_only,
        config_source: in_force.map_or(Source::DEFAULT, |it| it.source).code(),
        is_sensitive: false,
        config_type: type_code(setting.kind),
        documentation: Some(setting.doc.to_owned()),
        synonyms: values.into_iter().map(synonym).collect(),
    }
}

fn synonym(value: Value) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym {
        name: value.name.to_owned(),
        value: Some(value.value),
        source: value.source.code(),
    }
}
