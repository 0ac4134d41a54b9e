//! Requests made at random from the OpenAPI document: no answer is a 5xx, and every answer is one that the document
//! describes. The long form, which also tries what only a schema library thinks of, is `scripts/fuzz-rest.sh`.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::TestRunner,
};
use serde_json::{Value, json};

use super::harness::TestNode;
use crate::http::document;

/// Requests per operation.
const CASES: usize = 40;

/// What stands in the variable parts of paths and queries: things that exist, things that do not, and nonsense.
const WORDS: [&str; 14] = [
    "orders",
    "none",
    "101",
    "1",
    "0",
    "-1",
    "7",
    "99999999999999999999",
    "true",
    "x",
    "%00",
    "%FF",
    "a%2Fb",
    "..",
];

/// All names of fields that requests and answers have.
fn field_names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| field_names(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| field_names(value, found)),
        _ => {}
    }
}

/// JSON of any shape, with names of fields that mean something.
fn any_json(names: Vec<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(vec![-1_i64, 0, 1, 2, 3, 101, 10_001, i64::MAX, i64::MIN]).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(WORDS.to_vec()).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("5b2d6c5e-6a3e-4c0e-8d8e-2f6b7f0a9c11")),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(select(names.clone()), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Half of a body that would be right, so that requests get further than the first check.
fn seeds() -> Vec<Value> {
    vec![
        json!({"topicName": "fuzz", "numPartitions": 1, "replicationFactor": 1}),
        json!({"brokerId": 101, "host": "h", "port": 1, "incarnationId": "5b2d6c5e-6a3e-4c0e-8d8e-2f6b7f0a9c11"}),
        json!({"brokerId": 101, "brokerEpoch": 1, "changes": []}),
        json!({"suspect": 101, "reporter": 1, "reason": "x"}),
        json!({"nodeId": 4, "url": "http://127.0.0.1:1"}),
        json!({}),
    ]
}

struct Generator {
    runner: TestRunner,
    bodies: BoxedStrategy<Value>,
}

impl Generator {
    fn new(document: &Value) -> Self {
        let mut names = BTreeSet::new();
        field_names(document, &mut names);
        Self { runner: TestRunner::deterministic(), bodies: any_json(names.into_iter().collect()).boxed() }
    }

    fn draw<T: std::fmt::Debug>(&mut self, strategy: impl Strategy<Value = T>) -> T {
        strategy.new_tree(&mut self.runner).unwrap().current()
    }

    fn word(&mut self) -> &'static str {
        self.draw(select(WORDS.to_vec()))
    }

    /// A path, with a query in every other case.
    fn uri(&mut self, template: &str, operation: &Value) -> String {
        let mut uri = String::new();
        for part in template.split('/').skip(1) {
            uri.push('/');
            uri.push_str(if part.starts_with('{') { self.word() } else { part });
        }
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
            if self.draw(any::<bool>()) {
                uri.push(if uri.contains('?') { '&' } else { '?' });
                uri.push_str(parameter["name"].as_str().unwrap());
                uri.push('=');
                uri.push_str(self.word());
            }
        }
        uri
    }

    fn body(&mut self) -> Value {
        let bodies = self.bodies.clone();
        let drawn = self.draw(bodies);
        let mut seed = self.draw(select(seeds()));
        match (self.draw(0..3_u8), drawn) {
            (0, _) => seed,
            (1, Value::Object(fields)) => {
                seed.as_object_mut().unwrap().extend(fields);
                seed
            }
            (_, drawn) => drawn,
        }
    }
}

#[tokio::test]
async fn no_request_is_answered_with_a_5xx_or_with_something_undescribed() {
    let node = TestNode::leading().await;
    node.register(101, 1).await;
    let orders = json!({"topicName": "orders", "numPartitions": 3, "replicationFactor": 1});
    node.post("/api/v1/metadata/topics", &orders).await.expect(201);
    let document = serde_json::to_value(document()).unwrap();
    let mut generator = Generator::new(&document);
    for (template, operations) in document["paths"].as_object().unwrap() {
        // Served by the runtime, and not in this router.
        if template == http_api::paths::LIVEZ {
            continue;
        }
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            for _ in 0..CASES {
                let uri = generator.uri(template, operation);
                let body = match operation.get("requestBody") {
                    Some(_) => generator.body().to_string(),
                    None => String::new(),
                };
                let request = Request::builder().method(method.clone()).uri(&uri);
                let reply = node.send(request.body(Body::from(body.clone())).unwrap()).await;
                let status = reply.status.as_u16();
                assert!(status < 500, "{method} {uri} {body}: {reply:?}");
                if status >= 400 {
                    assert_eq!(reply.problem().status, status, "{method} {uri} {body}");
                }
                // `..` or an encoded slash may lead to another path, or to none.
                let elsewhere = matches!(status, 404 | 405);
                let described = operation["responses"].get(status.to_string()).is_some();
                assert!(described || elsewhere, "{method} {uri} {body}: {status} is not described");
            }
        }
    }
}
