//! The facade.

use std::sync::Arc;

use common::{MetadataVersion, NodeId};
use metadata_core::{Event, Proposal, State, outcome::Decided};
use tokio::sync::watch;

use super::{LeaderHint, LogEntryView, MembershipError, ProposeError, RaftStatus, ReadError};

/// A node's place in the quorum. Cheap to clone; all clones are the same node.
#[derive(Clone)]
pub struct Consensus {
    _inner: Arc<()>,
}

impl Consensus {
    /// Commits `proposal` and applies it. Bounded wait (see [`ProposeError::OutcomeUnknown`]).
    pub async fn propose(&self, _proposal: Proposal) -> Result<Decided, ProposeError> {
        todo!()
    }

    /// Returns once the state applied here holds everything that was acknowledged before the call (ReadIndex,
    /// Raft thesis 6.4; no lease). Works on the leader and on followers.
    pub async fn linearizable(&self) -> Result<(), ReadError> {
        todo!()
    }

    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        todo!()
    }

    /// Who leads.
    pub fn leader(&self) -> LeaderHint {
        todo!()
    }

    /// Follows who leads.
    pub fn watch_leader(&self) -> watch::Receiver<LeaderHint> {
        todo!()
    }

    /// Reads the applied state under a short read lock: copy out what is needed (`Arc`s), serialize after.
    pub fn read<R>(&self, _f: impl FnOnce(&State) -> R) -> R {
        todo!()
    }

    /// The events after `version`, or `None` if they are not held any more: give a full image.
    pub fn deltas_since(&self, _version: MetadataVersion) -> Option<Vec<(MetadataVersion, Arc<Event>)>> {
        todo!()
    }

    /// Follows the applied metadata version.
    pub fn watch_version(&self) -> watch::Receiver<MetadataVersion> {
        todo!()
    }

    /// A copy of the Raft state.
    pub fn status(&self) -> RaftStatus {
        todo!()
    }

    /// Log entries from index `from` on, at most `limit`, oldest first.
    pub async fn log_entries(&self, _from: u64, _limit: usize) -> Result<Vec<LogEntryView>, ReadError> {
        todo!()
    }

    /// Adds a node: as a learner until it keeps up, then as a voter.
    pub async fn add_member(&self, _id: NodeId, _url: String) -> Result<RaftStatus, MembershipError> {
        todo!()
    }

    /// Removes a node for ever: its id is never used again.
    pub async fn remove_member(&self, _id: NodeId) -> Result<RaftStatus, MembershipError> {
        todo!()
    }

    /// Hands leadership to `to`, or to the follower that is furthest on. Returns the new leader's hint.
    pub async fn transfer_leader(&self, _to: Option<NodeId>) -> Result<LeaderHint, MembershipError> {
        todo!()
    }
}
