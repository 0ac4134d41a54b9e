//! Settings of replication, by Kafka's names.

use std::time::Duration;

use common::BrokerId;

/// Settings of all fetchers of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicationOptions {
    /// Whose replicas.
    pub broker_id: BrokerId,
    /// How long a leader may keep a fetch for which it has nothing (`replica.fetch.wait.max.ms`).
    pub fetch_wait_max: Duration,
    /// Bytes of one partition in an answer, but one batch at least (`replica.fetch.max.bytes`).
    pub partition_bytes_max: i32,
    /// Bytes of an answer (`replica.fetch.response.max.bytes`).
    pub response_bytes_max: i32,
    /// How long an answer may take beyond the wait that was asked for (`replica.socket.timeout.ms`).
    pub socket_timeout: Duration,
    /// After so much silence the controllers take this broker for dead.
    pub session_timeout: Duration,
}

impl ReplicationOptions {
    /// The defaults: Kafka's, but for the timeout. A leader that does not answer for so long was replaced long before.
    pub fn new(broker_id: BrokerId, session_timeout: Duration) -> Self {
        Self {
            broker_id,
            fetch_wait_max: Duration::from_millis(500),
            partition_bytes_max: 1 << 20,
            response_bytes_max: 10 << 20,
            socket_timeout: Duration::from_secs(10),
            session_timeout,
        }
    }
}
