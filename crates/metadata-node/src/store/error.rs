//! Why a database was refused, and how one fails later.

use common::{ClusterId, NodeId};

use super::Backend;

/// Why the database was not opened. Each message says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that can be used.
    #[error(
        "database `{url}`: {reason}; write `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"
    )]
    BadUrl {
        /// The URL, without its password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// It did not answer in time.
    #[error("database `{url}` could not be reached within {waited_ms} ms: {reason}")]
    Unreachable {
        /// The URL, without its password.
        url: String,
        /// How long it was tried, in ms.
        waited_ms: u128,
        /// The last error.
        reason: String,
    },
    /// It belongs to another cluster.
    #[error(
        "database `{url}` belongs to cluster `{found}`, this node to cluster `{expected}`: \
         set `database` of this node to its own database, or `clusterId` to `{found}`"
    )]
    OtherCluster {
        /// The URL, without its password.
        url: String,
        /// Whose it is.
        found: ClusterId,
        /// Whose it should be.
        expected: ClusterId,
    },
    /// It belongs to another node.
    #[error(
        "database `{url}` belongs to node {found}, this is node {expected}: every metadata node needs a database \
         of its own"
    )]
    OtherNode {
        /// The URL, without its password.
        url: String,
        /// Whose it is.
        found: NodeId,
        /// Whose it should be.
        expected: NodeId,
    },
    /// It was written by a newer version.
    #[error(
        "database `{url}` has schema version {found}, this program knows versions up to {known}: \
         start the version that wrote it, or a newer one"
    )]
    NewerSchema {
        /// The URL, without its password.
        url: String,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// A setting with which a commit that was reported durable can be lost.
    #[error(
        "database `{url}`: {setting} is `{found}`, which can lose acknowledged commits; it must be {expected}"
    )]
    UnsafeSetting {
        /// The URL, without its password.
        url: String,
        /// Its name, as the database calls it.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What would be safe.
        expected: &'static str,
    },
    /// Another process has it open.
    #[error("database `{url}` is already in use by {holder}: two processes on one Raft log break the quorum")]
    InUse {
        /// The URL, without its password.
        url: String,
        /// Who, as far as it is known.
        holder: String,
    },
    /// Its content makes no sense.
    #[error(
        "database `{url}` is damaged: {reason}; restore it, or remove this node and add it under a new id"
    )]
    Damaged {
        /// The URL, without its password.
        url: String,
        /// What was found.
        reason: String,
    },
    /// Anything else that the database said.
    #[error("database `{url}`: {reason}")]
    Database {
        /// The URL, without its password.
        url: String,
        /// What it said.
        reason: String,
    },
}

/// A failure of an open database. The first one stops the writer for good: nothing is answered after it, and the node
/// must end and start again from what is durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("{}: no space left: {reason}; free space and start the node again, nothing acknowledged is lost", backend.name())]
    Full {
        /// Which database.
        backend: Backend,
        /// What it said.
        reason: String,
    },
    /// Another process took the database over.
    #[error("{}: the database was taken over by {holder}", backend.name())]
    Fenced {
        /// Which database.
        backend: Backend,
        /// Who, as far as it is known.
        holder: String,
    },
    /// The connection broke and could not be made again in time.
    #[error("{}: connection lost and not restored within {waited_ms} ms: {reason}", backend.name())]
    Lost {
        /// Which database.
        backend: Backend,
        /// How long it was tried, in ms.
        waited_ms: u128,
        /// The last error.
        reason: String,
    },
    /// A row makes no sense.
    #[error("{}: damaged row: {reason}", backend.name())]
    Damaged {
        /// Which database.
        backend: Backend,
        /// Which one, and what is wrong.
        reason: String,
    },
    /// Anything else that the database said.
    #[error("{}: {reason}", backend.name())]
    Database {
        /// Which database.
        backend: Backend,
        /// What it said.
        reason: String,
    },
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
    /// The caller broke a rule of the log; nothing was written.
    #[error("{0}")]
    Misuse(String),
}

impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Full { .. } => std::io::ErrorKind::StorageFull,
            StoreError::Damaged { .. } => std::io::ErrorKind::InvalidData,
            StoreError::Lost { .. } => std::io::ErrorKind::NotConnected,
            StoreError::Misuse(_) => std::io::ErrorKind::InvalidInput,
            StoreError::Fenced { .. } | StoreError::Database { .. } | StoreError::Closed => {
                std::io::ErrorKind::Other
            }
        };
        Self::new(kind, error)
    }
}
