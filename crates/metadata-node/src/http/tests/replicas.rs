//! Replicas that lose their disks, move, and lead although they may lack records.

use http_api::ErrorCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::harness::TestNode;

const BROKERS: &str = "/api/v1/metadata/brokers";
const ELECTIONS: &str = "/api/v1/metadata/elections";
const REASSIGNMENTS: &str = "/api/v1/metadata/reassignments";
const TOPICS: &str = "/api/v1/metadata/topics";

/// A new process of a broker that nobody listens for, with its data on this disk.
async fn register(node: &TestNode, id: i32, disk: u128) -> i64 {
    let body = json!({
        "brokerId": id, "host": "127.0.0.1", "port": 1, "incarnationId": Uuid::new_v4(),
        "directoryId": Uuid::from_u128(disk),
    });
    node.post(BROKERS, &body).await.expect(201)["brokerEpoch"].as_i64().unwrap()
}

/// A topic with one partition on these brokers.
async fn create(node: &TestNode, name: &str, replicas: &[i32]) -> Value {
    let body = json!({"topicName": name, "assignments": [replicas]});
    node.post(TOPICS, &body).await.expect(201)
}

async fn partition(node: &TestNode, topic: &str) -> Value {
    node.get(&format!("{TOPICS}/{topic}")).await.expect(200)["partitions"][0].clone()
}

#[tokio::test]
async fn what_was_on_a_lost_disk_is_led_only_by_wish() {
    let node = TestNode::leading().await;
    register(&node, 101, 1).await;
    create(&node, "orders", &[101]).await;
    let same = register(&node, 101, 1).await;
    assert_eq!(partition(&node, "orders").await["leader"], 101);
    let shown = node.get(&format!("{BROKERS}/101")).await.expect(200);
    assert_eq!((&shown["brokerEpoch"], &shown["diskLostAt"]), (&json!(same), &Value::Null));
    assert_eq!(shown["directoryId"], json!(Uuid::from_u128(1)));

    let other = register(&node, 101, 2).await;
    let lost = partition(&node, "orders").await;
    assert_eq!((&lost["leader"], &lost["isr"]), (&Value::Null, &json!([])));
    let shown = node.get(&format!("{BROKERS}/101")).await.expect(200);
    assert_eq!(shown["diskLostAt"], json!(other));

    let named = json!([{"topicName": "orders", "partition": 0}]);
    let preferred = node.post(ELECTIONS, &json!({"partitions": named})).await.expect(200);
    assert_eq!(
        (&preferred["elected"], &preferred["results"][0]["result"]),
        (&json!(0), &json!("NOT_AVAILABLE"))
    );
    let unclean = json!({"partitions": named, "unclean": true});
    let elected = node.post(ELECTIONS, &unclean).await.expect(200);
    let result = json!({"topicName": "orders", "partition": 0, "result": "ELECTED", "leader": 101});
    assert_eq!((&elected["elected"], &elected["results"]), (&json!(1), &json!([result])));
    let figures = node.get("/metrics").await.body;
    let counted = "kafka_controller_controllerstats_uncleanleaderelections_total 1";
    assert!(figures.lines().any(|line| line == counted), "{figures}");
    let again = node.post(ELECTIONS, &unclean).await.expect(200);
    assert_eq!(again["results"][0]["result"], "NOT_NEEDED");
    node.post(ELECTIONS, &json!({"partitions": [{"topicName": "x", "partition": 0}], "unclean": true}))
        .await
        .is(ErrorCode::UnknownTopic);
}

#[tokio::test]
async fn replicas_move_once_the_new_one_is_in_sync() {
    let node = TestNode::leading().await;
    let mut epochs = Vec::new();
    for id in 101..=103 {
        epochs.push(register(&node, id, 1).await);
    }
    let topic = create(&node, "orders", &[101, 102]).await;
    let wanted = |replicas: Value| json!({"reassignments": [{"topicName": "orders", "partition": 0, "replicas": replicas}]});
    let begun = node.post(REASSIGNMENTS, &wanted(json!([103, 102]))).await.expect(200);
    let moving = json!({"target": [103, 102], "adding": [103], "removing": [101]});
    let state = &begun["results"][0]["state"];
    assert_eq!((&state["replicas"], &state["reassignment"]), (&json!([101, 102, 103]), &moving));
    let listed = node.get(REASSIGNMENTS).await.expect(200);
    assert_eq!(
        listed,
        json!([{
            "topicName": "orders", "topicId": topic["topicId"], "partition": 0, "replicas": [101, 102, 103],
            "isr": [101, 102], "target": [103, 102], "adding": [103], "removing": [101],
        }])
    );

    let member = |at: usize| json!({"brokerId": 101 + at, "brokerEpoch": epochs[at]});
    let change = json!({
        "topicName": "orders", "topicId": topic["topicId"], "partition": 0, "leaderEpoch": state["leaderEpoch"],
        "partitionEpoch": state["partitionEpoch"], "newIsr": [member(0), member(1), member(2)],
    });
    let body = json!({"brokerId": 101, "brokerEpoch": epochs[0], "changes": [change]});
    let answer = node.post("/api/v1/metadata/isr", &body).await.expect(200);
    let moved = &answer["results"][0]["state"];
    assert_eq!(
        (&moved["leader"], &moved["replicas"], &moved["isr"]),
        (&json!(103), &json!([103, 102]), &json!([103, 102]))
    );
    assert_eq!(node.get(REASSIGNMENTS).await.expect(200), json!([]));

    let cancelled = node.post(REASSIGNMENTS, &wanted(Value::Null)).await.expect(200);
    assert_eq!(cancelled["results"][0]["problem"]["code"], "NO_REASSIGNMENT_IN_PROGRESS");
    let unknown = node.post(REASSIGNMENTS, &wanted(json!([103, 999]))).await.expect(200);
    assert_eq!(unknown["results"][0]["problem"]["code"], "INVALID_ASSIGNMENT");
    node.post(REASSIGNMENTS, &json!({"moves": []})).await.is(ErrorCode::InvalidRequest);
}
