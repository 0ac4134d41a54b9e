//! What is due now and then: syncs that wait for their time, followers that fell behind, records and producers that are
//! too old.

use std::sync::Arc;

use commit_log::LogOptions;
use replica::Replica;

use super::{
    Partition, PartitionError,
    state::{Running, State, View},
};

impl Partition {
    /// What is due every second. `tail_bytes` is its share of the memory for last batches.
    pub(super) fn look_after(self: &Arc<Self>, tail_bytes: usize) {
        let now = self.services.now();
        let mut state = self.lock();
        state.waiting.forget_gone();
        let queued = state.flush_queued;
        let Ok(running) = state.running() else { return };
        if running.log.options().tail_bytes != tail_bytes {
            running.log.set_options(LogOptions { tail_bytes, ..running.log.options().clone() });
        }
        let flush = !queued && running.log.fence().is_none() && running.is_sync_due(now.steady_ms);
        let Running { log, replica, .. } = running;
        if let Replica::Leader(leader) = replica {
            leader.set_in_session(self.services.is_in_session(now));
            let is_cut_off = leader.is_cut_off(now.steady_ms);
            let effects = leader.tick(&View(log), now.steady_ms);
            self.act(&mut state, effects);
            if is_cut_off {
                self.send_away(&mut state);
            }
        }
        if flush {
            state.flush_queued = true;
            self.services.flush.push(Arc::clone(self));
        }
    }

    /// Whoever waits here shall look for the leader elsewhere: what it waits for needs a follower that may never come back.
    fn send_away(&self, state: &mut State) {
        state.waiting.fail(&PartitionError::NotLeader);
        self.wake_all();
    }

    /// Deletes a little of what the topic no longer wants; true if there may be more. `may_delete`: whether the wall clock
    /// can be believed. Blocks.
    pub(super) fn retain(self: &Arc<Self>, may_delete: bool) -> bool {
        let now = self.services.now();
        let expiration: i64 = self.services.config.number("producer.id.expiration.ms");
        let mut state = self.lock();
        let Ok(Running { log, replica, retention, .. }) = state.running() else { return false };
        if log.fence().is_some() {
            return false;
        }
        if may_delete {
            log.expire_producers(now.wall_ms.saturating_sub(expiration));
        }
        // A follower deletes what its leader deleted.
        let (Some(retention), Replica::Leader(leader)) = (retention.as_ref(), &*replica) else {
            return false;
        };
        let retention = *retention;
        let wall_ms = may_delete.then_some(now.wall_ms);
        match log.retain(&retention, wall_ms, leader.high_watermark()) {
            Ok(0) => false,
            Ok(segments) => {
                tracing::info!(
                    event = "partition.retained", partition = %self.name(), segments, log_start = %log.log_start(),
                    "deleted old segments",
                );
                self.confirmed(&mut state);
                true
            }
            Err(error) => {
                self.storage_failed(&mut state, &error);
                false
            }
        }
    }
}
