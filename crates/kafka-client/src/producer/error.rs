//! Records that are not known to be written.

use std::sync::Arc;

use common::PartitionId;
use kafka_wire::ErrorCode;

use crate::cluster::ClusterError;

/// A record that is not known to be written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProduceError {
    /// The broker refused it: it is not written.
    #[error("{topic}-{partition} refuses the record: {code}{}", .message.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// Why.
        code: ErrorCode,
        /// In words, if the broker says so.
        message: Option<Arc<str>>,
    },
    /// No broker took it in time: it is not written.
    #[error("{topic}-{partition}: the record was not written: {why}")]
    NotWritten {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// What a broker said last, if one did.
        code: Option<ErrorCode>,
        /// What was in the way last.
        why: Arc<str>,
    },
    /// A broker may have written it, and none says so.
    #[error("{topic}-{partition}: nobody knows whether the record was written: {why}")]
    Unknown {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionId,
        /// What was in the way last.
        why: Arc<str>,
    },
    /// Too large for any request: it was not sent.
    #[error("a record of {size_bytes} bytes is larger than a request of {request_bytes_max} bytes")]
    TooLarge {
        /// About how large it is.
        size_bytes: usize,
        /// The most that a request may have.
        request_bytes_max: usize,
    },
    /// Its partition cannot be found: it was not sent.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl ProduceError {
    /// Whether the record may be written nonetheless, now or later.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}
