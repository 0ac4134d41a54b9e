//! Why a member is none, or cannot commit.

use kafka_wire::ErrorCode;

use crate::{cluster::ClusterError, connection::CallError};

/// A group does not take what a member asks.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GroupError {
    /// The coordinator cannot be found or reached.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The coordinator refuses.
    #[error("group `{group_id}`: {what}: {code}")]
    Refused {
        /// The group.
        group_id: String,
        /// What was asked.
        what: &'static str,
        /// What the coordinator says.
        code: ErrorCode,
    },
    /// The member is not in its group: it has not joined yet, or lost what it had.
    #[error("the member is not in group `{group_id}` now, and has nothing")]
    NotInGroup {
        /// The group.
        group_id: String,
    },
    /// The member has ended.
    #[error("the member of group `{group_id}` has ended")]
    Ended {
        /// The group.
        group_id: String,
    },
}

impl GroupError {
    /// Whether the same may succeed later, or with another coordinator.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_retriable(),
            Self::Refused { code, .. } => passes(*code),
            Self::NotInGroup { .. } | Self::Ended { .. } => false,
        }
    }
}

impl From<CallError> for GroupError {
    fn from(error: CallError) -> Self {
        Self::Cluster(error.into())
    }
}

/// Whether a coordinator says only that it is none now.
pub(super) fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::REQUEST_TIMED_OUT
    )
}
