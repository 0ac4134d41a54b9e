//! Going on after the disk failed. A failed write or sync fences the log object for good; what it has is still read, but
//! nothing is added. Opening the log anew looks at the disk and keeps what is really there, so that a disk that was full
//! is used again once there is space.
//!
//! A disk that fails again then is a failed one: the replica takes itself out of the ISR, whether it leads or follows, so
//! that producers wait for it no longer and somebody else leads (Kafka: offline log directories, KIP-112 and KIP-858). It
//! comes back as any follower does, once its log opens. The last one in the ISR stays: what is committed is read from it.

use std::{path::PathBuf, sync::Arc};

use commit_log::Log;
use replica::{IsrProposal, Replica};

use super::{
    Partition,
    state::{Running, Stage, State, View},
};

/// From one try to the next.
const TRY_INTERVAL_MS: i64 = 5_000;

impl Partition {
    /// Tries to open the log anew if it is fenced. Blocks.
    pub(super) fn reopen_if_fenced(self: &Arc<Self>) {
        let Some(dir) = self.reopen_due() else { return };
        let options = match self.lock().running() {
            Ok(running) => running.log.options().clone(),
            Err(_) => return,
        };
        let opening = self.opening();
        if let Ok(running) = self.lock().running() {
            // A checkpoint that is under way must not come to the files of the next log.
            running.log.forget_jobs();
        }
        match Log::open(&dir, Arc::clone(&self.services.files), options) {
            Ok((log, _)) => self.take_over(log),
            Err(error) => {
                let said = self.disk_failed(&mut self.lock(), error.to_string());
                if !said {
                    tracing::error!(event = "partition.still_failed", partition = %self.name(), "the disk: {error}");
                }
            }
        }
        drop(opening);
        self.wake_all();
    }

    /// Why its disk is given up, if it is.
    pub fn storage_trouble(&self) -> Option<String> {
        self.lock().storage_trouble().map(str::to_owned)
    }

    /// Asks to be taken out of the ISR if its disk is given up, or its log is to be fetched anew.
    pub(super) fn leave_if_failed(self: &Arc<Self>) {
        let me = self.services.settings.broker_id;
        if self.lock().leaving(me).is_some() {
            self.services.proposals.add(self);
        }
    }

    /// Notes that opening the log did not help. Whether that was known.
    fn disk_failed(&self, state: &mut State, why: String) -> bool {
        let Ok(running) = state.running() else { return true };
        running.disk_failed.replace(why).is_some()
    }

    /// The directory of a log that is to be opened anew now.
    fn reopen_due(&self) -> Option<PathBuf> {
        let now_ms = self.services.now().steady_ms;
        let mut state = self.lock();
        if state.flush_queued {
            // A sync that is under way still might fail, and be the only one that is told.
            return None;
        }
        let running = state.running().ok()?;
        running.log.fence()?;
        if running.reopen_at_ms.is_some_and(|at| now_ms < at) {
            return None;
        }
        running.reopen_at_ms = Some(now_ms.saturating_add(TRY_INTERVAL_MS));
        Some(running.log.dir().to_owned())
    }

    /// Goes on with what was on disk. A leader that lost records it had must not give their offsets to others: followers
    /// may have them, in this very epoch. It goes on in another epoch, as a follower. Who lost what it vouched for goes on
    /// only after a restart, whose registration takes that back.
    fn take_over(self: &Arc<Self>, log: Log) {
        let mut state = self.lock();
        let Ok(running) = state.running() else { return };
        let vouched_for = running.log.acknowledged();
        let leads = matches!(running.replica, Replica::Leader(_));
        let gone = if log.log_end() < vouched_for {
            Some(format!("records up to {vouched_for} were safe, and are gone: restart the broker"))
        } else if leads && log.log_end() < running.log.log_end() {
            Some("records that were not synced are gone: another replica has to lead".to_owned())
        } else {
            None
        };
        if let Some(why) = gone {
            let said = self.disk_failed(&mut state, why.clone());
            if !said {
                tracing::error!(event = "partition.still_failed", partition = %self.name(), "{why}");
            }
            return;
        }
        tracing::info!(
            event = "partition.reopened", partition = %self.name(), log_end = %log.log_end(),
            "the disk works again: the log takes records",
        );
        running.log = log;
        running.disk_failed = None;
        if let Running { log, replica: Replica::Follower(follower), .. } = running {
            follower.truncated(&View(log));
        }
        self.grown(&mut state);
    }
}

impl State {
    /// Why its disk is given up, if it is.
    pub(super) fn storage_trouble(&self) -> Option<&str> {
        match &self.stage {
            Stage::Failed(why) => Some(why),
            Stage::Running(running) => running.disk_failed.as_deref(),
            Stage::Opening | Stage::Gone => None,
        }
    }

    /// The ISR without `me`, if its disk is given up or its log is to be fetched anew, and others are in sync, as far as the
    /// metadata here tell.
    pub(super) fn leaving(&self, me: common::BrokerId) -> Option<IsrProposal> {
        let is_renewing = matches!(&self.stage, Stage::Running(running) if running.renewing);
        if self.storage_trouble().is_none() && !is_renewing {
            return None;
        }
        self.wanted.assignment.without(me)
    }
}

#[cfg(test)]
mod tests {
    use commit_log::{
        batch::BatchBuilder,
        disk::sim::{Fault, SimDisk},
    };
    use common::{BrokerId, Offset};
    use replica::{Acks, FetchAnswer};

    use super::*;
    use crate::partition::{
        NextFetch, PartitionError, Taken,
        testing::{ME, leader, leader_with, partition},
    };

    fn produce(partition: &Arc<Partition>) -> Result<i64, PartitionError> {
        let batch = BatchBuilder::default().record(0, None, None).build(Offset(0)).unwrap().into();
        Ok(partition.produce(batch, Acks::All)?.appended.base_offset.0)
    }

    #[test]
    fn a_disk_that_was_full_is_used_again() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[]);
        assert_eq!(produce(&partition), Ok(0));
        partition.flush();
        disk.fail_after(0, Fault::Full);
        assert!(matches!(produce(&partition), Err(PartitionError::NothingAppended(_))));
        disk.clear_fault();
        assert!(matches!(produce(&partition), Err(PartitionError::NothingAppended(_))), "it stays fenced");
        partition.reopen_if_fenced();
        assert_eq!(produce(&partition), Ok(1));
        partition.flush();
        let end = partition.lock().running().unwrap().replica.high_watermark();
        assert_eq!(end, Offset(2));
    }

    #[test]
    fn a_disk_that_stays_full_is_not_asked_all_the_time() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[]);
        disk.fail_after(0, Fault::Full);
        assert!(produce(&partition).is_err());
        partition.reopen_if_fenced();
        let calls = disk.calls();
        partition.reopen_if_fenced();
        assert_eq!(disk.calls(), calls);
    }

    #[test]
    fn a_disk_that_stays_broken_is_given_up() {
        let disk = SimDisk::new();
        let partition = leader_with(&disk, &[], &[1, 2, 3]);
        assert!(produce(&partition).is_ok());
        disk.fail_after(0, Fault::Full);
        assert!(produce(&partition).is_err());
        partition.reopen_if_fenced();
        assert_eq!(partition.storage_trouble(), None, "a sync is still to come");
        partition.flush();
        assert_eq!(
            (partition.isr_proposal(), partition.storage_trouble()),
            (None, None),
            "it may work again"
        );
        partition.reopen_if_fenced();
        let proposal = partition.isr_proposal().expect("it leaves");
        let members: Vec<_> = proposal.new_isr.iter().map(|member| member.broker_id.0).collect();
        assert_eq!(members, [2, 3]);
        assert!(partition.storage_trouble().is_some());
    }

    #[test]
    fn the_last_one_in_sync_stays() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[]);
        disk.fail_after(0, Fault::Full);
        assert!(produce(&partition).is_err());
        disk.fail_after(0, Fault::Broken);
        partition.reopen_if_fenced();
        assert!(partition.storage_trouble().is_some());
        assert_eq!(partition.isr_proposal(), None);
    }

    #[test]
    fn a_follower_whose_disk_failed_asks_for_nothing_and_leaves() {
        let disk = SimDisk::new();
        let leader = BrokerId(2);
        let follower = partition(&disk, &Default::default(), &[], &[leader, ME], &[leader, ME]);
        let NextFetch::Ask { position: asked, .. } = follower.next_fetch() else { panic!("it follows") };
        let batch = BatchBuilder::default().record(0, None, None).build(Offset(0)).unwrap().into();
        let answer = FetchAnswer::Records { high_watermark: Offset(0), log_start: Offset(0) };
        assert_eq!(follower.fetched(&asked, &answer, &batch), Ok(Taken::Progress));
        assert_eq!(follower.next_fetch(), NextFetch::NotSafeYet);
        disk.fail_after(0, Fault::Broken);
        follower.flush();
        assert_eq!(follower.next_fetch(), NextFetch::Nothing, "its leader must not take it for caught up");
        assert_eq!(follower.isr_proposal(), None, "it may work again");
        disk.fail_after(0, Fault::Full);
        follower.reopen_if_fenced();
        let proposal = follower.isr_proposal().expect("it leaves");
        assert_eq!(proposal.new_isr.iter().map(|member| member.broker_id).collect::<Vec<_>>(), [leader]);
        assert_eq!(follower.next_fetch(), NextFetch::Nothing);
    }

    #[test]
    fn a_leader_that_lost_records_has_another_one_lead() {
        let disk = SimDisk::new();
        let partition = leader_with(&disk, &[], &[1, 2]);
        assert_eq!(produce(&partition), Ok(0));
        partition.flush();
        assert_eq!(produce(&partition), Ok(1));
        // The sync fails, and what it was to keep is gone.
        disk.fail_after(0, Fault::Broken);
        partition.flush();
        disk.reboot(0);
        partition.reopen_if_fenced();
        assert!(partition.storage_trouble().expect("given up").contains("another replica has to lead"));
        assert!(partition.isr_proposal().is_some());
    }
}
