//! Settings of what a client knows of the cluster.

use std::time::Duration;

use crate::connection::ConnectionOptions;

/// Settings of what a client knows of the cluster, by Kafka's names.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Of each connection.
    pub connection: ConnectionOptions,
    /// How long one broker may take to answer a question about metadata, before another one is asked.
    pub metadata_timeout: Duration,
    /// How long to try while a topic or its leaders are not known: `max.block.ms`.
    pub max_block: Duration,
    /// How old metadata may get before they are asked for again, though nobody complained: `metadata.max.age.ms`. A leader
    /// that is cut off from its cluster does not know that it was deposed, and answers on.
    pub metadata_max_age: Duration,
    /// From the first failure to the next attempt: `retry.backoff.ms`. Then each pause is about twice as long as the one before
    /// (KIP-580), until something succeeds. Kafka's is 100 ms; ours is shorter, because our brokers take over from one that died in
    /// some 150 ms, and most of what a client would wait beyond that were its own pauses.
    pub retry_backoff: Duration,
    /// The longest of these pauses: `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// Whether asking for a topic may create it, where brokers allow that: `allow.auto.create.topics`.
    pub allow_auto_create_topics: bool,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            connection: ConnectionOptions::default(),
            metadata_timeout: Duration::from_secs(2),
            max_block: Duration::from_secs(60),
            metadata_max_age: Duration::from_secs(300),
            retry_backoff: Duration::from_millis(20),
            retry_backoff_max: Duration::from_secs(1),
            allow_auto_create_topics: false,
        }
    }
}
