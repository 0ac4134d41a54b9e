//! Who leads, as far as this node knows.

use std::sync::Arc;

use common::{NodeId, Term};

/// Where the leader is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderAddress {
    /// Its id.
    pub id: NodeId,
    /// Base URL of its REST API, without a trailing slash.
    pub url: Arc<str>,
}

/// Who leads, as far as this node knows. A hint: only a committed write or a ReadIndex proves leadership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderHint {
    /// The leader; `None` while none is known (an election is going on, or this node cannot reach a quorum).
    pub leader: Option<LeaderAddress>,
    /// The newest term this node has seen.
    pub term: Term,
    /// This node leads and its leadership is established: an entry of its own term is committed and applied here,
    /// so that its state holds everything that was acknowledged before.
    pub is_self: bool,
}

impl LeaderHint {
    /// Whether `id` is the known leader.
    pub fn is(&self, id: NodeId) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.id == id)
    }
}
