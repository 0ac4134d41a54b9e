//! Following the leader, and repeating only what is safe to repeat.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic like the tests")]

mod support;

use std::time::{Duration, Instant};

use client::{CallError, HttpClient, HttpOptions, MetadataClient, MetadataClientOptions, api};
use common::ClusterId;
use http_api::{CreateTopicRequest, ErrorCode, members::TransferLeaderRequest};
use support::{Node, Say, black_hole, nobody};

/// Whatever does not come about in this time never does.
const PATIENT: MetadataClientOptions =
    MetadataClientOptions { retry_for: Duration::from_secs(60), attempt_timeout: Duration::from_secs(30) };

/// How often something is done of which the quickest time counts.
const CALLS: usize = 10;

fn client(nodes: &[&Node]) -> MetadataClient {
    MetadataClient::new(HttpClient::default(), nodes.iter().map(|node| node.url.clone()), PATIENT)
}

fn topic() -> serde_json::Value {
    serde_json::json!({
        "topicName": "orders", "topicId": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "numPartitions": 0,
        "replicationFactor": 1, "configs": {}, "partitions": [],
    })
}

fn create() -> client::Call<http_api::TopicInfo> {
    api::create_topic(&CreateTopicRequest { topic_name: "orders".into(), ..CreateTopicRequest::default() })
}

/// The idempotency keys of the writes that a node saw.
fn keys(node: &Node) -> Vec<String> {
    let key = |asked: support::Asked| asked.headers["idempotency-key"].to_str().unwrap().to_owned();
    node.asked().into_iter().map(key).collect()
}

#[tokio::test]
async fn follows_the_leader_that_a_503_or_307_names() {
    for redirect in [false, true] {
        let (old, new) = (Node::start().await, Node::start().await);
        old.names(&old.url, 1, 1);
        let new_url = new.url.clone();
        old.will_say([if redirect { Say::RedirectTo(new_url) } else { Say::LeaderIs(new_url) }]);
        new.will_say([Say::Json(topic()), Say::Json(topic())]);
        let client = client(&[&old]);
        client.call(&create()).await.unwrap();
        client.call(&create()).await.unwrap();
        assert_eq!(old.asked().len(), 1, "the second call goes to the new leader directly");
        assert_eq!(keys(&old)[0], keys(&new)[0], "it is the same request");
        assert_ne!(keys(&new)[0], keys(&new)[1], "and the second call is another");
    }
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_repeated_under_its_key() {
    let node = Node::start().await;
    node.names(&node.url, 1, 1);
    node.will_say([Say::Problem(ErrorCode::CommitUnknown), Say::Break, Say::Json(topic())]);
    client(&[&node]).call(&create()).await.unwrap();
    let keys = keys(&node);
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn without_a_key_an_unknown_outcome_is_told_and_not_repeated() {
    let node = Node::start().await;
    node.names(&node.url, 1, 1);
    for say in [Say::Problem(ErrorCode::CommitUnknown), Say::Break] {
        node.will_say([say]);
        let call = api::transfer_leader(&TransferLeaderRequest::default());
        let error = client(&[&node]).call(&call).await.unwrap_err();
        assert!(matches!(error, CallError::OutcomeUnknown { .. }), "{error:?}");
    }
    assert_eq!(node.asked().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let node = Node::start().await;
    node.names(&node.url, 1, 1);
    node.will_say([Say::Problem(ErrorCode::TopicAlreadyExists)]);
    let error = client(&[&node]).call(&create()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TopicAlreadyExists));
    assert_eq!(node.asked().len(), 1);
}

#[tokio::test]
async fn waits_for_an_election_and_no_longer_than_told() {
    let node = Node::start().await;
    let client = client(&[&node]);
    let call = create();
    let elected = async {
        node.is_asked_for_controller().await;
        node.will_say([Say::Json(topic())]);
        node.names(&node.url, 1, 2);
    };
    let (result, ()) = tokio::join!(client.call(&call), elected);
    result.unwrap();

    let options =
        MetadataClientOptions { retry_for: Duration::from_millis(300), ..MetadataClientOptions::default() };
    let impatient = MetadataClient::new(HttpClient::default(), [nobody().await], options);
    let begun = Instant::now();
    let error = impatient.call(&create()).await.unwrap_err();
    assert!(matches!(error, CallError::NoLeader(_)), "{error:?}");
    assert!(begun.elapsed() < MetadataClientOptions::default().retry_for, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_leader_that_hangs_is_left_when_the_others_follow_another_one() {
    let (hung, new, third) = (Node::start().await, Node::start().await, Node::start().await);
    for node in [&hung, &new, &third] {
        node.names(&hung.url, 1, 1);
    }
    hung.will_say([Say::Silence]);
    new.will_say([Say::Json(topic())]);
    let client = client(&[&hung, &new, &third]);
    let call = create();
    let elected = async {
        hung.is_asked().await;
        new.names(&new.url, 2, 2);
        third.names(&new.url, 2, 2);
    };
    let begun = Instant::now();
    let (result, ()) = tokio::join!(client.call(&call), elected);
    result.unwrap();
    assert!(begun.elapsed() < PATIENT.attempt_timeout, "{:?}", begun.elapsed());
    assert_eq!(keys(&hung), keys(&new));
}

#[tokio::test]
async fn reads_are_answered_by_any_node() {
    let (_listener, silent) = black_hole().await;
    let node = Node::start().await;
    node.will_say([Say::Problem(ErrorCode::StorageUnavailable)]);
    node.will_say((0..=CALLS).map(|_| Say::Json(topic())));
    let options =
        MetadataClientOptions { attempt_timeout: Duration::from_secs(1), ..MetadataClientOptions::default() };
    let nodes = [nobody().await, silent, node.url.clone()];
    let client = MetadataClient::new(HttpClient::default(), nodes, options);
    client.call(&api::topic("orders")).await.unwrap();
    // Whoever asks the silent one first takes that long each time.
    let mut quickest = Duration::MAX;
    for _ in 0..CALLS {
        let begun = Instant::now();
        client.call(&api::topic("orders")).await.unwrap();
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < options.attempt_timeout, "the node that answered is asked first");
}

#[tokio::test]
async fn answers_are_bounded_and_the_cluster_is_named() {
    let node = Node::start().await;
    node.will_say([Say::Json("x".repeat(2_000).into())]);
    let options = HttpOptions {
        body_bytes_max: 1_000,
        cluster_id: Some(ClusterId("here".into())),
        ..HttpOptions::default()
    };
    let result = api::topic("orders").send(&HttpClient::new(options), &node.url).await;
    assert!(result.unwrap_err().to_string().contains("longer than 1000 bytes"));
    assert_eq!(node.asked()[0].headers["x-cluster-id"], "here");
}

#[tokio::test]
async fn what_does_not_speak_the_api_is_told_so() {
    let node = Node::start().await;
    node.will_say([Say::Json("hello".into())]);
    let error = api::topic("orders").send(&HttpClient::default(), &node.url).await.unwrap_err();
    assert!(matches!(error, CallError::Unreadable { status: 200, .. }), "{error:?}");
}
