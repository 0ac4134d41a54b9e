//! Wrong input of every kind: a clear problem, never a 5xx, and nothing changed.

use axum::{
    body::Body,
    http::{Method, Request},
};
use http_api::{ErrorCode, ErrorCode::*};
use serde_json::{Value, json};

use super::super::router::BODY_BYTES_MAX;
use super::harness::TestNode;

const TOPICS: &str = "/api/v1/metadata/topics";
const BROKERS: &str = "/api/v1/metadata/brokers";
const UUID: &str = "5b2d6c5e-6a3e-4c0e-8d8e-2f6b7f0a9c11";

/// Requests about topics with a JSON body, and the problem they get.
fn topics() -> Vec<(Method, &'static str, Value, ErrorCode)> {
    let topic = |name: &str| json!({"topicName": name, "numPartitions": 1, "replicationFactor": 1});
    let with = |field: &str, value: Value| {
        let mut topic = topic("t");
        topic[field] = value;
        topic
    };
    let post = Method::POST;
    vec![
        (post.clone(), TOPICS, json!([]), InvalidRequest),
        (post.clone(), TOPICS, json!(["t", 1, null, 1]), InvalidRequest),
        (post.clone(), TOPICS, json!("text"), InvalidRequest),
        (post.clone(), TOPICS, Value::Null, InvalidRequest),
        (post.clone(), TOPICS, json!({}), InvalidRequest),
        (post.clone(), TOPICS, json!({"topicName": "t"}), InvalidRequest),
        (post.clone(), TOPICS, json!({"topicName": "t", "numPartitions": 1}), InvalidRequest),
        (post.clone(), TOPICS, with("unknown", json!(1)), InvalidRequest),
        (post.clone(), TOPICS, with("numPartitions", json!("3")), InvalidRequest),
        (post.clone(), TOPICS, with("numPartitions", json!(1.5)), InvalidRequest),
        (post.clone(), TOPICS, with("partitionCount", json!(1)), InvalidRequest),
        (post.clone(), TOPICS, with("configs", json!({"retention.ms": 5})), InvalidRequest),
        (post.clone(), TOPICS, with("assignments", json!([["x"]])), InvalidRequest),
        (post.clone(), TOPICS, with("numPartitions", json!(0)), InvalidPartitions),
        (post.clone(), TOPICS, with("numPartitions", json!(-1)), InvalidPartitions),
        (post.clone(), TOPICS, with("numPartitions", json!(10_001)), InvalidPartitions),
        (post.clone(), TOPICS, with("numPartitions", json!(5_000_000_000_u64)), InvalidPartitions),
        (post.clone(), TOPICS, with("replicationFactor", json!(0)), InvalidReplicationFactor),
        (post.clone(), TOPICS, with("replicationFactor", json!(-1)), InvalidReplicationFactor),
        (post.clone(), TOPICS, with("replicationFactor", json!(2)), InvalidReplicationFactor),
        (post.clone(), TOPICS, with("replicationFactor", json!(70_000)), InvalidReplicationFactor),
        (post.clone(), TOPICS, topic(""), InvalidTopicName),
        (post.clone(), TOPICS, topic(".."), InvalidTopicName),
        (post.clone(), TOPICS, topic("a/b"), InvalidTopicName),
        (post.clone(), TOPICS, topic("ünicode"), InvalidTopicName),
        (post.clone(), TOPICS, topic("nul\0"), InvalidTopicName),
        (post.clone(), TOPICS, topic(&"x".repeat(250)), InvalidTopicName),
        (post.clone(), TOPICS, topic("__consumer_offsets"), InternalTopic),
        (post.clone(), TOPICS, topic("__cluster_metadata"), InternalTopic),
        (post.clone(), TOPICS, with("configs", json!({"no.such": "1"})), InvalidConfig),
        (post.clone(), TOPICS, with("configs", json!({"retention.ms": "soon"})), InvalidConfig),
        (post.clone(), TOPICS, with("configs", json!({"retention.ms": "1\u{0}"})), InvalidConfig),
        (post.clone(), TOPICS, json!({"topicName": "t", "assignments": [[101, 101]]}), InvalidAssignment),
        (post.clone(), TOPICS, json!({"topicName": "t", "assignments": [[]]}), InvalidAssignment),
        (post, TOPICS, json!({"topicName": "t", "assignments": [[999]]}), InvalidAssignment),
        (Method::PATCH, "/api/v1/metadata/topics/none", json!({"numPartitions": 2}), UnknownTopic),
        (Method::PATCH, "/api/v1/metadata/topics/a%2Fb", json!({}), UnknownTopic),
        (Method::PATCH, "/api/v1/metadata/topics/%FF", json!({}), InvalidParameter),
        (Method::PATCH, "/api/v1/metadata/topics/here", json!({"numPartitions": 0}), InvalidPartitions),
        (Method::PATCH, "/api/v1/metadata/topics/here", json!({"configs": {"no.such": null}}), InvalidConfig),
        (Method::PATCH, "/api/v1/metadata/topics/here", json!({"configs": null}), InvalidRequest),
    ]
}

/// The same for everything but topics.
fn further() -> Vec<(Method, &'static str, Value, ErrorCode)> {
    let broker = |field: &str, value: Value| {
        let mut broker = json!({"brokerId": 7, "host": "h", "port": 1, "incarnationId": UUID});
        broker[field] = value;
        broker
    };
    let internal = |broker: i32, epoch: i64| {
        json!({"brokerId": broker, "brokerEpoch": epoch, "topicName": "__consumer_offsets", "numPartitions": 1,
            "replicationFactor": 1})
    };
    let post = Method::POST;
    vec![
        (post.clone(), BROKERS, json!({}), InvalidRequest),
        (post.clone(), BROKERS, broker("port", json!(65_536)), InvalidRequest),
        (post.clone(), BROKERS, broker("port", json!(0)), InvalidRegistration),
        (post.clone(), BROKERS, broker("host", json!("")), InvalidRegistration),
        (post.clone(), BROKERS, broker("host", json!("a b")), InvalidRegistration),
        (post.clone(), BROKERS, broker("host", json!("h\0")), InvalidRegistration),
        (post.clone(), BROKERS, broker("rack", json!("r\0")), InvalidRegistration),
        (post.clone(), BROKERS, broker("brokerId", json!(-1)), InvalidRegistration),
        (post.clone(), BROKERS, broker("incarnationId", json!("x")), InvalidRequest),
        (post.clone(), "/api/v1/metadata/heartbeat/101", json!({}), InvalidRequest),
        (post.clone(), "/api/v1/metadata/heartbeat/101", json!({"brokerEpoch": "1"}), InvalidRequest),
        (post.clone(), "/api/v1/metadata/heartbeat/101", json!({"brokerEpoch": 1, "x": 1}), InvalidRequest),
        (post.clone(), "/api/v1/metadata/heartbeat/abc", json!({"brokerEpoch": 1}), InvalidParameter),
        (post.clone(), "/api/v1/metadata/heartbeat/9999999999", json!({"brokerEpoch": 1}), InvalidParameter),
        (post.clone(), "/api/v1/metadata/heartbeat/999", json!({"brokerEpoch": 1}), UnknownBroker),
        (post.clone(), "/api/v1/metadata/isr", json!({"brokerId": 1}), InvalidRequest),
        (
            post.clone(),
            "/api/v1/metadata/isr",
            json!({"brokerId": 999, "brokerEpoch": 1, "changes": []}),
            UnknownBroker,
        ),
        (
            post.clone(),
            "/api/v1/metadata/suspicions",
            json!({"suspect": 999, "reporter": 1, "reason": "x"}),
            UnknownBroker,
        ),
        (post.clone(), "/api/v1/metadata/suspicions", json!({"suspect": "x"}), InvalidRequest),
        (
            post.clone(),
            "/api/v1/metadata/elections",
            json!({"partitions": [{"topicName": "none", "partition": 0}]}),
            UnknownTopic,
        ),
        (
            post.clone(),
            "/api/v1/metadata/elections",
            json!({"partitions": [{"topicName": "a/b", "partition": 0}]}),
            InvalidRequest,
        ),
        (
            post.clone(),
            "/api/v1/metadata/producer-ids",
            json!({"brokerId": 999, "brokerEpoch": 1}),
            UnknownBroker,
        ),
        (post.clone(), "/api/v1/metadata/internal-topics", internal(999, 1), UnknownBroker),
        (post.clone(), "/api/v1/metadata/internal-topics", internal(101, 987_654), StaleBrokerEpoch),
        (post.clone(), "/api/v1/metadata/internal-topics", json!({"brokerId": 101}), InvalidRequest),
        (post.clone(), "/api/v1/metadata/features", json!({"level": 0}), InvalidFeatureLevel),
        (post, "/api/v1/metadata/features", json!({"level": 70_000}), InvalidRequest),
    ]
}

/// The same for the quorum.
fn quorum() -> Vec<(Method, &'static str, Value, ErrorCode)> {
    let post = Method::POST;
    vec![
        (post.clone(), "/api/v1/raft/members", json!({"nodeId": 4, "url": "nonsense"}), InvalidRequest),
        (post.clone(), "/api/v1/raft/members", json!({"nodeId": 4, "url": "http://a b"}), InvalidRequest),
        (
            post.clone(),
            "/api/v1/raft/members",
            json!({"nodeId": 1, "url": "http://localhost:1"}),
            InvalidMembership,
        ),
        (post, "/api/v1/raft/transfer-leader", json!({"nodeId": 9}), UnknownNode),
        (Method::DELETE, "/api/v1/raft/members/9", Value::Null, UnknownNode),
        (Method::DELETE, "/api/v1/raft/members/1", Value::Null, InvalidMembership),
        (Method::DELETE, "/api/v1/raft/members/x", Value::Null, InvalidParameter),
        (Method::DELETE, "/api/v1/metadata/brokers/999", Value::Null, UnknownBroker),
        (Method::DELETE, "/api/v1/metadata/topics/none", Value::Null, UnknownTopic),
    ]
}

/// `GET` requests and the problem they get.
const READS: &[(&str, ErrorCode)] = &[
    ("/", NotFound),
    ("/api/v1/metadata", NotFound),
    ("/api/v1/metadata/topics/", NotFound),
    ("/api/v1/metadata/controller?x=1", InvalidParameter),
    ("/api/v1/metadata/cluster?since=-1", InvalidParameter),
    ("/api/v1/metadata/cluster?since=x", InvalidParameter),
    ("/api/v1/metadata/cluster?since=1&since=2", InvalidParameter),
    ("/api/v1/metadata/cluster?consistency=strong", InvalidParameter),
    ("/api/v1/metadata/topics?x", InvalidParameter),
    ("/api/v1/metadata/topics/none", UnknownTopic),
    ("/api/v1/metadata/topics/%FF", InvalidParameter),
    ("/api/v1/metadata/topics/%00", UnknownTopic),
    ("/api/v1/metadata/topics/here/partitions/x/leader", InvalidParameter),
    ("/api/v1/metadata/topics/here/partitions/99999999999/leader", InvalidParameter),
    ("/api/v1/metadata/brokers/x", InvalidParameter),
    ("/api/v1/metadata/brokers/-7", UnknownBroker),
    ("/api/v1/metadata/history?limit=0", InvalidParameter),
    ("/api/v1/metadata/history?limit=1001", InvalidParameter),
    ("/api/v1/metadata/history?topic=a%00b", InvalidParameter),
    ("/api/v1/metadata/history?broker=x", InvalidParameter),
    ("/api/v1/raft/log?from=-1", InvalidParameter),
    ("/api/v1/raft/log?limit=100000", InvalidParameter),
    ("/readyz?verbose=perhaps", InvalidParameter),
    ("/readyz?loud", InvalidParameter),
];

async fn with_a_topic() -> TestNode {
    let node = TestNode::leading().await;
    node.register(101, 1).await;
    node.post(TOPICS, &json!({"topicName": "here", "numPartitions": 1, "replicationFactor": 1}))
        .await
        .expect(201);
    node
}

#[tokio::test]
async fn every_wrong_write_is_a_problem_and_changes_nothing() {
    let node = with_a_topic().await;
    let version = node.consensus.read(metadata_core::State::version);
    for (method, path, body, code) in topics().into_iter().chain(further()).chain(quorum()) {
        let reply = node.call(method.clone(), path, &body).await;
        assert_eq!(reply.json()["code"], code.to_string(), "{method} {path} {body}: {reply:?}");
        reply.problem();
        assert_eq!(reply.status.as_u16(), code.status(), "{method} {path} {body}");
        assert!(reply.status.as_u16() < 500, "{method} {path} {body}");
        assert_eq!(node.consensus.read(metadata_core::State::version), version, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn every_wrong_read_is_a_problem() {
    let node = with_a_topic().await;
    for (path, code) in READS {
        let reply = node.get(path).await;
        assert_eq!(reply.problem().code, *code, "{path}: {reply:?}");
        assert_eq!(reply.status.as_u16(), code.status(), "{path}");
    }
    let far = format!("{}?since={}", "/api/v1/metadata/cluster", u64::MAX);
    assert_eq!(node.get(&far).await.expect(200)["deltas"], json!([]));
    assert_eq!(node.get(&format!("/api/v1/raft/log?from={}", u64::MAX)).await.expect(200), json!([]));
    assert_eq!(
        node.get(&format!("/api/v1/metadata/history?since={}", u64::MAX)).await.expect(200),
        json!([])
    );
}

#[tokio::test]
async fn problems_name_the_field_the_value_and_what_would_be_right() {
    let node = with_a_topic().await;
    let body =
        json!({"topicName": "t", "numPartitions": 1, "replicationFactor": 1, "assignments": [[101], ["x"]]});
    let problem = node.post(TOPICS, &body).await.is(InvalidRequest);
    assert_eq!(problem.fields["field"], "assignments[1][0]");
    assert_eq!(problem.fields["value"], "x");
    assert!(problem.detail.contains("expected i32"), "{}", problem.detail);

    let problem = node.post(TOPICS, &json!({"topicNaem": "t"})).await.is(InvalidRequest);
    assert_eq!(problem.fields["field"], "topicNaem");
    assert!(problem.detail.contains("`topicName`"), "{}", problem.detail);

    let body = json!({"topicName": "t", "numPartitions": 10_001, "replicationFactor": 1});
    let problem = node.post(TOPICS, &body).await.is(InvalidPartitions);
    assert!(problem.detail.contains("10001") && problem.detail.contains("10000"), "{}", problem.detail);

    let problem = node.get("/api/v1/metadata/history?limit=5000").await.is(InvalidParameter);
    assert_eq!((&problem.fields["value"], &problem.fields["bound"]), (&json!(5000), &json!(1000)));

    let problem = node.get("/api/v1/metadata/cluster?since=x").await.is(InvalidParameter);
    assert_eq!((&problem.fields["parameter"], &problem.fields["value"]), (&json!("since"), &json!("x")));

    let problem = node.get("/api/v1/topics/orders/records").await.is(NotFound);
    assert!(problem.detail.contains("brokers answer it"), "{}", problem.detail);
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    let node = with_a_topic().await;
    let post = |content_type: &'static str, body: &'static str| {
        let request = Request::post(TOPICS).header("content-type", content_type);
        node.send(request.body(Body::from(body)).unwrap())
    };
    let problem = post("application/json", "{\"topicName\": ").await.is(InvalidRequest);
    assert_eq!((&problem.fields["line"], &problem.fields["column"]), (&json!(1), &json!(14)));
    post("application/json", "").await.is(InvalidRequest);
    post("application/json", "{} {}").await.is(InvalidRequest);
    post("application/json", "{\"a\":1,\"a\":2}").await.is(InvalidRequest);
    post("text/plain", "topicName=t").await.is(UnsupportedMediaType);
    // What `curl -d` says of its JSON, and what no client should be punished for.
    let body = r#"{"topicName": "c", "numPartitions": 1, "replicationFactor": 1}"#;
    post("application/x-www-form-urlencoded", body).await.expect(201);
    let deep = "[".repeat(100_000);
    let request = Request::post(TOPICS).body(Body::from(deep)).unwrap();
    node.send(request).await.is(InvalidRequest);
    let request = Request::post(TOPICS).body(Body::from(vec![0xFF, 0xFE])).unwrap();
    node.send(request).await.is(InvalidRequest);
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let node = with_a_topic().await;
    let large = format!("\"{}\"", "x".repeat(BODY_BYTES_MAX));
    let problem = node.send(Request::post(TOPICS).body(Body::from(large)).unwrap()).await.is(PayloadTooLarge);
    assert_eq!(problem.fields["bound"], BODY_BYTES_MAX);
}

#[tokio::test]
async fn wrong_methods_name_the_right_ones() {
    let node = TestNode::leading().await;
    for (method, path, allow) in [
        (Method::PUT, TOPICS, "GET,HEAD,POST"),
        (Method::DELETE, "/api/v1/metadata/controller", "GET,HEAD"),
        (Method::GET, "/api/v1/metadata/heartbeat/1", "POST"),
        (Method::POST, "/metrics", "GET,HEAD"),
        (Method::GET, "/api/v1/raft/append-entries", "POST"),
    ] {
        let reply = node.bare(method, path).await;
        reply.is(MethodNotAllowed);
        let mut allowed: Vec<_> = reply.header("allow").unwrap().split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{path}");
    }
}

#[tokio::test]
async fn requests_for_another_cluster_are_refused() {
    let node = TestNode::leading().await;
    let get = |cluster: &'static str| {
        let request = Request::get("/api/v1/metadata/controller").header("x-cluster-id", cluster);
        node.send(request.body(Body::empty()).unwrap())
    };
    get("test").await.expect(200);
    let problem = get("other").await.is(WrongCluster);
    assert_eq!((&problem.fields["value"], &problem.fields["clusterId"]), (&json!("other"), &json!("test")));
}
