//! When records are committed.
//!
//! The high watermark is the smallest position of all that are in the ISR, or would be if the change that was asked for
//! has been made already (the union rule): whoever the controllers may elect has everything below it. It stands still
//! while the ISR is smaller than `min.insync.replicas` (KIP-966): what is committed is on that many disks.

use common::{BrokerId, Offset};

use super::state::{FollowerState, Leader};
use crate::ReplicaLog;

impl Leader {
    /// Moves the high watermark up as far as it may; its new value if it moved.
    pub(super) fn advance(&mut self, log: &impl ReplicaLog, now_ms: i64) -> Option<Offset> {
        if self.is_under_min_isr() {
            return None;
        }
        let mut committed = log.confirmed();
        for (id, follower) in &self.followers {
            let counts = self.may_be_in_isr(*id) || self.about_to_join(*id, follower, log, now_ms);
            if counts {
                committed = committed.min(follower.log_end?);
            }
        }
        if committed <= self.high_watermark {
            return None;
        }
        self.high_watermark = committed;
        Some(committed)
    }

    /// Whether all that earlier leaders may have acknowledged is known to be committed. Until then the high watermark
    /// may lag behind what consumers saw of the former leader: "the latest offset" has no answer yet, and whoever keeps
    /// its state in this partition (coordinators) must not act on it.
    pub fn is_ready(&self) -> bool {
        self.high_watermark >= self.epoch_start
    }

    /// Whether the ISR is too small for anything to become committed.
    pub fn is_under_min_isr(&self) -> bool {
        self.isr.len() < self.min_insync_replicas()
    }

    /// `min.insync.replicas`, but never more than there are replicas.
    pub fn min_insync_replicas(&self) -> usize {
        self.settings.min_insync_replicas.min(self.replicas.len())
    }

    /// Whether the controllers may count `id` in the ISR now: it is in it, or a change that adds it is under way.
    pub(super) fn may_be_in_isr(&self, id: BrokerId) -> bool {
        self.isr.contains(&id) || self.change.adds(id)
    }

    /// A follower that keeps up but is not in the ISR: the high watermark waits for it as if it were, or it could run
    /// ahead of it for ever.
    fn about_to_join(
        &self,
        id: BrokerId,
        follower: &FollowerState,
        log: &impl ReplicaLog,
        now_ms: i64,
    ) -> bool {
        follower.log_end.is_some_and(|end| end >= self.epoch_start)
            && self.is_eligible(id, follower)
            && self.is_caught_up(follower, log, now_ms)
    }

    /// Whether the follower had all there was within the last `replica_lag_time_max_ms`.
    pub(super) fn is_caught_up(&self, follower: &FollowerState, log: &impl ReplicaLog, now_ms: i64) -> bool {
        let has_all = follower.log_end.is_some_and(|end| end >= log.log_end());
        let recently = |at: i64| now_ms.saturating_sub(at) <= self.settings.replica_lag_time_max_ms;
        has_all || follower.caught_up_ms.is_some_and(recently)
    }

    /// Whether it is ONLINE, and the registration that is ONLINE is the one that fetched.
    pub(super) fn is_eligible(&self, id: BrokerId, follower: &FollowerState) -> bool {
        follower.broker_epoch.is_some() && follower.broker_epoch == self.online.get(&id).copied()
    }
}
