//! The state as a stream of self-describing records. Framing, compression and checksums are the node's business.

use std::sync::Arc;

use common::{Broker, ClusterId, MetadataVersion, Topic};
use serde::{Deserialize, Serialize};

use crate::{Outcome, Rejection, RequestId};

/// The format that [`State::records`](crate::State::records) writes.
pub const SNAPSHOT_FORMAT: u16 = 1;

/// One record of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Record {
    /// Comes first, once.
    Header {
        /// [`SNAPSHOT_FORMAT`] of the writer.
        format: u16,
        /// Which cluster.
        cluster_id: ClusterId,
        /// The state's version.
        version: MetadataVersion,
        /// The feature level in force.
        feature_level: u16,
        /// The first producer id that was never handed out.
        next_producer_id: i64,
        /// How many broker records follow.
        brokers: usize,
        /// How many topic records follow.
        topics: usize,
        /// How many request records follow.
        requests: usize,
        /// The state's digest.
        digest: u64,
    },
    /// A broker.
    Broker {
        /// The broker.
        broker: Broker,
    },
    /// A topic with its partitions.
    Topic {
        /// The topic.
        topic: Arc<Topic>,
    },
    /// A remembered request, the oldest first.
    Request {
        /// Its key.
        request_id: RequestId,
        /// When it was remembered, by the leader's clock, in Unix milliseconds.
        time_ms: u64,
        /// Fingerprint of its command.
        fingerprint: u64,
        /// What it was answered.
        result: Result<Outcome, Rejection>,
    },
}

/// Why records make no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError<E> {
    /// Reading the next record failed.
    #[error("{0}")]
    Source(E),
    /// The first record is not a header, or a later one is.
    #[error("snapshot record {position}: expected {expected}")]
    Misplaced {
        /// Which record, from 0.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// Written by a newer build.
    #[error("snapshot format {found} is not known to this build, which reads up to {SNAPSHOT_FORMAT}")]
    UnknownFormat {
        /// The header's format.
        found: u16,
    },
    /// Other than the header promised.
    #[error("snapshot holds {found} {what} where its header says {expected}")]
    Count {
        /// Records of which kind.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The records do not give the state they were written from.
    #[error("snapshot digest is {found:016x} where its header says {expected:016x}")]
    Digest {
        /// The header's.
        expected: u64,
        /// The rebuilt state's.
        found: u64,
    },
    /// The rebuilt state cannot be.
    #[error("snapshot breaks an invariant: {0}")]
    Invariant(String),
}
