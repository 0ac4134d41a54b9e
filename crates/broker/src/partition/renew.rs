//! Records that rot took from a compacted log. They are not put back: another replica may still have what was deleted here, and
//! what lies around the gap was compacted without it. So the replica is made anew: it leaves the ISR, whether it leads or
//! follows, empties its log, and fetches everything from whoever leads then. It stays if too few others are in sync: what can
//! be read is read from it.
//!
//! A log must not be emptied while anybody counts on it. From when the replica asks to be taken out of the ISR, it fetches
//! nothing; and a leader takes back only those who fetch. What it fetched before may still be on its way to the leader, for a
//! little.

use std::sync::Arc;

use replica::Replica;

use super::{
    Partition,
    state::{Running, State, View},
};

/// A fetch that was sent so long ago is answered or lost, in ms. Leaders hold one back for a fraction of that.
const QUIET_MS: i64 = 10_000;

impl Partition {
    /// Takes a compacted log that lacks records a step further on its way. `now_ms` is a clock that does not jump. Blocks.
    pub(super) fn renew_if_damaged(self: &Arc<Self>, now_ms: i64) {
        let mut state = self.lock();
        let (is_spared, is_counted_on) = (self.is_spared(&state), self.is_counted_on(&state));
        let is_compacted = state.wanted.config.cleanup_policy.compact;
        let Ok(running) = state.running() else { return };
        let lacks_records = is_compacted && !running.log.missing().is_empty();
        match running.renewing_since_ms {
            None if lacks_records && is_spared => {
                running.renewing_since_ms = Some(now_ms);
                tracing::error!(
                    event = "partition.renewing", partition = %self.name(), missing = ?running.log.missing(),
                    "records of a compacted log are damaged: this replica leaves the ISR, and is fetched anew",
                );
            }
            Some(_) if !lacks_records || is_counted_on && !is_spared => running.renewing_since_ms = None,
            Some(since_ms) if !is_counted_on && now_ms.saturating_sub(since_ms) >= QUIET_MS => {
                self.begin_anew(&mut state);
            }
            None | Some(_) => return,
        }
        drop(state);
        self.wake_all();
    }

    /// What is wrong with what is stored, in words; none if nothing is known to be.
    pub fn damage(&self) -> Option<String> {
        let mut state = self.lock();
        let is_compacted = state.wanted.config.cleanup_policy.compact;
        let Running { log, renewing_since_ms, .. } = state.running().ok()?;
        let first = log.missing().first()?;
        let what_is_done = match renewing_since_ms {
            Some(_) => "this replica leaves the ISR, and is fetched anew",
            None if is_compacted => "this replica will be fetched anew once enough others are in sync",
            None => "other replicas are asked for them",
        };
        let (start, end) = (first.start, first.end.0 - 1);
        Some(format!("records at offsets {start} to {end} are damaged on disk: {what_is_done}"))
    }

    /// Whether it is in the ISR, and enough others are.
    fn is_spared(&self, state: &State) -> bool {
        let partition = &state.wanted.assignment.partition;
        let min = self
            .services
            .replica_settings(&state.wanted.config, &state.wanted.assignment)
            .min_insync_replicas;
        partition.isr.contains(&self.services.settings.broker_id) && partition.isr.len() > min.max(1)
    }

    /// Whether it may be elected for what it has.
    fn is_counted_on(&self, state: &State) -> bool {
        let (me, partition) = (&self.services.settings.broker_id, &state.wanted.assignment.partition);
        partition.isr.contains(me) || partition.eligible_leader_replicas.contains(me)
    }

    fn begin_anew(self: &Arc<Self>, state: &mut State) {
        let Ok(Running { log, replica: Replica::Follower(follower), renewing_since_ms, .. }) =
            state.running()
        else {
            return;
        };
        if follower.leader().is_none() {
            return;
        }
        let emptied = log.reset(log.log_start());
        follower.truncated(&View(log));
        *renewing_since_ms = None;
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

    #[test]
    fn it_leaves_the_isr_and_is_emptied_once_nobody_counts_on_it() {
        let partition = damaged(COMPACTED, &[1, 2, 3]);
        partition.renew_if_damaged(1_000);
        let proposal = partition.isr_proposal().expect("it leaves");
        assert_eq!(proposal.new_isr.iter().map(|member| member.broker_id.0).collect::<Vec<_>>(), [2, 3]);
        partition.renew_if_damaged(1_000 + QUIET_MS);
        assert_eq!(log_end(&partition), Offset(20), "it is in the ISR");

        decide(&partition, 2, &[2, 3], &[]);
        partition.renew_if_damaged(999 + QUIET_MS);
        assert_eq!((log_end(&partition), partition.next_fetch()), (Offset(20), NextFetch::Nothing));
        partition.renew_if_damaged(1_000 + QUIET_MS);
        assert_eq!((log_end(&partition), partition.damage()), (Offset(0), None));
        let NextFetch::Ask { position, .. } = partition.next_fetch() else { panic!("it fetches anew") };
        assert_eq!((position.fetch_offset, position.leader), (Offset(0), BrokerId(2)));
    }

    #[test]
    fn it_keeps_its_log_while_it_may_be_elected_for_it() {
        let partition = damaged(COMPACTED, &[1, 2, 3]);
        partition.renew_if_damaged(0);
        decide(&partition, 2, &[2], &[1]);
        partition.renew_if_damaged(QUIET_MS);
        assert_eq!(log_end(&partition), Offset(20));
        assert!(matches!(partition.next_fetch(), NextFetch::Ask { .. }), "it gets back into the ISR");

        let partition = damaged(COMPACTED, &[1, 2, 3]);
        partition.renew_if_damaged(0);
        decide(&partition, 2, &[1, 2], &[]);
        assert_eq!(partition.next_fetch(), NextFetch::Nothing);
        partition.renew_if_damaged(QUIET_MS);
        assert_eq!(log_end(&partition), Offset(20), "somebody put it back");
    }

    #[test]
    fn whom_too_few_others_could_replace_stays() {
        let alone = damaged(COMPACTED, &[1]);
        alone.renew_if_damaged(0);
        assert_eq!((alone.isr_proposal(), ME.0), (None, 1));
        assert!(alone.damage().unwrap().contains("once enough others are in sync"));
        let least = [COMPACTED, &[("min.insync.replicas", "2")]].concat();
        let partition = damaged(&least, &[1, 2]);
        partition.renew_if_damaged(0);
        assert_eq!(partition.isr_proposal(), None, "nothing could be written without it");
    }
}
