//! Appending what producers send, and saying when it is safe.

use std::sync::Arc;

use bytes::Bytes;
use commit_log::{Appended, Origin};
use common::{LeaderEpoch, Offset};
use replica::{Ack as Safety, Acks, Replica};

use super::{
    Partition, PartitionError,
    state::Running,
    waiting::{Ack, For},
};

/// Where a batch is now.
#[derive(Debug)]
pub struct Produced {
    /// Its offsets and its timestamp.
    pub appended: Appended,
    /// Where the log starts.
    pub log_start: Offset,
    /// Comes when it is as safe as the producer wants it. `None`: it is, or nobody waits.
    pub ack: Option<Ack>,
}

impl Partition {
    /// Appends one batch of a client. It is in the page cache then; [`Produced::ack`] tells when it is safe. Takes its time if
    /// the batch is to have [another codec](Self::recompresses).
    ///
    /// # Errors
    /// [`PartitionError`]: nothing was appended, but for [`PartitionError::Storage`], where that is not known.
    pub fn produce(self: &Arc<Self>, batch: Bytes, acks: Acks) -> Result<Produced, PartitionError> {
        let batch = self.recompressed(batch)?;
        self.append(batch, acks, Origin::Client, None)
    }

    /// Appends one batch; only in `epoch`, if one is given.
    pub(super) fn append(
        self: &Arc<Self>,
        batch: Bytes,
        acks: Acks,
        origin: Origin,
        epoch: Option<LeaderEpoch>,
    ) -> Result<Produced, PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let running = state.running().map_err(PartitionError::before_append)?;
        let (log, leader) = running.serving(&self.services, now)?;
        if epoch.is_some_and(|epoch| epoch != leader.leader_epoch()) {
            return Err(PartitionError::NotLeader);
        }
        leader.check_produce(acks, now.steady_ms)?;
        if let Some(fence) = log.fence() {
            return Err(PartitionError::Storage(fence.to_string()).before_append());
        }
        let answers = log.append(&[batch], leader.leader_epoch(), origin, now.wall_ms);
        let mut answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                self.storage_failed(&mut state, &error);
                let nothing_appended = error.nothing_appended();
                let error = PartitionError::from(error);
                return Err(if nothing_appended { error.before_append() } else { error });
            }
        };
        let appended = answers.pop().ok_or(PartitionError::Unknown)??;
        let log_start = log.log_start();
        let end = appended.last_offset + 1;
        let waits_for = match acks {
            Acks::None => None,
            Acks::Leader => (log.acknowledged() < end).then_some(For::Own),
            Acks::All => {
                (leader.ack(appended.last_offset) != Safety::Committed).then_some(For::HighWatermark)
            }
        };
        // Registered before anything can move on: the flush thread takes the same lock.
        let ack = waits_for.map(|reason| state.waiting.add(reason, end));
        self.grown(&mut state);
        Ok(Produced { appended, log_start, ack })
    }

    /// What a producer is told whose patience ends before its records are safe.
    pub fn gave_up(&self) -> PartitionError {
        match self.lock().running() {
            Ok(Running { replica: Replica::Leader(leader), .. }) if leader.is_under_min_isr() => {
                PartitionError::NotEnoughReplicasAfterAppend
            }
            _ => PartitionError::TimedOut,
        }
    }
}
