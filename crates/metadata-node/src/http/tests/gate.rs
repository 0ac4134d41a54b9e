//! Nodes that do not lead: they say who does.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request},
};
use http_api::ErrorCode;
use serde_json::json;

use super::harness::{SESSION, TestNode, founders};

/// Three nodes with a leader that all of them know; the leader comes first.
async fn quorum() -> Vec<TestNode> {
    let founders = founders(3).await;
    let mut nodes = Vec::new();
    for id in 1..=3 {
        nodes.push(TestNode::start(id, &founders, SESSION).await);
    }
    nodes.iter().for_each(TestNode::admit);
    let leader = nodes[0]
        .eventually("a leader that all know", || {
            let leader = nodes.iter().position(|node| node.consensus.leader().is_self)?;
            let id = nodes[leader].consensus.node_id();
            nodes.iter().all(|node| node.consensus.leader().is(id)).then_some(leader)
        })
        .await;
    nodes.swap(0, leader);
    nodes
}

#[tokio::test]
async fn follower_names_the_leader_or_redirects() {
    let nodes = quorum().await;
    let (leader, follower) = (&nodes[0], &nodes[1]);
    let leader_id = leader.consensus.node_id().to_string();
    let writes = [
        (Method::POST, "/api/v1/metadata/topics"),
        (Method::PATCH, "/api/v1/metadata/topics/t"),
        (Method::DELETE, "/api/v1/metadata/topics/t"),
        (Method::POST, "/api/v1/metadata/brokers"),
        (Method::DELETE, "/api/v1/metadata/brokers/1"),
        (Method::POST, "/api/v1/metadata/heartbeat/1"),
        (Method::POST, "/api/v1/metadata/isr"),
        (Method::POST, "/api/v1/metadata/suspicions"),
        (Method::POST, "/api/v1/metadata/elections"),
        (Method::POST, "/api/v1/metadata/producer-ids"),
        (Method::POST, "/api/v1/metadata/internal-topics"),
        (Method::POST, "/api/v1/metadata/features"),
        (Method::POST, "/api/v1/raft/members"),
        (Method::DELETE, "/api/v1/raft/members/9"),
        (Method::POST, "/api/v1/raft/transfer-leader"),
    ];
    for (method, path) in writes {
        let reply = follower.bare(method.clone(), path).await;
        reply.is(ErrorCode::NotController);
        assert_eq!(reply.header("x-controller-leader"), Some(leader_id.as_str()), "{method} {path}");
        assert_eq!(reply.header("x-controller-url"), Some(leader.url.as_str()), "{method} {path}");
        assert_eq!(reply.header("retry-after"), None, "{method} {path}");

        let reply = follower.bare(method.clone(), &format!("{path}?redirect=true")).await;
        assert_eq!(reply.status, 307, "{method} {path}");
        let location = format!("{}{path}?redirect=true", leader.url);
        assert_eq!(reply.header("location"), Some(location.as_str()), "{method} {path}");
        assert_eq!(reply.header("x-controller-leader"), Some(leader_id.as_str()), "{method} {path}");
    }
}

#[tokio::test]
async fn what_the_leader_acknowledged_a_linearizable_read_of_a_follower_shows() {
    let nodes = quorum().await;
    nodes[0].register(101, 1).await;
    for n in 0..20 {
        let name = format!("t{n}");
        let topic = json!({"topicName": name, "numPartitions": 1, "replicationFactor": 1});
        nodes[0].post("/api/v1/metadata/topics", &topic).await.expect(201);
        let path = format!("/api/v1/metadata/topics/{name}?consistency=linearizable");
        nodes[1].get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn without_a_majority_reads_go_on_and_the_rest_says_so() {
    let mut nodes = quorum().await;
    nodes[0].register(101, 1).await;
    let alone = nodes.pop().unwrap();
    alone
        .eventually("the broker", || alone.consensus.read(|state| state.broker_count() == 1).then_some(()))
        .await;
    for node in &nodes {
        node.tasks.drain(Duration::from_secs(5)).await;
    }
    alone.eventually("no leader", || alone.consensus.leader().leader.is_none().then_some(())).await;
    let reply = alone.post("/api/v1/metadata/topics", &json!({})).await;
    reply.is(ErrorCode::NotController);
    assert_eq!(reply.header("x-controller-leader"), None);
    assert_eq!(reply.header("x-controller-url"), None);
    assert_eq!(reply.header("retry-after"), Some("1"));
    // With or without a wish to be redirected: there is nowhere to go.
    alone.post("/api/v1/metadata/topics?redirect=true", &json!({})).await.is(ErrorCode::NotController);

    alone.get("/api/v1/metadata/brokers/101").await.expect(200);
    assert_eq!(alone.get("/api/v1/metadata/cluster").await.expect(200)["controllerInfo"], json!(null));
    alone.get("/api/v1/metadata/controller").await.is(ErrorCode::NotController);
    alone.get("/api/v1/metadata/brokers?consistency=linearizable").await.is(ErrorCode::QuorumUnavailable);
    let ready = alone.get("/readyz?verbose").await.expect(503);
    assert_eq!((&ready["ready"], &ready["checks"][0]["ok"]), (&json!(false), &json!(false)));
    assert!(ready["checks"][0]["detail"].as_str().unwrap().contains("no leader is known"));
}

#[tokio::test]
async fn the_leader_tells_when_members_were_caught_up() {
    let nodes = quorum().await;
    nodes[0].register(101, 1).await;
    let all = || {
        let contacts = nodes[0].consensus.status().contacts;
        let caught_up = contacts.values().filter(|contact| contact.last_caught_up.is_some()).count();
        (caught_up == nodes.len()).then_some(contacts)
    };
    let contacts = nodes[0].eventually("all are caught up", all).await;
    assert!(
        contacts.values().all(|contact| contact.last_caught_up <= Some(contact.last_answer)),
        "{contacts:?}"
    );
    let shown = nodes[0].get("/api/v1/raft/status").await.expect(200);
    assert!(shown["contacts"]["1"]["lastAnswer"].is_u64(), "{shown}");
    assert!(nodes[1].consensus.status().contacts.is_empty());
}

#[tokio::test]
async fn heartbeats_of_one_leader_are_unknown_to_the_others() {
    let nodes = quorum().await;
    nodes[0].register(101, 1).await;
    let seen = nodes[0].get("/api/v1/metadata/brokers/101").await.expect(200);
    assert!(seen["lastHeartbeat"].is_u64());
    let follower = &nodes[1];
    follower
        .eventually("the broker", || follower.consensus.read(|state| state.broker_count() == 1).then_some(()))
        .await;
    let request = Request::get("/api/v1/metadata/brokers/101").body(Body::empty()).unwrap();
    assert!(follower.send(request).await.expect(200).get("lastHeartbeat").is_none());
}
