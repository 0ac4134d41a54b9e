//! Rules between fields. Each gives the path of the later of the two fields and names both values.

use std::{collections::BTreeMap, time::Duration};

use super::{
    cluster::ClusterConfig,
    database::DatabaseUrl,
    error::ConfigError,
    timings::{HEARTBEATS_PER_ELECTION_MIN, HEARTBEATS_PER_SESSION_MIN, REQUESTS_PER_SESSION_MIN},
};

/// All that is wrong.
pub(super) fn all(config: &ClusterConfig) -> Vec<ConfigError> {
    let mut errors = duplicates(config);
    errors.extend(raft_timings(config));
    errors.extend(broker_timings(config));
    errors
}

/// What is allowed, but probably not meant.
pub(super) fn warnings(config: &ClusterConfig) -> Vec<String> {
    let nodes = config.metadata_nodes.len();
    let mut warnings = Vec::new();
    if nodes.is_multiple_of(2) {
        warnings.push(format!(
            "{nodes} metadata nodes survive the loss of {}, as many as {} would: use an odd number",
            (nodes - 1) / 2,
            nodes - 1
        ));
    }
    warnings
}

/// Finds values that stand in two places.
#[derive(Default)]
struct Uniqueness {
    seen: BTreeMap<String, String>,
    errors: Vec<ConfigError>,
}

impl Uniqueness {
    fn add(&mut self, path: String, value: String, what: &str) {
        match self.seen.get(&value) {
            Some(first) => {
                let problem = format!("{what} {value} is already that of {first}; each needs its own");
                self.errors.push(ConfigError { path, problem });
            }
            None => {
                self.seen.insert(value, path);
            }
        }
    }
}

fn duplicates(config: &ClusterConfig) -> Vec<ConfigError> {
    let mut node_ids = Uniqueness::default();
    let mut broker_ids = Uniqueness::default();
    let mut addresses = Uniqueness::default();
    let mut urls = Uniqueness::default();
    let mut directories = Uniqueness::default();
    let mut databases = Uniqueness::default();
    for (position, node) in config.metadata_nodes.iter().enumerate() {
        let path = |field: &str| format!("services.metadata-services[{position}].{field}");
        node_ids.add(path("id"), node.id.to_string(), "id");
        addresses.add(path("port"), address(&node.host, node.port), "address");
        urls.add(path("url"), node.url.clone(), "URL");
        databases.add(path("database"), database_key(&node.database), "database");
    }
    for (position, broker) in config.brokers.iter().enumerate() {
        let path = |field: &str| format!("services.storage-services[{position}].{field}");
        broker_ids.add(path("id"), broker.id.to_string(), "id");
        addresses.add(path("port"), address(&broker.host, broker.port), "address");
        if let Some(port) = broker.kafka_port {
            addresses.add(path("kafkaPort"), address(&broker.host, port), "address");
        }
        urls.add(path("url"), broker.url.clone(), "URL");
        directories.add(path("dataDir"), plain_path(&broker.data_dir), "directory");
    }
    [node_ids, broker_ids, addresses, urls, directories, databases]
        .into_iter()
        .flat_map(|unique| unique.errors)
        .collect()
}

/// All names of the loopback interface are one.
fn address(host: &str, port: u16) -> String {
    let host = if is_loopback(host) { "localhost" } else { host };
    format!("{host}:{port}")
}

/// Whether only this machine reaches `host`.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What tells databases apart, without secrets: of two URLs that differ only in their secrets one is a mistake.
fn database_key(database: &DatabaseUrl) -> String {
    database.sqlite_path().map_or_else(
        || if database.kind().is_some() { database.to_string() } else { database.expose().to_owned() },
        plain_path,
    )
}

/// `./data//x/` and `data/x` are one path.
fn plain_path(path: &str) -> String {
    let absolute = path.starts_with('/');
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn raft_timings(config: &ClusterConfig) -> Vec<ConfigError> {
    let heartbeat = ms(config.raft.heartbeat);
    let (min, max) = (ms(config.raft.election_timeout_min), ms(config.raft.election_timeout_max));
    let mut errors = Vec::new();
    let mut wrong = |problem: String| {
        errors.push(ConfigError { path: "raft.electionTimeoutMs".to_owned(), problem });
    };
    let least = heartbeat.saturating_mul(HEARTBEATS_PER_ELECTION_MIN);
    if min < least {
        wrong(format!(
            "the shortest election timeout {min} is below {least}, which is {HEARTBEATS_PER_ELECTION_MIN} times raft.heartbeatMs {heartbeat}; one lost heartbeat would start an election"
        ));
    }
    if max <= min {
        wrong(format!(
            "the longest election timeout {max} is not above the shortest {min}; without a range to draw from, followers stand for election at the same time and split the votes"
        ));
    }
    errors
}

fn broker_timings(config: &ClusterConfig) -> Vec<ConfigError> {
    let heartbeat = ms(config.broker.heartbeat);
    let session = ms(config.broker.session_timeout);
    let request = ms(config.broker.request_timeout);
    let mut errors = Vec::new();
    let mut wrong = |field: &str, problem: String| {
        errors.push(ConfigError { path: format!("broker.{field}"), problem });
    };
    let least = heartbeat.saturating_mul(HEARTBEATS_PER_SESSION_MIN);
    if session < least {
        wrong(
            "sessionTimeoutMs",
            format!(
                "{session} is below {least}, which is {HEARTBEATS_PER_SESSION_MIN} times broker.heartbeatMs {heartbeat}; a live broker that loses two heartbeats would be taken for dead"
            ),
        );
    }
    if request == 0 || request.saturating_mul(REQUESTS_PER_SESSION_MIN) > session {
        wrong(
            "requestTimeoutMs",
            format!(
                "{request} is not within 1 and {}, half of broker.sessionTimeoutMs {session}; a heartbeat that hangs could not be tried again in time",
                session / REQUESTS_PER_SESSION_MIN
            ),
        );
    }
    errors
}
