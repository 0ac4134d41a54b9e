//! Appending what producers send, and saying when it is safe.

use std::sync::Arc;

use bytes::Bytes;
use commit_log::{Appended, Origin, batch::Batch};
use common::{LeaderEpoch, Offset};
use replica::{Ack as Safety, Acks, Replica};

use super::{
    Partition, PartitionError,
    state::Running,
    waiting::{Ack, For},
};

/// For so long a producer sends a batch again, as a rule: the default of its `delivery.timeout.ms`.
const REPEATED_MS: i64 = 120_000;

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
        let is_compacted = state.wanted.config.cleanup_policy.compact;
        let running = state.running().map_err(PartitionError::before_append)?;
        // A compacted log is not filled, but made anew, if at all.
        let is_mended = !is_compacted || running.renewing;
        let may_be_repeated = now.steady_ms - running.in_role_since_ms < REPEATED_MS;
        let (log, leader) = running.serving(&self.services, now)?;
        if epoch.is_some_and(|epoch| epoch != leader.leader_epoch()) {
            return Err(PartitionError::NotLeader);
        }
        leader.check_produce(acks, now.steady_ms)?;
        if let Some(fence) = log.fence() {
            return Err(PartitionError::Storage(fence.to_string()).before_append());
        }
        let awaits_lost = is_mended && may_be_repeated && leader.isr().len() > 1 && log.lacks_unapplied();
        if awaits_lost && origin == Origin::Client && is_numbered(&batch) {
            let why = "records that were lost are being put back: this batch may be one of them";
            return Err(PartitionError::Storage(why.to_owned()).before_append());
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

/// Whether its producer numbers its batches, to be able to send them again.
fn is_numbered(batch: &Bytes) -> bool {
    Batch::split_first(batch).is_ok_and(|(batch, _)| batch.header().producer().is_some())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use commit_log::{ProducerId, ProducerStamp, batch::BatchBuilder, disk::sim::SimDisk};

    use super::*;
    use crate::partition::testing::leader_with;

    /// Of one producer; four of them fill a segment.
    fn batch(base_sequence: i32, offset: i64) -> Bytes {
        let stamp = ProducerStamp { id: ProducerId(7), epoch: 0, base_sequence };
        let mut builder = BatchBuilder::default().producer(stamp);
        builder.record(1_000, None, Some(&[7; 900]));
        builder.build(Offset(offset)).unwrap().into()
    }

    /// A leader that lost the second batch of a producer before it had taken note of it.
    fn with_loss(isr: &[i32]) -> Arc<Partition> {
        let disk = SimDisk::new();
        let settings = [("segment.bytes", "4096")];
        let partition = leader_with(&disk, &settings, isr);
        for sequence in 0..6 {
            partition.produce(batch(sequence, 0), Acks::All).unwrap();
            while partition.flush() {}
        }
        let first_segment = Path::new("orders-0").join("00000000000000000000.log");
        disk.damage(&first_segment, |bytes| bytes[batch(0, 0).len() + 100] ^= 1).unwrap();
        leader_with(&disk, &settings, isr)
    }

    #[test]
    fn a_batch_that_may_be_lost_waits_until_that_is_back() {
        let partition = with_loss(&[1, 2]);
        assert_eq!(partition.missing(), Some(Offset(1)..Offset(2)));
        let send = |sequence| partition.produce(batch(sequence, 0), Acks::All);
        assert!(matches!(send(1), Err(PartitionError::NothingAppended(_))));
        assert!(matches!(send(6), Err(PartitionError::NothingAppended(_))), "in order");
        let unnumbered = BatchBuilder::default().record(0, None, None).build(Offset(0)).unwrap().into();
        assert!(partition.produce(unnumbered, Acks::All).is_ok(), "it would not be recognized anyhow");
        assert_eq!(partition.fill(Offset(1)..Offset(2), batch(1, 1)), Ok(true));
        let again = send(1).unwrap().appended;
        assert!(again.duplicate && again.base_offset == Offset(1));
        assert!(!send(6).unwrap().appended.duplicate);
    }

    #[test]
    fn what_nobody_can_put_back_is_not_waited_for() {
        let partition = with_loss(&[1]);
        assert!(partition.missing().is_some());
        assert!(partition.produce(batch(6, 0), Acks::All).is_ok());
    }
}
