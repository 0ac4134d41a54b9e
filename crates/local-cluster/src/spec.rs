//! What cluster is wanted, and the `services.json` made of it.

use std::{path::PathBuf, time::Duration};

use common::{
    ClusterId,
    config::{BrokerConfig, ClusterConfig, DatabaseUrl, MetadataNodeConfig},
};

/// Where its processes listen.
const LOOPBACK: &str = "127.0.0.1";

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
    /// Whether nodes are reached through fault proxies, and brokers through others before their Kafka ports.
    pub fault_proxies: bool,
    /// Settings of all brokers by Kafka's names, as `num.partitions=4`.
    pub settings: Vec<String>,
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
            settings: Vec::new(),
            json_logs: false,
        }
    }

    /// The configuration of this cluster. `nodes` are (id, port, url), `brokers` (id, port, Kafka port).
    pub(crate) fn config(&self, nodes: &[(u64, u16, String)], brokers: &[(i32, u16, u16)]) -> ClusterConfig {
        let mut config = ClusterConfig::local(0, 0);
        config.cluster_id = ClusterId(format!("local-{}", uuid::Uuid::new_v4()));
        let node = |(position, (id, port, url)): (usize, &(u64, u16, String))| MetadataNodeConfig {
            host: LOOPBACK.to_owned(),
            url: url.clone(),
            database: self.database_of(position, *id),
            ..MetadataNodeConfig::local(*id, *port)
        };
        config.metadata_nodes = nodes.iter().enumerate().map(node).collect();
        let broker = |((id, port, kafka_port), rack): (&(i32, u16, u16), &&str)| BrokerConfig {
            host: LOOPBACK.to_owned(),
            url: format!("http://{LOOPBACK}:{port}"),
            data_dir: self.directory.join(format!("broker-{id}")).display().to_string(),
            rack: Some((*rack).to_owned()),
            ..BrokerConfig::local(*id, *port, Some(*kafka_port))
        };
        config.brokers = brokers.iter().zip(["a", "b", "c"].iter().cycle()).map(broker).collect();
        if let Some(raft) = self.raft {
            let (shortest, longest) = raft.election_timeout_ms;
            config.raft.heartbeat = Duration::from_millis(raft.heartbeat_ms);
            config.raft.election_timeout_min = Duration::from_millis(shortest);
            config.raft.election_timeout_max = Duration::from_millis(longest);
        }
        if let Some(broker) = self.broker {
            config.broker.heartbeat = Duration::from_millis(broker.heartbeat_ms);
            config.broker.session_timeout = Duration::from_millis(broker.session_timeout_ms);
            config.broker.request_timeout =
                config.broker.request_timeout.min(config.broker.session_timeout / 3);
            config.broker.metadata_refresh = Duration::from_millis(broker.metadata_refresh_ms);
        }
        config
    }

    fn database_of(&self, position: usize, id: u64) -> DatabaseUrl {
        let own_file = || self.directory.join(format!("metadata-{id}/raft.db")).display().to_string();
        let url = match &self.database {
            Database::Postgres { urls } => urls.get(position).and_then(|url| DatabaseUrl::parse(url).ok()),
            Database::Sqlite => None,
        };
        url.unwrap_or_else(|| DatabaseUrl::sqlite(&own_file()))
    }
}
