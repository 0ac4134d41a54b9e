//! The description and the routes are one table; here it is held against the paths that clients use.

use std::collections::BTreeSet;

use http_api::paths;
use serde_json::Value;

use crate::http::document;

/// Every path of the metadata nodes' API. The RPCs between nodes are no part of it.
const PATHS: [&str; 29] = [
    paths::CONTROLLER,
    paths::CLUSTER,
    paths::TOPICS,
    paths::TOPIC,
    paths::PARTITION_LEADER,
    paths::BROKERS,
    paths::BROKER,
    paths::CONFIGS_OF_BROKER,
    paths::BROKER_CONFIGS,
    paths::CONFIGS_OF_GROUP,
    paths::GROUP_CONFIGS,
    paths::HEARTBEAT,
    paths::ISR,
    paths::SUSPICIONS,
    paths::ELECTIONS,
    paths::PRODUCER_IDS,
    paths::INTERNAL_TOPICS,
    paths::FEATURES,
    paths::REASSIGNMENTS,
    paths::HISTORY,
    paths::RAFT_STATUS,
    paths::RAFT_LOG,
    paths::RAFT_MEMBERS,
    paths::RAFT_MEMBER,
    paths::RAFT_TRANSFER_LEADER,
    paths::LIVEZ,
    paths::READYZ,
    paths::METRICS,
    paths::OPENAPI,
];

#[test]
fn every_path_is_described_and_no_other() {
    let document = serde_json::to_value(document()).unwrap();
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, PATHS.into_iter().collect());
}

#[test]
fn operations_have_ids_of_their_own_and_say_what_they_answer() {
    let document = serde_json::to_value(document()).unwrap();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            let success =
                operation["responses"].as_object().unwrap().keys().any(|code| code.starts_with('2'));
            assert!(success, "{method} {path} does not say what it answers");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    found.insert(reference);
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(document()).unwrap();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_field_is_camel_case_as_serde_writes_it() {
    fn check(value: &Value) {
        match value {
            Value::Object(map) => {
                for name in
                    map.get("properties").and_then(Value::as_object).into_iter().flat_map(|p| p.keys())
                {
                    assert!(!name.contains('_'), "{name}: utoipa and serde disagree");
                }
                map.values().for_each(check);
            }
            Value::Array(values) => values.iter().for_each(check),
            _ => {}
        }
    }
    check(&serde_json::to_value(document()).unwrap()["components"]);
}
