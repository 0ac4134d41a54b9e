//! The REST API of a broker: whatever comes in, the answer is what the description says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic like the tests")]

mod support;

use bytes::Bytes;
use client::{HttpClient, HttpRequest, Reply};
use http::{HeaderName, HeaderValue, Method};
use http_api::{ErrorCode, Problem, UpdateType, paths};
use serde_json::{Value, json};
use support::{BrokerFixture, Quorum, send_push};
use tempfile::TempDir;

/// A broker that has not found a quorum.
async fn alone() -> (TempDir, BrokerFixture) {
    let dir = tempfile::tempdir().unwrap();
    let settings = BrokerFixture::settings(vec!["http://127.0.0.1:1".into()], dir.path());
    (dir, BrokerFixture::start(settings).await)
}

async fn send(broker: &BrokerFixture, method: Method, path: &str, body: Option<Vec<u8>>) -> Reply {
    let mut request = HttpRequest::new(method, format!("{}{path}", broker.url()));
    request.body = body.map(Bytes::from);
    HttpClient::default().send(request).await.unwrap()
}

async fn push(broker: &BrokerFixture, body: &Value) -> Reply {
    send(broker, Method::POST, paths::STORAGE_METADATA, Some(body.to_string().into_bytes())).await
}

fn problem(reply: &Reply) -> Problem {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem: Problem = reply.json().unwrap();
    assert_eq!(problem.status, reply.status.as_u16());
    assert_eq!(problem.status, problem.code.status());
    problem
}

fn a_push() -> Value {
    json!({
        "updateType": "CONTROLLER_CHANGED", "version": 1, "controllerId": 1,
        "controllerUrl": "http://127.0.0.1:1", "controllerTerm": 1, "timestamp": 1,
    })
}

#[tokio::test]
async fn bad_pushes_are_refused_by_field_and_change_nothing() {
    let (_dir, broker) = alone().await;
    let with = |field: &str, value: Value| {
        let mut push = a_push();
        push[field] = value;
        push
    };
    let mut lacking = a_push();
    lacking.as_object_mut().unwrap().remove("version");
    for (body, named) in [
        (with("unknown", json!(1)), "unknown"),
        (with("updateType", json!("SOMETHING")), "updateType"),
        (with("version", json!(-1)), "version"),
        (with("version", json!("1")), "version"),
        (with("version", json!(1.5)), "version"),
        (with("version", json!(1e30)), "version"),
        (with("controllerTerm", json!(null)), "controllerTerm"),
        (with("controllerId", json!([])), "controllerId"),
        (with("controllerUrl", json!("ftp://x")), "controllerUrl"),
        (with("controllerUrl", json!("")), "controllerUrl"),
        (with("controllerUrl", json!(format!("http://{}", "x".repeat(600)))), "controllerUrl"),
        (with("controllerUrl", json!("http://a b")), "controllerUrl"),
        (lacking, "version"),
        (json!([]), "the body is a list; a JSON object is wanted"),
        (json!(null), "a JSON object is wanted"),
    ] {
        let reply = push(&broker, &body).await;
        let problem = problem(&reply);
        assert_eq!(problem.code, ErrorCode::InvalidRequest, "{body}");
        assert!(problem.detail.contains(named), "{body}: {}", problem.detail);
    }
    for bytes in [b"".to_vec(), b"{".to_vec(), b"\xff\xfe".to_vec(), b"{} {}".to_vec(), b"[[[[".repeat(999)] {
        let reply = send(&broker, Method::POST, paths::STORAGE_METADATA, Some(bytes)).await;
        assert_eq!(problem(&reply).code, ErrorCode::InvalidRequest);
    }
    assert_eq!(broker.link().controller, None);
}

#[tokio::test]
async fn large_bodies_wrong_paths_and_wrong_methods_are_refused() {
    let (_dir, broker) = alone().await;
    let large = send(&broker, Method::POST, paths::STORAGE_METADATA, Some(vec![b' '; 1 << 20])).await;
    assert_eq!(problem(&large).code, ErrorCode::PayloadTooLarge);
    assert_eq!(problem(&large).fields["bound"], 65_536);
    for path in ["/", "/api/v1/storage", "/api/v1/storage/metadata/", "/%00", "/api/v1/storage/../x"] {
        let reply = send(&broker, Method::GET, path, None).await;
        assert_eq!(problem(&reply).code, ErrorCode::NotFound, "{path}");
    }
    for (method, path) in [
        (Method::GET, paths::STORAGE_METADATA),
        (Method::DELETE, paths::STORAGE_STATUS),
        (Method::POST, paths::READYZ),
        (Method::PATCH, paths::METRICS),
        (Method::PUT, paths::OPENAPI),
        (Method::POST, paths::LIVEZ),
    ] {
        let reply = send(&broker, method.clone(), path, None).await;
        assert_eq!(problem(&reply).code, ErrorCode::MethodNotAllowed, "{method} {path}");
        assert!(reply.header("allow").is_some(), "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_for_another_cluster_is_refused() {
    let (_dir, broker) = alone().await;
    for (meant, is_refused) in [("test", false), ("other", true), ("\u{fc}", true)] {
        let mut request = HttpRequest::get(format!("{}{}", broker.url(), paths::STORAGE_STATUS));
        let value = HeaderValue::from_bytes(meant.as_bytes()).unwrap();
        request.headers.push((HeaderName::from_static("x-cluster-id"), value));
        let reply = HttpClient::default().send(request).await.unwrap();
        if is_refused {
            assert_eq!(problem(&reply).code, ErrorCode::WrongCluster);
        } else {
            assert_eq!(reply.status, 200);
        }
    }
}

#[tokio::test]
async fn health_tells_the_truth() {
    let (_dir, broker) = alone().await;
    let live: Value = broker.get("/livez").await.json().unwrap();
    assert_eq!((&live["alive"], &live["role"], &live["id"]), (&json!(true), &json!("BROKER"), &json!(101)));
    let reply = broker.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json::<Value>().unwrap(), json!({"ready": false}));
    let readiness = broker.readiness().await;
    let wrong: Vec<_> = readiness.checks.iter().filter(|check| !check.ok).map(|check| &check.name).collect();
    assert_eq!(wrong, ["controller", "registration", "heartbeat", "metadata", "replicas"]);

    let quorum = Quorum::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let broker = BrokerFixture::following(BrokerFixture::settings(quorum.urls(), dir.path())).await;
    assert_eq!(broker.get("/readyz").await.status, 200);
    quorum.stop(1).await;
    support::eventually("it notices", async || !broker.readiness().await.ready).await;
}

#[tokio::test]
async fn metrics_have_the_names_that_dashboards_know() {
    let quorum = Quorum::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let settings = BrokerFixture::settings_for_pushes(quorum.urls(), dir.path());
    let broker = BrokerFixture::following(settings).await;
    quorum.create_topic("orders", 2, &[101]);
    send_push(&broker, &quorum.push(UpdateType::MetadataChanged)).await;
    // The directories are there before they are counted, and before there are leaders.
    support::eventually("the replicas are counted", async || {
        let reply = broker.get(paths::METRICS).await;
        let text = std::str::from_utf8(&reply.body).unwrap();
        ["dmq_broker_replica_directories 2\n", "kafka_server_replicamanager_leadercount 2\n"]
            .iter()
            .all(|line| text.contains(line))
    })
    .await;
    let reply = broker.get(paths::METRICS).await;
    let text = std::str::from_utf8(&reply.body).unwrap();
    for line in [
        "kafka_server_replicamanager_partitioncount 2",
        "kafka_server_replicamanager_leadercount 2",
        "kafka_server_replicamanager_underreplicatedpartitions 0",
        "dmq_broker_following 1",
        "dmq_broker_replica_directories 2",
        "dmq_broker_metadata_lag 0",
        "dmq_broker_rediscoveries_total 0",
        "dmq_broker_metadata_pulls_total{kind=\"full\"} 1",
        "dmq_broker_metadata_pushes_total{applied=\"true\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("dmq_broker_heartbeat_duration_seconds_bucket"));
    assert!(text.contains("process_resident_memory_bytes"));
}

#[tokio::test]
async fn the_description_names_every_route() {
    let (_dir, broker) = alone().await;
    let description: Value = broker.get(paths::OPENAPI).await.json().unwrap();
    let described: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
    let routes = [
        paths::GROUPS,
        paths::GROUP,
        paths::GROUP_ACK,
        paths::GROUP_OFFSETS,
        paths::GROUP_POLL,
        paths::STORAGE_METADATA,
        paths::STORAGE_STATUS,
        paths::PARTITION_RECORDS,
        paths::RECORDS,
        paths::STREAM,
        paths::METRICS,
        paths::READYZ,
    ];
    assert_eq!(described, routes);
    assert!(description["components"]["schemas"]["MetadataPush"].is_object());
}
