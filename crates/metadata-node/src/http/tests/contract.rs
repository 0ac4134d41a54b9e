//! The contract, call by call and field by field.

use axum::http::{Method, Request};
use http_api::ErrorCode;
use serde_json::{Value, json};

use super::harness::TestNode;

const TOPICS: &str = "/api/v1/metadata/topics";

/// A node with brokers 101 to 103, which nobody listens for.
async fn with_brokers() -> TestNode {
    let node = TestNode::leading().await;
    for id in 101..=103 {
        node.register(id, 1).await;
    }
    node
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

fn orders() -> Value {
    json!({"topicName": "orders", "numPartitions": 3, "replicationFactor": 3})
}

#[tokio::test]
async fn controller_names_itself() {
    let node = TestNode::leading().await;
    let info = node.get("/api/v1/metadata/controller").await.expect(200);
    assert_eq!(keys(&info), ["controllerId", "controllerTerm", "controllerUrl", "timestamp"]);
    assert_eq!(info["controllerId"], 1);
    assert_eq!(info["controllerUrl"], node.url);
    assert_eq!(info["controllerTerm"], node.consensus.leader().term.0);
}

#[tokio::test]
async fn topic_lives_and_dies() {
    let node = with_brokers().await;
    let created = node.post(TOPICS, &orders()).await.expect(201);
    assert_eq!(
        keys(&created),
        ["configs", "numPartitions", "partitions", "replicationFactor", "topicId", "topicName"]
    );
    let partition = &created["partitions"][0];
    assert_eq!(keys(partition), ["id", "isr", "leader", "leaderEpoch", "partitionEpoch", "replicas"]);
    assert_eq!(partition["leader"], partition["replicas"][0], "the preferred leader leads a new partition");
    assert_eq!(partition["replicas"].as_array().unwrap().len(), 3);
    assert_eq!(node.get(&format!("{TOPICS}/orders")).await.expect(200), created);
    assert_eq!(node.get(TOPICS).await.expect(200), json!([created]));

    node.post(TOPICS, &orders()).await.is(ErrorCode::TopicAlreadyExists);

    let grow = json!({"numPartitions": 5, "configs": {"retention.ms": "60000"}});
    let altered = node.call(Method::PATCH, &format!("{TOPICS}/orders"), &grow).await.expect(200);
    assert_eq!(altered["numPartitions"], 5);
    assert_eq!(altered["configs"], json!({"retention.ms": "60000"}));
    let shrink = json!({"numPartitions": 2});
    let refused = node.call(Method::PATCH, &format!("{TOPICS}/orders"), &shrink).await;
    refused.is(ErrorCode::InvalidPartitions);
    let back = json!({"configs": {"retention.ms": null}});
    let altered = node.call(Method::PATCH, &format!("{TOPICS}/orders"), &back).await.expect(200);
    assert_eq!(altered["configs"], json!({}));

    let gone = node.bare(Method::DELETE, &format!("{TOPICS}/orders")).await;
    assert_eq!((gone.status.as_u16(), gone.body.as_str()), (204, ""));
    node.get(&format!("{TOPICS}/orders")).await.is(ErrorCode::UnknownTopic);
    node.bare(Method::DELETE, &format!("{TOPICS}/orders")).await.is(ErrorCode::UnknownTopic);
}

#[tokio::test]
async fn partition_count_is_a_synonym_and_assignments_say_it_all() {
    let node = with_brokers().await;
    let body = json!({"topicName": "a", "partitionCount": 2, "replicationFactor": 1});
    assert_eq!(node.post(TOPICS, &body).await.expect(201)["numPartitions"], 2);
    let body = json!({"topicName": "b", "assignments": [[103, 101], [102, 103]]});
    let created = node.post(TOPICS, &body).await.expect(201);
    assert_eq!(created["replicationFactor"], 2);
    assert_eq!(created["partitions"][0]["replicas"], json!([103, 101]));
    assert_eq!(created["partitions"][1]["leader"], 102);
}

#[tokio::test]
async fn partition_leader_says_where() {
    let node = TestNode::leading().await;
    let body = json!({
        "brokerId": 101, "host": "localhost", "port": 8081, "kafkaPort": 19092, "rack": "a",
        "incarnationId": uuid::Uuid::new_v4(),
    });
    node.post("/api/v1/metadata/brokers", &body).await.expect(201);
    node.post(TOPICS, &json!({"topicName": "t", "numPartitions": 1, "replicationFactor": 1}))
        .await
        .expect(201);
    let leader = node.get(&format!("{TOPICS}/t/partitions/0/leader")).await.expect(200);
    let expected = json!({
        "brokerId": 101, "url": "http://localhost:8081", "kafkaAddress": "localhost:19092", "leaderEpoch": 0,
    });
    assert_eq!(leader, expected);
    let problem = node.get(&format!("{TOPICS}/t/partitions/7/leader")).await.is(ErrorCode::UnknownPartition);
    assert_eq!(problem.fields["partition"], 7);
    node.get(&format!("{TOPICS}/t/partitions/-1/leader")).await.is(ErrorCode::UnknownPartition);
    node.get(&format!("{TOPICS}/none/partitions/0/leader")).await.is(ErrorCode::UnknownTopic);
}

#[tokio::test]
async fn broker_registers_heartbeats_and_is_shown() {
    let node = TestNode::leading().await;
    let incarnation = uuid::Uuid::new_v4();
    let registered = node.register_as(101, 1, incarnation).await.expect(201);
    assert_eq!(keys(&registered), ["brokerEpoch", "brokerId", "controllerInfo", "metadataVersion"]);
    let epoch = registered["brokerEpoch"].as_i64().unwrap();
    // The same process may ask again, and keeps its registration.
    let again = node.register_as(101, 1, incarnation).await.expect(201);
    assert_eq!(again["brokerEpoch"], epoch);

    let heartbeat = "/api/v1/metadata/heartbeat/101";
    let body = json!({"brokerEpoch": epoch, "metadataVersion": 0});
    let answer = node.post(heartbeat, &body).await.expect(200);
    assert_eq!(
        keys(&answer),
        ["brokerStatus", "controllerId", "controllerTerm", "metadataVersion", "success", "timestamp"]
    );
    assert_eq!(answer["metadataVersion"], registered["metadataVersion"]);
    assert_eq!(answer["brokerStatus"], "ONLINE");
    assert_eq!(answer["success"], true);
    // For drills: `curl -X POST`.
    assert_eq!(node.bare(Method::POST, heartbeat).await.expect(200)["brokerStatus"], "ONLINE");

    let stale =
        node.post(heartbeat, &json!({"brokerEpoch": epoch - 1})).await.is(ErrorCode::StaleBrokerEpoch);
    assert_eq!(stale.fields["currentEpoch"], epoch);
    node.bare(Method::POST, "/api/v1/metadata/heartbeat/999").await.is(ErrorCode::UnknownBroker);

    let shown = node.get("/api/v1/metadata/brokers/101").await.expect(200);
    assert_eq!(
        keys(&shown),
        [
            "brokerEpoch",
            "brokerId",
            "host",
            "incarnationId",
            "kafkaPort",
            "lastHeartbeat",
            "leaderPartitions",
            "port",
            "rack",
            "replicaPartitions",
            "status"
        ]
    );
    assert!(shown["lastHeartbeat"].as_u64().unwrap() >= answer["timestamp"].as_u64().unwrap());
    let body = json!({"brokerEpoch": epoch, "metadataVersion": registered["metadataVersion"]});
    node.post(heartbeat, &body).await.expect(200);
    let shown = node.get("/api/v1/metadata/brokers").await.expect(200)[0].clone();
    assert_eq!(
        (&shown["brokerId"], &shown["metadataVersion"]),
        (&json!(101), &registered["metadataVersion"])
    );
    assert_eq!(shown["lastCaughtUp"], shown["lastHeartbeat"]);
    node.get("/api/v1/metadata/brokers/999").await.is(ErrorCode::UnknownBroker);
}

#[tokio::test]
async fn broker_that_wants_to_leave_hands_over() {
    let node = with_brokers().await;
    node.post(TOPICS, &orders()).await.expect(201);
    let epoch = node.get("/api/v1/metadata/brokers/101").await.expect(200)["brokerEpoch"].clone();
    let body = json!({"brokerEpoch": epoch, "wantShutdown": true});
    let answer = node.post("/api/v1/metadata/heartbeat/101", &body).await.expect(200);
    assert_eq!(answer["brokerStatus"], "DRAINING");
    let shown = node.get("/api/v1/metadata/brokers/101").await.expect(200);
    assert_eq!((&shown["status"], &shown["leaderPartitions"]), (&json!("DRAINING"), &json!(0)));
    let refused = node.bare(Method::DELETE, "/api/v1/metadata/brokers/101").await;
    assert_eq!(refused.is(ErrorCode::BrokerHoldsReplicas).fields["replicas"], 3);
    node.bare(Method::DELETE, &format!("{TOPICS}/orders")).await.expect(204);
    node.bare(Method::DELETE, "/api/v1/metadata/brokers/101").await.expect(204);
    node.bare(Method::DELETE, "/api/v1/metadata/brokers/101").await.is(ErrorCode::UnknownBroker);
}

#[tokio::test]
async fn settings_of_brokers_are_kept_for_one_and_for_all() {
    let node = with_brokers().await;
    let (all, one) = ("/api/v1/metadata/broker-configs", "/api/v1/metadata/brokers/102/configs");
    assert_eq!(node.get(all).await.expect(200)["configs"], json!({}));
    let retention = |ms: Option<&str>| json!({"configs": {"log.retention.ms": ms}});
    let kept = node.call(Method::PATCH, all, &retention(Some("60000"))).await.expect(200);
    assert_eq!(keys(&kept), ["configs", "metadataVersion"]);
    assert_eq!(kept["configs"], json!({"log.retention.ms": "60000"}));
    node.call(Method::PATCH, one, &retention(Some("5"))).await.expect(200);
    let of_one = node.get(one).await.expect(200);
    assert_eq!((&of_one["brokerId"], &of_one["configs"]), (&json!(102), &json!({"log.retention.ms": "5"})));
    let image = node.get("/api/v1/metadata/cluster").await.expect(200);
    let wanted =
        json!({"brokers": {"102": {"log.retention.ms": "5"}}, "cluster": {"log.retention.ms": "60000"}});
    assert_eq!(image["brokerConfigs"], wanted);
    node.call(Method::PATCH, one, &retention(None)).await.expect(200);
    assert_eq!(node.get(one).await.expect(200)["configs"], json!({}));

    let read_only = json!({"configs": {"num.flush.threads": "9"}});
    let problem = node.call(Method::PATCH, one, &read_only).await.is(ErrorCode::InvalidConfig);
    assert!(problem.detail.contains("read-only"), "{problem}");
    node.get("/api/v1/metadata/brokers/9/configs").await.is(ErrorCode::UnknownBroker);
    let unknown = node.call(Method::PATCH, "/api/v1/metadata/brokers/9/configs", &retention(None)).await;
    unknown.is(ErrorCode::UnknownBroker);
}

#[tokio::test]
async fn settings_of_groups_are_kept_within_bounds_and_whether_they_exist_or_not() {
    let node = with_brokers().await;
    let (all, one) = ("/api/v1/metadata/group-configs", "/api/v1/metadata/groups/a%2Fb/configs");
    assert_eq!(node.get(all).await.expect(200), json!([]));
    let session = |ms: Option<&str>| json!({"configs": {"consumer.session.timeout.ms": ms}});
    let kept = node.call(Method::PATCH, one, &session(Some("50000"))).await.expect(200);
    assert_eq!(keys(&kept), ["configs", "groupId", "metadataVersion"]);
    assert_eq!(
        (&kept["groupId"], &kept["configs"]),
        (&json!("a/b"), &json!({"consumer.session.timeout.ms": "50000"}))
    );
    assert_eq!(node.get(one).await.expect(200), kept);
    assert_eq!(node.get(all).await.expect(200), json!([kept]));
    let image = node.get("/api/v1/metadata/cluster").await.expect(200);
    assert_eq!(image["groupConfigs"], json!({"a/b": kept["configs"]}));
    serde_json::from_value::<http_api::ClusterImage>(image).unwrap();
    let history = node.get("/api/v1/metadata/history?limit=1").await.expect(200);
    assert_eq!(
        (&history[0]["kind"], &history[0]["subject"]),
        (&json!("GROUP_CONFIGS_CHANGED"), &json!("group:a/b"))
    );

    let problem = node.call(Method::PATCH, one, &session(Some("5"))).await.is(ErrorCode::InvalidConfig);
    assert_eq!(problem.fields["config"], "consumer.session.timeout.ms");
    let bound = "must be at least 45000, which is `group.consumer.min.session.timeout.ms`";
    assert!(problem.detail.contains(bound), "{problem}");
    let too_long = format!("/api/v1/metadata/groups/{}/configs", "g".repeat(1_025));
    node.call(Method::PATCH, &too_long, &session(Some("50000"))).await.is(ErrorCode::InvalidGroupId);

    node.call(Method::PATCH, one, &session(None)).await.expect(200);
    assert_eq!(node.get(one).await.expect(200)["configs"], json!({}));
    assert_eq!(node.get(all).await.expect(200), json!([]));
}

#[tokio::test]
async fn cluster_is_given_whole_by_delta_or_not_at_all() {
    let node = with_brokers().await;
    node.post(TOPICS, &orders()).await.expect(201);
    let reply = node.get("/api/v1/metadata/cluster").await;
    let image = reply.expect(200);
    assert_eq!(
        keys(&image),
        [
            "activeMetadataNodes",
            "brokerConfigs",
            "brokers",
            "clusterId",
            "controllerInfo",
            "controllerLeaderId",
            "featureLevel",
            "full",
            "topics",
            "totalPartitions",
            "version"
        ]
    );
    assert_eq!((&image["totalPartitions"], &image["full"]), (&json!(3), &json!(true)));
    assert_eq!(image["controllerInfo"]["controllerId"], image["controllerLeaderId"]);
    assert_eq!(image["activeMetadataNodes"][0]["nodeId"], 1);
    let version = image["version"].as_u64().unwrap();
    let etag = format!("\"{version}\"");
    assert_eq!(reply.header("etag"), Some(etag.as_str()));
    serde_json::from_value::<http_api::ClusterImage>(image.clone()).unwrap();

    let unchanged = Request::get("/api/v1/metadata/cluster").header("if-none-match", &etag);
    let unchanged = node.send(unchanged.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), Some(etag.as_str()));

    node.post(TOPICS, &json!({"topicName": "t", "numPartitions": 1, "replicationFactor": 1}))
        .await
        .expect(201);
    let deltas = node.get(&format!("/api/v1/metadata/cluster?since={version}")).await.expect(200);
    assert_eq!(keys(&deltas), ["deltas", "fromVersion", "version"]);
    assert_eq!(deltas["fromVersion"], version);
    assert_eq!(deltas["deltas"].as_array().unwrap().len(), 1);
    assert_eq!(deltas["deltas"][0]["event"]["kind"], "TOPIC_CREATED");
    assert_eq!(deltas["deltas"][0]["version"], deltas["version"]);
    let newest = deltas["version"].as_u64().unwrap();
    let nothing = node.get(&format!("/api/v1/metadata/cluster?since={newest}")).await.expect(200);
    assert_eq!(nothing, json!({"fromVersion": newest, "version": newest, "deltas": []}));

    let changed = Request::get("/api/v1/metadata/cluster").header("if-none-match", &etag);
    let changed = node.send(changed.body(axum::body::Body::empty()).unwrap()).await.expect(200);
    assert_eq!(changed["version"], newest);
}

#[tokio::test]
async fn idempotency_key_makes_a_retry_the_same_request() {
    let node = with_brokers().await;
    let post = |key: &str, body: &Value| {
        let request = Request::post(TOPICS).header("idempotency-key", key);
        node.send(request.body(body.to_string().into()).unwrap())
    };
    let key = uuid::Uuid::new_v4().to_string();
    let first = post(&key, &orders()).await.expect(201);
    assert_eq!(post(&key, &orders()).await.expect(201), first);
    let other = json!({"topicName": "other", "numPartitions": 1, "replicationFactor": 1});
    post(&key, &other).await.is(ErrorCode::IdempotencyKeyReused);
    let problem = post("no-uuid", &other).await.is(ErrorCode::InvalidParameter);
    assert_eq!(problem.fields["value"], "no-uuid");
}

#[tokio::test]
async fn isr_changes_are_compare_and_set() {
    let node = with_brokers().await;
    let created = node.post(TOPICS, &orders()).await.expect(201);
    let partition = &created["partitions"][0];
    let leader = partition["leader"].as_i64().unwrap();
    let shown = node.get(&format!("/api/v1/metadata/brokers/{leader}")).await.expect(200);
    let change = json!({
        "topicName": "orders", "topicId": created["topicId"], "partition": 0, "leaderEpoch": partition["leaderEpoch"],
        "partitionEpoch": partition["partitionEpoch"],
        "newIsr": [{"brokerId": leader, "brokerEpoch": shown["brokerEpoch"]}],
    });
    let body = json!({"brokerId": leader, "brokerEpoch": shown["brokerEpoch"], "changes": [change, change]});
    let answer = node.post("/api/v1/metadata/isr", &body).await.expect(200);
    assert_eq!(answer["results"][0]["state"]["isr"], json!([leader]));
    assert_eq!(answer["results"][1]["problem"]["code"], "INVALID_UPDATE_VERSION");
    assert!(answer["metadataVersion"].as_u64() > Some(0));
}

#[tokio::test]
async fn history_tells_who_changed_what() {
    let node = with_brokers().await;
    node.post(TOPICS, &orders()).await.expect(201);
    let events = node.get("/api/v1/metadata/history?topic=orders").await.expect(200);
    let created = &events[0];
    assert_eq!(
        keys(created),
        ["after", "author", "before", "kind", "requestId", "subject", "time", "version"]
    );
    assert_eq!((&created["kind"], &created["subject"]), (&json!("TOPIC_CREATED"), &json!("topic:orders")));
    assert_eq!(created["before"], Value::Null);
    assert_eq!(created["author"], "rest:unknown", "there is no connection in this test");
    let events = node.get("/api/v1/metadata/history?broker=101&limit=1").await.expect(200);
    assert_eq!(events[0]["kind"], "BROKER_REGISTERED");
    assert_eq!(events[0]["author"], "broker:101");
    let all = node.get("/api/v1/metadata/history?since=0").await.expect(200);
    let kinds: Vec<_> = all.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let registered = "BROKER_REGISTERED";
    assert_eq!(kinds, ["FEATURE_LEVEL_CHANGED", registered, registered, registered, "TOPIC_CREATED"]);
}

#[tokio::test]
async fn raft_shows_its_state_and_its_log() {
    let node = with_brokers().await;
    let status = node.get("/api/v1/raft/status").await.expect(200);
    for field in [
        "nodeId",
        "state",
        "isLeader",
        "currentTerm",
        "leaderId",
        "commitIndex",
        "lastApplied",
        "metadataVersion",
        "lastLogIndex",
        "snapshotIndex",
        "members",
        "replication",
        "contacts",
        "storage",
    ] {
        assert!(status.get(field).is_some(), "{field} in {status}");
    }
    assert_eq!((&status["state"], &status["storage"]), (&json!("LEADER"), &json!("sqlite")));
    let log = node.get("/api/v1/raft/log?from=0&limit=1000").await.expect(200);
    let kinds: Vec<_> = log.as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"MEMBERSHIP") && kinds.contains(&"COMMAND"), "{kinds:?}");
    let newest = node.get("/api/v1/raft/log?limit=1").await.expect(200);
    // Raft itself may write in between.
    assert_eq!(newest.as_array().unwrap().len(), 1);
    assert!(newest[0]["index"].as_u64() >= log.as_array().unwrap().last().unwrap()["index"].as_u64());
    assert_eq!(node.get("/api/v1/raft/members").await.expect(200)[0]["voter"], true);
}

#[tokio::test]
async fn further_writes_of_brokers_and_operators() {
    let node = with_brokers().await;
    let epoch = node.get("/api/v1/metadata/brokers/101").await.expect(200)["brokerEpoch"].clone();
    let body = json!({"brokerId": 101, "brokerEpoch": epoch});
    let first = node.post("/api/v1/metadata/producer-ids", &body).await.expect(200);
    let second = node.post("/api/v1/metadata/producer-ids", &body).await.expect(200);
    let next = first["firstProducerId"].as_i64().unwrap() + first["count"].as_i64().unwrap();
    assert_eq!(second["firstProducerId"], next);

    let wanted = |name: &str| {
        json!({"brokerId": 101, "brokerEpoch": epoch, "topicName": name, "numPartitions": 50,
        "replicationFactor": 3, "configs": {"cleanup.policy": "compact"}})
    };
    let path = "/api/v1/metadata/internal-topics";
    let made = node.post(path, &wanted("__consumer_offsets")).await.expect(201);
    assert_eq!((&made["numPartitions"], &made["replicationFactor"]), (&json!(50), &json!(3)));
    node.post(path, &wanted("__consumer_offsets")).await.is(ErrorCode::TopicAlreadyExists);
    node.post(path, &wanted("orders")).await.is(ErrorCode::InvalidTopicName);

    assert_eq!(node.bare(Method::POST, "/api/v1/metadata/elections").await.expect(200)["elected"], 0);
    let features = node.get("/api/v1/metadata/features").await.expect(200);
    assert_eq!(features["level"], features["maxLevel"], "a new cluster has all that its nodes know");
    let too_high = json!({"level": 60_000});
    node.post("/api/v1/metadata/features", &too_high).await.is(ErrorCode::InvalidFeatureLevel);
}

#[tokio::test]
async fn ready_says_why_and_metrics_have_kafka_names() {
    let node = with_brokers().await;
    assert_eq!(node.get("/readyz").await.expect(200), json!({"ready": true}));
    let verbose = node.get("/readyz?verbose").await.expect(200);
    assert_eq!(verbose["checks"][0]["name"], "leader");
    assert!(verbose["checks"][0]["detail"].as_str().unwrap().contains("this node leads"));
    let text = node.get("/metrics").await;
    assert_eq!(text.status, 200);
    for line in [
        "kafka_brokers 3",
        "kafka_controller_kafkacontroller_activecontrollercount 1",
        "kafka_controller_kafkacontroller_offlinepartitionscount 0",
        "kafka_server_raftmetrics_current_state 3",
        "dmq_request_duration_seconds_count{api=\"/api/v1/metadata/brokers\",status=\"2xx\"} 3",
    ] {
        assert!(text.body.lines().any(|found| found == line), "{line} in {}", text.body);
    }
}

#[tokio::test]
async fn linearizable_reads_are_answered() {
    let node = with_brokers().await;
    for path in ["controller", "cluster", "topics", "brokers", "brokers/101", "features"] {
        node.get(&format!("/api/v1/metadata/{path}?consistency=linearizable")).await.expect(200);
    }
}
