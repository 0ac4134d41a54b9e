//! What a partition is at the moment. All of it is behind one lock that is held for page-cache writes, lookups and
//! counting only: what takes longer (syncs, reads, recovery) is planned here and done outside.

use std::sync::Arc;

use commit_log::{Log, Retention};
use common::{LeaderEpoch, Offset, topic_config::TopicConfig};
use replica::{Assignment, Leader, Replica, ReplicaLog};

use super::{PartitionError, Services, services::Now, waiting::Waiting};

/// What the metadata want of a replica.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Leader, ISR, epochs, and which brokers are there.
    pub assignment: Assignment,
    /// The topic's settings.
    pub config: Arc<TopicConfig>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct State {
    pub(super) stage: Stage,
    /// The latest that was heard, also while the log is not open yet.
    pub(super) wanted: Wanted,
    pub(super) waiting: Waiting,
    /// Whether the partition is in the queue of the flush threads, or in the hands of one.
    pub(super) flush_queued: bool,
    /// The same, of the threads that write checkpoints.
    pub(super) checkpoint_queued: bool,
}

/// How far a replica has got.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its log is being opened.
    Opening,
    /// It works.
    Running(Box<Running>),
    /// Its log cannot be opened.
    Failed(String),
    /// Its topic was deleted.
    Gone,
}

/// A log and what it is to the cluster.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) log: Log,
    pub(super) replica: Replica,
    pub(super) retention: Option<Retention>,
    /// More records do not wait for a sync (`flush.messages`).
    pub(super) unsynced_records_max: Option<i64>,
    /// When a log that is fenced is opened anew, on the clock that does not jump.
    pub(super) reopen_at_ms: Option<i64>,
    /// Why opening it anew did not help.
    pub(super) disk_failed: Option<String>,
    /// Since when it has its role, on the clock that does not jump.
    pub(super) in_role_since_ms: i64,
    /// Whether it leaves the ISR to be fetched anew: see [`renew`](super::renew).
    pub(super) renewing: bool,
    /// The leader epoch of the last fetch that was asked for.
    pub(super) fetched_in: Option<LeaderEpoch>,
}

impl Running {
    /// Whether the log is to be synced now. `now_ms` is a clock that does not jump.
    pub(super) fn is_sync_due(&mut self, now_ms: i64) -> bool {
        let unsynced = self.log.log_end() - self.log.durable().offset();
        self.log.flush_due(now_ms) || self.unsynced_records_max.is_some_and(|max| unsynced >= max)
    }
}

impl Running {
    /// The log and its leader, for whoever is no replica. Nobody is served by a leader that may have been replaced.
    pub(super) fn serving(
        &mut self,
        services: &Services,
        now: Now,
    ) -> Result<(&mut Log, &mut Leader), PartitionError> {
        let Replica::Leader(leader) = &mut self.replica else { return Err(PartitionError::NotLeader) };
        // As of now: whoever came here may have waited for the lock.
        leader.set_in_session(services.has_session());
        if leader.is_cut_off(now.steady_ms) {
            return Err(PartitionError::NotLeader);
        }
        Ok((&mut self.log, leader))
    }
}

impl State {
    /// The log and its role.
    pub(super) fn running(&mut self) -> Result<&mut Running, PartitionError> {
        match &mut self.stage {
            Stage::Running(running) => Ok(running),
            Stage::Opening => Err(PartitionError::NotLeader),
            Stage::Failed(why) => Err(PartitionError::Storage(why.clone())),
            Stage::Gone => Err(PartitionError::Unknown),
        }
    }
}

/// The log as its role sees it.
#[derive(Debug)]
pub(super) struct View<'a>(pub(super) &'a Log);

impl ReplicaLog for View<'_> {
    fn log_start(&self) -> Offset {
        self.0.log_start()
    }

    fn log_end(&self) -> Offset {
        self.0.log_end()
    }

    fn confirmed(&self) -> Offset {
        self.0.acknowledged()
    }

    fn takes_records(&self) -> bool {
        self.0.fence().is_none()
    }

    fn last_stable(&self, high_watermark: Offset) -> Offset {
        self.0.last_stable(high_watermark)
    }

    fn epochs(&self) -> &[(LeaderEpoch, Offset)] {
        self.0.epochs()
    }
}
