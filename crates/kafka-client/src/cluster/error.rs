//! Why a client cannot find what it looks for in a cluster.

use common::{BrokerId, PartitionId};
use kafka_wire::ErrorCode;

use crate::connection::CallError;

/// Something is not known of the cluster, or not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// None of the brokers that are known answers.
    #[error("no broker answers: {}", .tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoBroker {
        /// What each of them said.
        tried: Vec<CallError>,
    },
    /// The cluster has no such broker, or does not say where it listens.
    #[error("broker {0} is not in the cluster's metadata")]
    UnknownBroker(BrokerId),
    /// A topic that cannot be used.
    #[error("topic `{topic}`: {code}")]
    Topic {
        /// Its name.
        topic: String,
        /// What the broker says.
        code: ErrorCode,
    },
    /// A partition that the topic does not have.
    #[error("topic `{topic}` has no partition {partition}: it has {partitions}")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// How many there are.
        partitions: usize,
    },
    /// A partition that is without a leader for too long.
    #[error("partition {topic}-{partition} has no leader ({code})")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// What the broker says.
        code: ErrorCode,
    },
    /// A broker refused a request as a whole.
    #[error("{what}: {code}{}", .message.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// What was asked.
        what: String,
        /// What the broker says.
        code: ErrorCode,
        /// In words, if it says so.
        message: Option<String>,
    },
    /// A broker gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl ClusterError {
    /// Whether waiting may help.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::NoBroker { tried } => tried.iter().all(CallError::is_retriable),
            Self::UnknownBroker(_) | Self::NoLeader { .. } => true,
            Self::UnknownPartition { .. } => false,
            Self::Topic { code, .. } | Self::Refused { code, .. } => code.is_retriable(),
            Self::Call(error) => error.is_retriable(),
        }
    }
}
