//! Reading what is current: ReadIndex (Raft thesis 6.4), never a lease, so that no clock decides what a reader sees.

use std::time::Duration;

use openraft::errors::{LinearizableReadError, RaftError};
use openraft::raft::ReadPolicy;
use tokio::time::{Instant, timeout_at};

use super::consensus::{Consensus, Inner};
use super::types::Member;
use super::{LeaderHint, ReadError};

impl Consensus {
    /// Returns once the state applied here holds everything that was acknowledged before the call. Works on the
    /// leader and on followers; fails within [`Timings::wait_max`](super::settings::Timings::wait_max).
    pub async fn linearizable(&self) -> Result<(), ReadError> {
        let inner = &*self.inner;
        let started = Instant::now();
        let deadline = started + inner.timings.wait_max();
        let mut progress = inner.published.watch_progress();
        let mut hints = inner.hint.clone();
        loop {
            let hint = hints.borrow_and_update().clone();
            let read_index = inner.read_index(&hint, deadline).await?;
            if let Some(read_index) = read_index {
                let applied = progress.wait_for(|progress| progress.index >= read_index);
                if let Ok(Ok(_)) = timeout_at(deadline, applied).await {
                    return Ok(());
                }
            }
            // Worth another try only under another leader.
            if !matches!(timeout_at(deadline, hints.changed()).await, Ok(Ok(()))) {
                let waited_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(ReadError::NotCurrent { hint: self.leader(), waited_ms });
            }
        }
    }

    /// For a follower that asks: a read index, if this node leads and a quorum confirms it.
    pub(crate) async fn local_read_index(&self) -> Result<Option<u64>, ReadError> {
        self.inner.local_read_index().await
    }
}

impl Inner {
    async fn local_read_index(&self) -> Result<Option<u64>, ReadError> {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(Some(linearizer.read_log_id().index())),
            Err(RaftError::APIError(
                LinearizableReadError::ForwardToLeader(_) | LinearizableReadError::QuorumNotEnough(_),
            )) => Ok(None),
            Err(RaftError::Fatal(_)) => Err(ReadError::ShuttingDown),
        }
    }

    /// From this node if it leads, else from the leader. `None`: nobody confirmed one.
    async fn read_index(&self, hint: &LeaderHint, deadline: Instant) -> Result<Option<u64>, ReadError> {
        let Some(leader) = &hint.leader else { return Ok(None) };
        if leader.id == self.identity.node_id() {
            return timeout_at(deadline, self.local_read_index()).await.unwrap_or(Ok(None));
        }
        let member = Member { url: leader.url.to_string(), storage_id: None };
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let answer = self.peers.client(leader.id, member).read_index(left).await;
        Ok(answer.ok().and_then(|answer| answer.read_index))
    }
}
