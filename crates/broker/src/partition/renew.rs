//! Records that rot took from a compacted log. They are not put back: another replica may still have what was deleted here, and
//! what lies around the gap was compacted without it. So the replica is made anew: it leaves the ISR, whether it leads or
//! follows, empties its log, and fetches everything from whoever leads then. It stays if too few others are in sync: what can
//! be read is read from it.
//!
//! A log must not be emptied while anybody counts on it, or may do so again for what it said before: see
//! [`Assignment::may_forget`](replica::Assignment::may_forget). Until it is out of the ISR the replica fetches as before, since
//! producers wait for it; then it fetches nothing, until it is empty.

use std::sync::Arc;

use metadata_core::command::LEAVING_LEVEL;
use replica::Replica;

use super::{
    Partition,
    state::{Running, State, View, Wanted},
};

impl Partition {
    /// Takes a compacted log that lacks records a step further on its way. Blocks.
    pub(super) fn renew_if_damaged(self: &Arc<Self>) {
        let me = self.services.settings.broker_id;
        let mut state = self.lock();
        let is_compacted = state.wanted.config.cleanup_policy.compact;
        let Ok(Running { log, renewing, fetched_in, .. }) = state.running() else { return };
        let (renewing, fetched_in) = (*renewing, *fetched_in);
        let missing = log.missing().to_vec();
        let lacks_records = is_compacted && !missing.is_empty();
        let Wanted { assignment, config } = &state.wanted;
        let settings = self.services.replica_settings(config, assignment);
        // Before that feature level, leaving begins no leader epoch.
        let is_spared = lacks_records
            && assignment.spares(me, &settings)
            && self.services.config().feature_level() >= LEAVING_LEVEL;
        if renewing && lacks_records && assignment.may_forget(me, fetched_in) {
            self.begin_anew(&mut state);
        } else if renewing != is_spared {
            if let Ok(running) = state.running() {
                running.renewing = !renewing;
            }
            if !renewing {
                tracing::error!(
                    event = "partition.renewing", partition = %self.name(), ?missing,
                    "records of a compacted log are damaged: this replica leaves the ISR, and is fetched anew",
                );
            }
        } else {
            return;
        }
        drop(state);
        self.wake_all();
    }

    /// What is wrong with what is stored, in words; none if nothing is known to be.
    pub fn damage(&self) -> Option<String> {
        let mut state = self.lock();
        let is_compacted = state.wanted.config.cleanup_policy.compact;
        let Running { log, renewing, .. } = state.running().ok()?;
        let first = log.missing().first()?;
        let what_is_done = match (is_compacted, renewing) {
            (false, _) => "other replicas are asked for them",
            (true, true) => "this replica leaves the ISR, and is fetched anew",
            (true, false) => "this replica will be fetched anew once enough others are in sync",
        };
        let (start, end) = (first.start, first.end.0 - 1);
        Some(format!("records at offsets {start} to {end} are damaged on disk: {what_is_done}"))
    }

    fn begin_anew(self: &Arc<Self>, state: &mut State) {
        let Ok(Running { log, replica: Replica::Follower(follower), renewing, .. }) = state.running() else {
            return;
        };
        let emptied = log.reset(log.log_start());
        follower.truncated(&View(log));
        *renewing = false;
        match self.after_change(state, emptied) {
            Ok(()) => {
                tracing::info!(event = "partition.renewed", partition = %self.name(), "emptied: everything is fetched anew");
                self.services.integrity.repaired();
            }
            Err(error) => {
                tracing::error!(event = "partition.not_renewed", partition = %self.name(), "{error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use commit_log::{batch::BatchBuilder, disk::sim::SimDisk};
    use common::{BrokerId, Offset, PartitionEpoch};
    use replica::Acks;

    use super::*;
    use crate::partition::{
        NextFetch,
        state::Wanted,
        testing::{ME, leader_with},
    };

    const COMPACTED: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("segment.bytes", "1024")];

    /// A leader of a compacted log whose first batch is damaged, with this ISR.
    fn damaged(settings: &[(&str, &str)], isr: &[i32]) -> Arc<Partition> {
        let disk = SimDisk::new();
        let partition = leader_with(&disk, settings, isr);
        for n in 0..20 {
            let batch =
                BatchBuilder::default().record(n, Some(b"k"), Some(&[7; 200])).build(Offset(0)).unwrap();
            partition.produce(batch.into(), Acks::All).unwrap();
        }
        while partition.flush() {}
        let first = Path::new("orders-0").join("00000000000000000000.log");
        disk.damage(&first, |bytes| bytes[100] ^= 1).unwrap();
        partition.scrub(Offset(0), 500).unwrap();
        assert!(partition.damage().expect("it is told").contains("offsets 0 to 0 are damaged"));
        assert_eq!(partition.missing(), None, "nobody is asked to fill it");
        partition
    }

    /// The metadata have this leader and this ISR.
    fn decide(partition: &Arc<Partition>, leader: i32, isr: &[i32], eligible: &[i32]) {
        let Wanted { mut assignment, config } = partition.lock().wanted.clone();
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
        let decided = &mut assignment.partition;
        if decided.leader != Some(BrokerId(leader)) {
            decided.leader_epoch.0 += 1;
        }
        decided.partition_epoch = PartitionEpoch(decided.partition_epoch.0 + 1);
        (decided.leader, decided.isr) = (Some(BrokerId(leader)), ids(isr));
        decided.eligible_leader_replicas = ids(eligible);
        partition.assign(Wanted { assignment, config });
    }

    fn log_end(partition: &Partition) -> Offset {
        partition.lock().running().unwrap().log.log_end()
    }

    fn asks(partition: &Partition) -> bool {
        matches!(partition.next_fetch(), NextFetch::Ask { .. })
    }

    #[test]
    fn it_leaves_the_isr_and_is_emptied_once_nobody_counts_on_it() {
        let partition = damaged(COMPACTED, &[1, 2, 3]);
        partition.renew_if_damaged();
        let proposal = partition.isr_proposal().expect("it leaves");
        assert_eq!(proposal.new_isr.iter().map(|member| member.broker_id.0).collect::<Vec<_>>(), [2, 3]);
        partition.renew_if_damaged();
        assert_eq!(log_end(&partition), Offset(20), "it is in the ISR");

        decide(&partition, 2, &[2, 3], &[]);
        assert_eq!((log_end(&partition), partition.next_fetch()), (Offset(20), NextFetch::Nothing));
        partition.renew_if_damaged();
        assert_eq!((log_end(&partition), partition.damage()), (Offset(0), None));
        let NextFetch::Ask { position, .. } = partition.next_fetch() else { panic!("it fetches anew") };
        assert_eq!((position.fetch_offset, position.leader), (Offset(0), BrokerId(2)));
    }

    #[test]
    fn it_keeps_its_log_while_it_may_be_elected_for_it() {
        let partition = damaged(COMPACTED, &[1, 2, 3]);
        partition.renew_if_damaged();
        decide(&partition, 2, &[2], &[1]);
        partition.renew_if_damaged();
        assert_eq!(log_end(&partition), Offset(20));
        assert!(asks(&partition), "it gets back into the ISR");

        let partition = damaged(COMPACTED, &[1, 2, 3]);
        partition.renew_if_damaged();
        decide(&partition, 2, &[1, 2, 3], &[]);
        assert!(asks(&partition), "producers wait for it");
        partition.renew_if_damaged();
        assert!(
            partition.isr_proposal().is_some() && log_end(&partition) == Offset(20),
            "it did not leave yet"
        );
    }

    /// A leader that put it out may hear what it said before, and take it back for that.
    #[test]
    fn it_keeps_its_log_while_what_it_said_counts() {
        let partition = damaged(COMPACTED, &[1, 2, 3]);
        decide(&partition, 2, &[1, 2, 3], &[]);
        partition.renew_if_damaged();
        assert!(asks(&partition));
        decide(&partition, 2, &[2, 3], &[]);
        partition.renew_if_damaged();
        assert_eq!(log_end(&partition), Offset(20));
        assert!(asks(&partition), "it gets back into the ISR, and leaves it by its own wish");
        decide(&partition, 2, &[1, 2, 3], &[]);
        partition.renew_if_damaged();
        decide(&partition, 3, &[2, 3], &[]);
        partition.renew_if_damaged();
        assert_eq!(log_end(&partition), Offset(0));
    }

    #[test]
    fn whom_too_few_others_could_replace_stays() {
        let alone = damaged(COMPACTED, &[1]);
        alone.renew_if_damaged();
        assert_eq!((alone.isr_proposal(), ME.0), (None, 1));
        assert!(alone.damage().unwrap().contains("once enough others are in sync"));
        let least = [COMPACTED, &[("min.insync.replicas", "2")]].concat();
        let partition = damaged(&least, &[1, 2]);
        partition.renew_if_damaged();
        assert_eq!(partition.isr_proposal(), None, "nothing could be written without it");
    }
}
