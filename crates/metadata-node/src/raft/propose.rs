//! Writing: a proposal, its commit, its outcome.

use std::sync::atomic::Ordering;

use metadata_core::{Decided, Proposal};
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::{Instant, timeout_at};

use super::consensus::{Consensus, Inner};
use super::settings::{COMMAND_BYTES_MAX, WAITING_PROPOSALS_MAX};
use super::types::{LogCommand, TypeConfig};
use super::{LeaderHint, ProposeError};

/// What became of one attempt to write.
enum Attempt {
    Decided(Decided),
    Failed(ProposeError),
    /// Nothing was proposed, because a quorum has not confirmed this leader yet.
    TooEarly,
}

/// Counts a waiting proposal for as long as it lives, also when its caller goes away.
struct Waiting<'a>(&'a Inner);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Consensus {
    /// Commits `proposal` and applies it. Waits for at most [`Timings::wait_max`](super::settings::Timings::wait_max):
    /// see [`ProposeError::OutcomeUnknown`].
    pub async fn propose(&self, proposal: Proposal) -> Result<Decided, ProposeError> {
        let inner = &*self.inner;
        let waiting = inner.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(inner);
        if waiting >= WAITING_PROPOSALS_MAX {
            return Err(ProposeError::Overloaded { waiting });
        }
        let command = LogCommand::new(proposal)
            .expect("a proposal has string keys and no failing serializers, so it is always JSON");
        let bytes = command.json().get().len();
        if bytes > COMMAND_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes, bound: COMMAND_BYTES_MAX });
        }
        let started = Instant::now();
        let result = inner.propose(command, started).await;
        match &result {
            Ok(_) => inner.figures.committed(started.elapsed()),
            Err(ProposeError::OutcomeUnknown { .. }) => inner.figures.add_proposals_unknown(1),
            Err(_) => {}
        }
        result
    }
}

impl Inner {
    /// A leader that was just elected accepts writes only once a quorum has acknowledged it, a matter of milliseconds:
    /// a proposal that comes in between waits for that instead of failing. Nothing has been proposed then.
    async fn propose(&self, command: LogCommand, started: Instant) -> Result<Decided, ProposeError> {
        let deadline = started + self.timings.wait_max();
        let mut hint = self.hint.clone();
        match self.attempt(command.clone(), started, deadline).await {
            Attempt::Decided(decided) => return Ok(decided),
            Attempt::Failed(error) => return Err(error),
            Attempt::TooEarly => {}
        }
        let confirmed = Instant::now() + self.timings.election_max;
        let established = hint.wait_for(|hint| hint.is_self || hint.leader.is_some());
        // Neither the end of the wait nor a closed channel changes what is done next.
        let _ = timeout_at(confirmed.min(deadline), established).await;
        match self.attempt(command, started, deadline).await {
            Attempt::Decided(decided) => Ok(decided),
            Attempt::Failed(error) => Err(error),
            Attempt::TooEarly => Err(ProposeError::NotController(self.no_leader())),
        }
    }

    async fn attempt(&self, command: LogCommand, started: Instant, deadline: Instant) -> Attempt {
        let unknown = || {
            let waited_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            Attempt::Failed(ProposeError::OutcomeUnknown { waited_ms })
        };
        let Ok(written) = timeout_at(deadline, self.raft.client_write(command)).await else {
            return unknown();
        };
        match written {
            Ok(response) => match response.data {
                Some(decided) => Attempt::Decided(decided),
                // Only blanks and memberships are applied without a decision.
                None => unknown(),
            },
            Err(RaftError::APIError(error)) => self.refused(error).unwrap_or_else(unknown),
            // The core stopped; the entry may have been written, sent and committed before.
            Err(RaftError::Fatal(_)) if self.is_stopped() => unknown(),
            Err(RaftError::Fatal(_)) => Attempt::Failed(ProposeError::ShuttingDown),
        }
    }

    /// What a refusal means; `None`: it was proposed, and its entry's fate is unknown.
    fn refused(&self, error: ClientWriteError<TypeConfig>) -> Option<Attempt> {
        match error {
            ClientWriteError::ForwardToLeader(forward) => {
                let leads = self.raft.server_metrics().borrow_watched().state == ServerState::Leader;
                Some(if leads && forward.leader_id.is_none() {
                    Attempt::TooEarly
                } else {
                    Attempt::Failed(ProposeError::NotController(self.other_leader()))
                })
            }
            ClientWriteError::LogEntryDiscarded(_) => None,
            // Neither is an answer to a plain write.
            ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_) => None,
        }
    }

    /// Who leads, for a caller who was told that this node does not.
    pub(super) fn other_leader(&self) -> LeaderHint {
        let hint = self.hint.borrow().clone();
        if hint.is(self.identity.node_id()) { self.no_leader() } else { hint }
    }

    fn no_leader(&self) -> LeaderHint {
        LeaderHint { leader: None, term: self.hint.borrow().term, is_self: false }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.raft.metrics().borrow_watched().running_state.is_err()
    }
}
