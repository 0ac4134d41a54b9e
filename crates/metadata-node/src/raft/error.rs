//! What can go wrong when asking the quorum. A rejection by the state machine is no error here: it is an outcome.

use common::NodeId;

use super::LeaderHint;

/// Why a proposal got no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// This node does not lead; nothing was proposed.
    #[error("this node is not the controller")]
    NotController(LeaderHint),
    /// It was proposed, and whether it commits is not known: leadership was lost, or no quorum answered in time.
    #[error("the outcome is unknown after {waited_ms} ms: the entry may or may not commit")]
    OutcomeUnknown {
        /// How long the caller waited, in ms.
        waited_ms: u64,
    },
    /// The command is larger than one log entry may be; nothing was proposed.
    #[error("the command has {bytes} bytes, more than the {bound} that one log entry may have")]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// The bound.
        bound: usize,
    },
    /// Too many proposals wait already; nothing was proposed.
    #[error("{waiting} proposals wait already")]
    Overloaded {
        /// How many wait.
        waiting: usize,
    },
    /// The node is stopping, or its Raft core has stopped; nothing was proposed.
    #[error("the node is shutting down")]
    ShuttingDown,
}

/// Why a linearizable read could not be served.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// No quorum confirmed the read index in time, or no leader is known.
    #[error("could not confirm a current state within {waited_ms} ms")]
    NotCurrent {
        /// Who leads, as far as known.
        hint: LeaderHint,
        /// How long the caller waited, in ms.
        waited_ms: u64,
    },
    /// The node is stopping, or its Raft core has stopped.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// The database could not be read.
    #[error("storage: {0}")]
    Storage(String),
}

/// Why the membership was not changed, or leadership not handed over.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MembershipError {
    /// This node does not lead.
    #[error("this node is not the controller")]
    NotController(LeaderHint),
    /// Not a member.
    #[error("node {0} is not a member")]
    UnknownMember(NodeId),
    /// Already a member.
    #[error("node {0} is a member already")]
    AlreadyMember(NodeId),
    /// Ids are never reused: a node that comes back empty could vote against what it once acknowledged.
    #[error("node id {0} was a member before and cannot be used again: give the node a new id")]
    IdUsed(NodeId),
    /// The last voter cannot go.
    #[error("node {0} is the last voter and cannot be removed")]
    LastVoter(NodeId),
    /// Leadership can only go to a voter that keeps up.
    #[error("node {id} cannot take over: {reason}")]
    CannotLead {
        /// Who.
        id: NodeId,
        /// Why not.
        reason: String,
    },
    /// Another change is going on.
    #[error("another membership change is in progress")]
    InProgress,
    /// The node could not be reached, is another one, or belongs to another cluster.
    #[error("node {id} at {url}: {reason}")]
    Unusable {
        /// Who.
        id: NodeId,
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The change was proposed, and how it ended is not known.
    #[error("the outcome is unknown after {waited_ms} ms")]
    OutcomeUnknown {
        /// How long the caller waited, in ms.
        waited_ms: u64,
    },
    /// The node is stopping, or its Raft core has stopped.
    #[error("the node is shutting down")]
    ShuttingDown,
}
