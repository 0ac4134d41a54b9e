//! For coordinators, whose state is the log of a partition that this broker leads: they write to it, and read all of it
//! back. Everything is tied to one leader epoch, so that nothing of an earlier one is written after the log went another way.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use commit_log::Origin;
use common::{LeaderEpoch, Offset};
use replica::Acks;

use super::{Partition, PartitionError, Produced};

impl Partition {
    /// Appends a batch of the system itself: safe once it is committed.
    ///
    /// # Errors
    /// As [`Partition::produce`]; [`PartitionError::NotLeader`] also in any other epoch.
    pub fn append_internal(
        self: &Arc<Self>,
        batch: Bytes,
        epoch: LeaderEpoch,
    ) -> Result<Produced, PartitionError> {
        self.append(batch, Acks::All, Origin::Internal, Some(epoch))
    }

    /// Whether [`Partition::append_internal`] would take a batch now.
    ///
    /// # Errors
    /// Why not.
    pub fn may_append(&self, epoch: LeaderEpoch) -> Result<(), PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let (log, leader) = state.running()?.serving(&self.services, now)?;
        if epoch != leader.leader_epoch() {
            return Err(PartitionError::NotLeader);
        }
        leader.check_produce(Acks::All, now.steady_ms)?;
        match log.fence() {
            Some(fence) => Err(PartitionError::Storage(fence.to_string())),
            None => Ok(()),
        }
    }

    /// Where the log of this leader starts and ends now.
    ///
    /// # Errors
    /// [`PartitionError::NotLeader`], also in any other epoch.
    pub fn led_log(&self, epoch: LeaderEpoch) -> Result<Range<Offset>, PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let (log, leader) = state.running()?.serving(&self.services, now)?;
        if epoch != leader.leader_epoch() {
            return Err(PartitionError::NotLeader);
        }
        Ok(log.log_start()..log.log_end())
    }
}
