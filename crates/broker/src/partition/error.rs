//! What a partition cannot do, and why.

use std::ops::Range;

use commit_log::{LogError, Refused};
use common::{LeaderEpoch, Offset};
use replica::{FetchRefused, NotAvailable, NotEnoughReplicas, ProduceRefused, WrongEpoch};
use thiserror::Error;

/// Why a partition does not do what it was asked to. Every variant has one error code of Kafka's, see `kafka::errors`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PartitionError {
    /// This broker has no replica of it.
    #[error("this broker has no replica of the partition")]
    Unknown,
    /// This broker does not lead it, or has not read its log yet.
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// The caller knows an older leader.
    #[error("leader epoch {given} is older than {current}")]
    FencedLeaderEpoch {
        /// Of the caller.
        given: LeaderEpoch,
        /// In force.
        current: LeaderEpoch,
    },
    /// The caller knows a newer leader: this broker is behind.
    #[error("leader epoch {given} is newer than {current}, the latest known here")]
    UnknownLeaderEpoch {
        /// Of the caller.
        given: LeaderEpoch,
        /// Known here.
        current: LeaderEpoch,
    },
    /// An earlier life of a broker that has registered again since.
    #[error("the broker has registered again since")]
    StaleBrokerEpoch,
    /// There is no such offset.
    #[error("offset {offset} is not between {} and {}", range.start, range.end)]
    OffsetOutOfRange {
        /// What was asked for.
        offset: Offset,
        /// What there is.
        range: Range<Offset>,
    },
    /// A leader that was just elected does not know yet how far its followers are.
    #[error("the leader does not know the high watermark yet")]
    OffsetNotAvailable,
    /// acks=all is not possible now; nothing was appended.
    #[error("{in_sync} replicas are in sync, min.insync.replicas is {needed}")]
    NotEnoughReplicas {
        /// In-sync replicas.
        in_sync: usize,
        /// `min.insync.replicas`.
        needed: usize,
    },
    /// It was appended, but then there were too few in-sync replicas.
    #[error("appended, but fewer than min.insync.replicas are in sync now")]
    NotEnoughReplicasAfterAppend,
    /// It was appended, but is not safe yet.
    #[error("appended, but not on every in-sync replica yet")]
    TimedOut,
    /// The batch is not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The disk failed, or what is on it is damaged.
    #[error("{0}")]
    Storage(String),
    /// The disk takes no records, or had no space for these: they are not in the log.
    #[error("{0}; nothing was appended")]
    NothingAppended(String),
}

impl PartitionError {
    /// The same, of a batch that is certainly not in the log.
    pub(super) fn before_append(self) -> Self {
        match self {
            Self::Storage(why) => Self::NothingAppended(why),
            other => other,
        }
    }
}

impl From<WrongEpoch> for PartitionError {
    fn from(error: WrongEpoch) -> Self {
        match error {
            WrongEpoch::Fenced { asked, current } => Self::FencedLeaderEpoch { given: asked, current },
            WrongEpoch::Unknown { asked, current } => Self::UnknownLeaderEpoch { given: asked, current },
        }
    }
}

impl From<ProduceRefused> for PartitionError {
    fn from(refused: ProduceRefused) -> Self {
        match refused {
            ProduceRefused::NotEnoughReplicas(NotEnoughReplicas { in_sync, needed }) => {
                Self::NotEnoughReplicas { in_sync, needed }
            }
            ProduceRefused::CutOff => Self::NotLeader,
        }
    }
}

impl From<FetchRefused> for PartitionError {
    fn from(refused: FetchRefused) -> Self {
        match refused {
            FetchRefused::Epoch(wrong) => wrong.into(),
            FetchRefused::NotAReplica(_) => Self::NotLeader,
            FetchRefused::StaleBrokerEpoch { .. } => Self::StaleBrokerEpoch,
            FetchRefused::OutOfRange { asked, log_start, log_end } => {
                Self::OffsetOutOfRange { offset: asked, range: log_start..log_end }
            }
        }
    }
}

impl From<NotAvailable> for PartitionError {
    fn from(_: NotAvailable) -> Self {
        Self::OffsetNotAvailable
    }
}

impl From<LogError> for PartitionError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::OutOfRange { offset, range } => Self::OffsetOutOfRange { offset, range },
            LogError::Fenced(_) | LogError::Disk(_) | LogError::Damaged(_) | LogError::Format { .. } => {
                Self::Storage(error.to_string())
            }
        }
    }
}
