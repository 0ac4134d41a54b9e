//! Where the database is and who opens it.

use std::time::Duration;

use common::{ClusterId, NodeId};

/// The kinds of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file, opened by this process alone.
    Sqlite,
    /// A Postgres server: a database, or a schema of one, for this node alone.
    Postgres,
}

impl Backend {
    /// Its name in the REST API and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What to open, for whom, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `sqlite:PATH[?synchronous=full|extra]` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE[?...]`.
    pub database: String,
    /// The cluster it must belong to.
    pub cluster_id: ClusterId,
    /// The node it must belong to.
    pub node_id: NodeId,
    /// How long an unreachable database is waited for at start.
    pub connect_timeout: Duration,
    /// How long a connection that broke is tried to be made again before the node gives up.
    pub reconnect_timeout: Duration,
    /// How long one transaction may take before its connection is taken for broken.
    pub commit_timeout: Duration,
    /// How long applied changes may wait for their rows in the projection.
    pub projection_delay: Duration,
    /// How many applied entries may wait for their rows in the projection.
    pub projection_entries: usize,
}

impl StoreOptions {
    /// With the default timings.
    pub fn new(database: impl Into<String>, cluster_id: ClusterId, node_id: NodeId) -> Self {
        Self {
            database: database.into(),
            cluster_id,
            node_id,
            connect_timeout: Duration::from_secs(10),
            reconnect_timeout: Duration::from_secs(10),
            commit_timeout: Duration::from_secs(10),
            projection_delay: Duration::from_millis(100),
            projection_entries: 1000,
        }
    }
}
