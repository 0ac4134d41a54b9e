//! The configuration as the text of a file again.

use serde_json::{Map, Value, json};

use super::cluster::{BrokerConfig, ClusterConfig, MetadataNodeConfig};

pub(super) fn cluster(config: &ClusterConfig) -> String {
    let nodes: Vec<Value> = config.metadata_nodes.iter().map(metadata_node).collect();
    let brokers: Vec<Value> = config.brokers.iter().map(broker).collect();
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let raft = &config.raft;
    let value = json!({
        "clusterId": config.cluster_id,
        "services": {"metadata-services": nodes, "storage-services": brokers},
        "raft": {
            "profile": config.profile.as_str(),
            "heartbeatMs": ms(raft.heartbeat),
            "electionTimeoutMs": [ms(raft.election_timeout_min), ms(raft.election_timeout_max)],
        },
        "broker": {
            "heartbeatMs": ms(config.broker.heartbeat),
            "sessionTimeoutMs": ms(config.broker.session_timeout),
            "requestTimeoutMs": ms(config.broker.request_timeout),
            "metadataRefreshMs": ms(config.broker.metadata_refresh),
            "leaderRebalanceMs": ms(config.broker.leader_rebalance),
        },
    });
    format!("{value:#}\n")
}

fn metadata_node(node: &MetadataNodeConfig) -> Value {
    json!({
        "id": node.id,
        "host": node.host,
        "port": node.port,
        "url": node.url,
        "database": node.database.expose(),
    })
}

fn broker(broker: &BrokerConfig) -> Value {
    let mut fields = Map::new();
    fields.insert("id".to_owned(), json!(broker.id));
    fields.insert("host".to_owned(), json!(broker.host));
    fields.insert("port".to_owned(), json!(broker.port));
    fields.insert("url".to_owned(), json!(broker.url));
    if let Some(port) = broker.kafka_port {
        fields.insert("kafkaPort".to_owned(), json!(port));
    }
    fields.insert("dataDir".to_owned(), json!(broker.data_dir));
    if let Some(rack) = &broker.rack {
        fields.insert("rack".to_owned(), json!(rack));
    }
    Value::Object(fields)
}
