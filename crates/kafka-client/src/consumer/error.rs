//! Partitions that cannot be read.

use std::sync::Arc;

use commit_log::batch::BatchError;
use common::{Offset, PartitionId};
use kafka_wire::ErrorCode;

use crate::cluster::ClusterError;

/// A partition that cannot be read. The consumer leaves it alone until it is told to [seek](super::Consumer::seek), and
/// goes on with the others.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsumeError {
    /// There is no such offset: deleted already, or not written yet.
    #[error("{topic}-{partition} has no offset {offset}")]
    OffsetOutOfRange {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// The offset that was to be read.
        offset: Offset,
    },
    /// The broker refuses, in a way that waiting does not help, or did not help.
    #[error("{topic}-{partition} cannot be read at offset {offset}: {code}")]
    Refused {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// The offset that was to be read.
        offset: Offset,
        /// Why.
        code: ErrorCode,
    },
    /// It has a batch that is larger than any answer may be.
    #[error(
        "{topic}-{partition} cannot be read at offset {offset}: an answer with its next batch has {size_bytes} bytes, \
         allowed are {answer_bytes_max}"
    )]
    TooLong {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// The offset that was to be read.
        offset: Offset,
        /// What the broker was about to send.
        size_bytes: usize,
        /// [`ConnectionOptions::answer_bytes_max`](crate::ConnectionOptions::answer_bytes_max).
        answer_bytes_max: usize,
    },
    /// What came is no valid batch.
    #[error("{topic}-{partition} has an unreadable batch at offset {offset}: {source}")]
    Unreadable {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// The offset that was to be read.
        offset: Offset,
        /// What is wrong.
        source: BatchError,
    },
    /// Its leader cannot be found or reached.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
