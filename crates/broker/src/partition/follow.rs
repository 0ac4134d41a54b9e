//! What a fetcher does to a replica that follows: asks what to fetch, and hands in what came.

use std::sync::Arc;

use bytes::Bytes;
use commit_log::LogError;
use common::{BrokerId, Offset};
use replica::{FetchAnswer, FetchPosition, Replica, Step};

use super::{
    Partition, PartitionError,
    state::{Running, State, View},
};

/// What a replica asks its leader for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextFetch {
    /// This.
    Ask {
        /// From where on.
        position: FetchPosition,
        /// Whether the metadata have it in the ISR: the leader, and with it producers, wait for it.
        in_isr: bool,
        /// Whether its topic wants its replication throttled here, unless it is in sync.
        throttled: bool,
    },
    /// Nothing until its disk has what it got: see [`Partition::watch`].
    NotSafeYet,
    /// Nothing: it leads, nobody does, its disk failed, or its log is about to be emptied.
    Nothing,
}

/// What came of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken in; the next fetch is due once it is durable, see [`Partition::watch`].
    Progress,
    /// It was of no use: ask again, but not at once.
    Nothing,
    /// The leader lacks records that were committed: see [`Step::CommittedLost`]. Nothing was cut.
    CommittedLost {
        /// Where the leader wants the log to end.
        to: Offset,
    },
}

impl Partition {
    /// Whom it follows; `None` for a leader, while nobody leads, and before its log is open.
    pub fn following(&self) -> Option<BrokerId> {
        match self.lock().running() {
            Ok(Running { replica: Replica::Follower(follower), .. }) => follower.leader(),
            _ => None,
        }
    }

    /// What to fetch next.
    pub fn next_fetch(&self) -> NextFetch {
        let me = self.services.settings.broker_id;
        let mut state = self.lock();
        let in_isr = state.wanted.assignment.partition.isr.contains(&me);
        let throttled = state.wanted.config.follower_throttled_replicas.contains(self.name().partition, me);
        let is_counted_on = state.wanted.assignment.counts_on(me);
        let Ok(Running { log, replica: Replica::Follower(follower), renewing, fetched_in, .. }) =
            state.running()
        else {
            return NextFetch::Nothing;
        };
        if *renewing && !is_counted_on {
            return NextFetch::Nothing;
        }
        match follower.next_fetch(&View(log)) {
            Some(position) => {
                *fetched_in = Some(position.leader_epoch);
                NextFetch::Ask { position, in_isr, throttled }
            }
            None if follower.leader().is_some() && log.fence().is_none() => NextFetch::NotSafeYet,
            None => NextFetch::Nothing,
        }
    }

    /// The leader answered `asked`, with these records. Blocks if the log has to be cut.
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn fetched(
        self: &Arc<Self>,
        asked: &FetchPosition,
        answer: &FetchAnswer,
        records: &Bytes,
    ) -> Result<Taken, PartitionError> {
        let mut state = self.lock();
        let Running { log, replica: Replica::Follower(follower), .. } = state.running()? else {
            return Ok(Taken::Nothing);
        };
        let mut moved = None;
        let (changed, taken) = match follower.fetched(asked, answer, &View(log)) {
            Step::Append => {
                let FetchAnswer::Records { high_watermark, log_start } = *answer else {
                    return Ok(Taken::Nothing);
                };
                if !records.is_empty() {
                    log.append_replicated(records).map_err(|error| self.not_appended(error))?;
                }
                let progress = follower.appended(high_watermark, log_start, &View(log));
                if let Some(high_watermark) = progress.high_watermark {
                    log.note_replicated(high_watermark);
                }
                if let Some(start) = progress.log_start {
                    moved = Some(log.plan_start(start));
                }
                (Ok(()), Taken::Progress)
            }
            Step::Truncate { to } => (log.truncate(to).map(drop), Taken::Progress),
            Step::Reset { to } => (log.reset(to), Taken::Progress),
            Step::CommittedLost { to } => (Ok(()), Taken::CommittedLost { to }),
            Step::Nothing => (Ok(()), Taken::Nothing),
        };
        follower.truncated(&View(log));
        self.after_change(&mut state, changed)?;
        drop(state);
        moved.map_or(Ok(0), |job| self.start_moved(job))?;
        Ok(taken)
    }

    /// The log was appended to, cut or emptied.
    pub(super) fn after_change(
        self: &Arc<Self>,
        state: &mut State,
        changed: Result<(), LogError>,
    ) -> Result<(), PartitionError> {
        if let Err(error) = changed {
            self.storage_failed(state, &error);
            return Err(error.into());
        }
        self.grown(state);
        Ok(())
    }

    fn not_appended(&self, error: commit_log::ReplicaError) -> PartitionError {
        match error {
            commit_log::ReplicaError::Log(error) => error.into(),
            error => {
                tracing::warn!(
                    event = "partition.fetch_refused", partition = %self.name(),
                    "the leader sent what does not fit: {error}",
                );
                PartitionError::Storage(error.to_string())
            }
        }
    }
}
