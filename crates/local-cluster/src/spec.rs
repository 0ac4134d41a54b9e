//! What cluster is wanted, and the `services.json` made of it.

use std::path::PathBuf;

use serde_json::{Value, json};

/// A cluster to be started in a directory of its own, on free ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The `dmq` binary.
    pub program: PathBuf,
    /// Where everything goes: `services.json`, data, logs.
    pub directory: PathBuf,
    /// How many metadata nodes; their ids are 1, 2, 3, ...
    pub nodes: u64,
    /// How many brokers; their ids are 101, 102, 103, ...
    pub brokers: u64,
    /// Where the metadata nodes keep their logs.
    pub database: Database,
    /// Timings of the quorum; `None`: the defaults of `services.json`.
    pub raft: Option<RaftTimings>,
    /// Timings of the brokers; `None`: the defaults of `services.json`.
    pub broker: Option<BrokerTimings>,
    /// Whether the nodes reach each other through fault proxies.
    pub fault_proxies: bool,
    /// Whether the processes log in JSON.
    pub json_logs: bool,
}

/// Where the metadata nodes keep their logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Database {
    /// A file each, below the cluster's directory.
    #[default]
    Sqlite,
    /// A Postgres database each.
    Postgres {
        /// One URL per node, in the order of their ids.
        urls: Vec<String>,
    },
}

/// Timings of the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftTimings {
    /// Between two heartbeats.
    pub heartbeat_ms: u64,
    /// Shortest and longest election timeout.
    pub election_timeout_ms: (u64, u64),
}

/// Timings of the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerTimings {
    /// Between two heartbeats.
    pub heartbeat_ms: u64,
    /// After how much silence a broker is OFFLINE.
    pub session_timeout_ms: u64,
    /// How often a broker pulls even if it hears of nothing new.
    pub metadata_refresh_ms: u64,
}

impl ClusterSpec {
    /// Three metadata nodes and three brokers on SQLite, with default timings.
    pub fn new(program: impl Into<PathBuf>, directory: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            directory: directory.into(),
            nodes: 3,
            brokers: 3,
            database: Database::Sqlite,
            raft: None,
            broker: None,
            fault_proxies: false,
            json_logs: false,
        }
    }

    /// The `services.json` of this cluster. `nodes` are (id, port, url), `brokers` (id, port, Kafka port).
    pub(crate) fn services(&self, nodes: &[(u64, u16, String)], brokers: &[(u64, u16, u16)]) -> Value {
        let nodes: Vec<Value> = nodes
            .iter()
            .enumerate()
            .map(|(position, (id, port, url))| {
                json!({"id": id, "host": "127.0.0.1", "port": port, "url": url, "database": self.database_of(position, *id)})
            })
            .collect();
        let brokers: Vec<Value> = brokers
            .iter()
            .zip(["a", "b", "c"].iter().cycle())
            .map(|((id, port, kafka_port), rack)| {
                json!({"id": id, "host": "127.0.0.1", "port": port, "url": format!("http://127.0.0.1:{port}"),
                       "kafkaPort": kafka_port, "rack": rack,
                       "dataDir": self.directory.join(format!("broker-{id}"))})
            })
            .collect();
        let name = uuid::Uuid::new_v4();
        let mut services = json!({
            "clusterId": format!("local-{name}"),
            "services": {"metadata-services": nodes, "storage-services": brokers},
        });
        if let (Some(raft), Some(file)) = (self.raft, services.as_object_mut()) {
            let (shortest, longest) = raft.election_timeout_ms;
            let raft = json!({"heartbeatMs": raft.heartbeat_ms, "electionTimeoutMs": [shortest, longest]});
            file.insert("raft".to_owned(), raft);
        }
        if let (Some(broker), Some(file)) = (self.broker, services.as_object_mut()) {
            let broker = json!({
                "heartbeatMs": broker.heartbeat_ms,
                "sessionTimeoutMs": broker.session_timeout_ms,
                "metadataRefreshMs": broker.metadata_refresh_ms,
            });
            file.insert("broker".to_owned(), broker);
        }
        services
    }

    fn database_of(&self, position: usize, id: u64) -> String {
        match &self.database {
            Database::Postgres { urls } if position < urls.len() => {
                urls.get(position).cloned().unwrap_or_default()
            }
            Database::Postgres { .. } | Database::Sqlite => {
                format!("sqlite:{}", self.directory.join(format!("metadata-{id}/raft.db")).display())
            }
        }
    }
}
