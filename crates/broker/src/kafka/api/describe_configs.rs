//! DescribeConfigs (32), versions 1 to 4: every known setting of topics, of groups and of this broker, with its value and where
//! that comes from.
//!
//! A broker describes itself alone, and what is kept for all brokers; clients ask each broker for its own. Synonyms are the
//! values that a setting has elsewhere: a topic's, then what the controllers keep for this broker and for all, what it was
//! started with, the default. A rate that nobody set is not told. Of a group, clients ask any broker, and hear the defaults that this one has. No setting is secret. Of itself a broker also tells what it is, by the names that Kafka has for
//! it: facts that no request changes.

use std::sync::Arc;

use common::{
    Broker,
    broker_config::{self, Change},
    group_config,
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
    configs::{INT, LIST, Resource, STRING, Source, Value, type_code},
    create_topics::Refusal,
};
use crate::{
    broker_config::Layer,
    kafka::{KafkaSettings, Server},
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
        Resource::Group(id) => {
            let own = server.own_configs(&Resource::Group(id));
            let settings = group_config::SETTINGS.iter().filter(|it| is_wanted(it.setting.name));
            Ok(settings.map(|it| described(&it.setting, server.group_values(&own, it), false)).collect())
        }
        Resource::Brokers(None) => {
            let kept = server.own_configs(&Resource::Brokers(None));
            let known = broker_config::settings().iter().filter(|it| is_wanted(it.setting.name));
            let set = known.filter_map(|it| Some((it, kept.get(it.setting.name)?)));
            Ok(set.map(|(it, value)| of_all_brokers(&it.setting, value)).collect())
        }
        Resource::Brokers(Some(id)) if id == server.settings.broker_id => {
            let settings = broker_config::settings().iter().filter(|it| is_wanted(it.setting.name));
            let told = settings.filter_map(|it| {
                let mut values = server.broker_values(it);
                if it.is_told_only_if_set() {
                    values.retain(|value| value.source != Source::DEFAULT);
                }
                (!values.is_empty()).then(|| described(&it.setting, values, it.change == Change::AtStart))
            });
            Ok(told.chain(facts(server).into_iter().filter(|fact| is_wanted(&fact.name))).collect())
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

/// What this broker is.
fn facts(server: &Server) -> Vec<DescribeConfigsResourceResult> {
    let KafkaSettings { broker_id, data_dir, .. } = &server.settings;
    let (rack, listener) = server.image.read(|state| {
        let registered = state.broker(*broker_id);
        let listener = |broker: &Broker| Some(format!("PLAINTEXT://{}:{}", broker.host, broker.kafka_port?));
        (registered.and_then(|broker| broker.rack.clone()), registered.and_then(listener))
    });
    let id = Some(broker_id.to_string());
    let facts = [
        ("advertised.listeners", LIST, "Where clients reach this broker.", listener),
        ("broker.id", INT, "The id of this broker.", id.clone()),
        ("broker.rack", STRING, "The failure domain that this broker is in.", rack),
        ("log.dirs", LIST, "Where the replicas of this broker are.", Some(data_dir.display().to_string())),
        ("node.id", INT, "The id of this broker.", id),
    ];
    let known = facts.into_iter().filter_map(|(name, kind, doc, value)| Some((name, kind, doc, value?)));
    known.map(|(name, kind, doc, value)| fact(name, kind, doc, value)).collect()
}

fn fact(
    name: &'static str,
    config_type: i8,
    doc: &'static str,
    value: String,
) -> DescribeConfigsResourceResult {
    let value = Value { name, value, source: Source::Broker(Layer::Static) };
    DescribeConfigsResourceResult {
        name: name.to_owned(),
        value: Some(value.value.clone()),
        read_only: true,
        config_source: value.source.code(),
        is_sensitive: false,
        config_type,
        documentation: Some(doc.to_owned()),
        synonyms: vec![synonym(value)],
    }
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
