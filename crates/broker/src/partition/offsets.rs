//! Questions about offsets, and moving the log's start.

use std::sync::Arc;

use commit_log::{FoundTimestamp, ProducerState, TimestampQuery, TimestampSpec};
use common::{LeaderEpoch, Offset};
use replica::{EpochEnd, Isolation, Replica};

use super::{
    Partition, PartitionError,
    state::{Running, View},
};

/// Which offset is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// Of the next record that a consumer would see.
    Latest,
    /// Of the first record.
    Earliest,
    /// Of the record with the largest timestamp.
    MaxTimestamp,
    /// Of the first record of this time or a later one, in ms.
    Since(i64),
}

/// An answer, or the search for it.
#[derive(Debug)]
pub enum OffsetAnswer {
    /// This offset, in this leader epoch if it is known.
    Known(Offset, Option<LeaderEpoch>),
    /// It has to be looked for; that blocks.
    Search(TimestampQuery),
}

/// Where the log ends and starts, for those who watch disks (DescribeLogDirs).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Bytes of all segments.
    pub size_bytes: u64,
    /// How far a follower is behind what it knows of its leader's high watermark.
    pub lag: i64,
}

impl Partition {
    /// An offset by what is wanted of it (ListOffsets).
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn offset(
        &self,
        spec: OffsetSpec,
        isolation: Isolation,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Result<OffsetAnswer, PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let running = state.running()?;
        running.replica.check_epoch(leader_epoch)?;
        let (log, leader) = running.serving(&self.services, now)?;
        let spec = match spec {
            OffsetSpec::Earliest => {
                let start = log.log_start();
                return Ok(OffsetAnswer::Known(start, log.epoch_at(start)));
            }
            OffsetSpec::Latest => {
                let latest = leader.latest_offset(isolation, &View(log))?;
                return Ok(OffsetAnswer::Known(latest, Some(leader.leader_epoch())));
            }
            OffsetSpec::MaxTimestamp => TimestampSpec::Max,
            OffsetSpec::Since(timestamp_ms) => TimestampSpec::At(timestamp_ms),
        };
        // Also a search ends at what is known to be committed: a leader that does not know it yet has no answer.
        let limit = leader.latest_offset(isolation, &View(log))?;
        Ok(OffsetAnswer::Search(log.plan_timestamp(spec, limit)))
    }

    /// As [`Partition::offset`], of the log that is here, whether this broker leads or not: what is not committed is in it, too.
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn offset_of_replica(
        &self,
        spec: OffsetSpec,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Result<OffsetAnswer, PartitionError> {
        let mut state = self.lock();
        let Running { log, replica, .. } = state.running()?;
        replica.check_epoch(leader_epoch)?;
        let (start, end) = (log.log_start(), log.log_end());
        Ok(match spec {
            OffsetSpec::Earliest => OffsetAnswer::Known(start, log.epoch_at(start)),
            OffsetSpec::Latest => OffsetAnswer::Known(end, Some(replica.leader_epoch())),
            OffsetSpec::MaxTimestamp => OffsetAnswer::Search(log.plan_timestamp(TimestampSpec::Max, end)),
            OffsetSpec::Since(timestamp_ms) => {
                OffsetAnswer::Search(log.plan_timestamp(TimestampSpec::At(timestamp_ms), end))
            }
        })
    }

    /// Where a leader epoch ends (OffsetForLeaderEpoch); `None` if this leader cannot know.
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn end_of_epoch(
        &self,
        asked: LeaderEpoch,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Result<Option<EpochEnd>, PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let running = state.running()?;
        running.replica.check_epoch(leader_epoch)?;
        let (log, leader) = running.serving(&self.services, now)?;
        Ok(leader.end_of_epoch(asked, &View(log)))
    }

    /// Deletes the records below `before`, or all committed ones if there is none (DeleteRecords). Gives where the log is
    /// to start, and where it starts on all replicas that are there: followers hear of it with their next fetch. Blocks.
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn delete_records(
        self: &Arc<Self>,
        before: Option<Offset>,
    ) -> Result<(Offset, Offset), PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let (log, leader) = state.running()?.serving(&self.services, now)?;
        let high_watermark = leader.high_watermark();
        let before = before.unwrap_or(high_watermark);
        if before > high_watermark || before < Offset(0) {
            return Err(PartitionError::OffsetOutOfRange {
                offset: before,
                range: log.log_start()..high_watermark,
            });
        }
        if before > log.log_start() {
            let job = log.plan_start(before);
            drop(state);
            self.start_moved(job)?;
            state = self.lock();
        }
        let Running { log, replica: Replica::Leader(leader), .. } = state.running()? else {
            return Err(PartitionError::NotLeader);
        };
        Ok((before.max(log.log_start()), leader.low_watermark(&View(log))))
    }

    /// The producers that are remembered here, by id. The leader's to tell.
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn producers(&self) -> Result<Vec<ProducerState>, PartitionError> {
        match self.lock().running()? {
            Running { log, replica: Replica::Leader(_), .. } => Ok(log.producers()),
            Running { .. } => Err(PartitionError::NotLeader),
        }
    }

    /// Sizes; `None` while the log is not open.
    pub fn figures(&self) -> Option<LogFigures> {
        let mut state = self.lock();
        let Running { log, replica, .. } = state.running().ok()?;
        let lag = match replica {
            Replica::Leader(_) => 0,
            Replica::Follower(follower) => (follower.high_watermark() - log.log_end()).max(0),
        };
        Some(LogFigures { size_bytes: log.size_bytes(), lag })
    }
}

impl OffsetAnswer {
    /// The offset, its timestamp in ms (-1 if it does not go by one) and its leader epoch; `None`: there is no such
    /// record. Blocks if it has to be looked for.
    ///
    /// # Errors
    /// [`PartitionError::Storage`].
    pub fn find(self) -> Result<Option<FoundOffset>, PartitionError> {
        match self {
            Self::Known(offset, leader_epoch) => {
                Ok(Some(FoundOffset { offset, timestamp_ms: -1, leader_epoch }))
            }
            Self::Search(query) => {
                let found = query.find()?;
                Ok(found.map(|FoundTimestamp { offset, timestamp_ms, leader_epoch }| FoundOffset {
                    offset,
                    timestamp_ms,
                    leader_epoch: Some(leader_epoch),
                }))
            }
        }
    }
}

/// An offset that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: Offset,
    /// The record's timestamp in ms; -1 if the offset does not go by one.
    pub timestamp_ms: i64,
    /// The epoch that the record was written in.
    pub leader_epoch: Option<LeaderEpoch>,
}
