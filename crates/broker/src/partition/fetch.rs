//! Reading: planned under the lock, done without it.

use std::sync::Arc;

use bytes::Bytes;
use commit_log::{AbortedTransaction, LogError, ReadPlan};
use common::{BrokerId, LeaderEpoch, Offset};
use replica::{EpochEnd, Fetched, FollowerFetch, Isolation, Replica};
use tokio::time::Instant;

use super::{
    Partition, PartitionError,
    state::{Running, State, View},
};

/// Who reads, and how far it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A consumer: what is committed.
    Consumer {
        /// Whether it wants decided transactions only.
        isolation: Isolation,
        /// The leader epoch it knows.
        leader_epoch: Option<LeaderEpoch>,
        /// The epoch of the last record it has, by which it learns that the log was cut (KIP-320).
        last_fetched_epoch: Option<LeaderEpoch>,
        /// Whether a follower will do (KIP-392).
        from_follower: bool,
    },
    /// A follower: everything. Its fetch also says what it has.
    Follower(FollowerFetch),
}

/// A read that is ready to be done.
#[derive(Debug)]
pub struct PlannedRead {
    /// Whose records they are.
    partition: Arc<Partition>,
    /// The read; none where there is nothing to read.
    plan: Option<ReadPlan>,
    from: Offset,
    /// Aborted transactions up to the end of what may be read, by their first offset; none for those who want everything.
    aborted: Option<Vec<AbortedTransaction>>,
    /// Whether what is read counts against what throttled replicas may take.
    throttled: bool,
    /// What the answer says besides.
    pub marks: Marks,
}

/// What an answer to a fetch says of the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Where the log starts.
    pub log_start: Offset,
    /// Where the first open transaction starts, or the high watermark.
    pub last_stable: Offset,
    /// What is committed.
    pub high_watermark: Offset,
    /// The reader's log went another way from here on: no records.
    pub diverged: Option<EpochEnd>,
    /// Whether an answer without records would tell a follower anything new.
    pub is_news: bool,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct ReadRecords {
    /// Whole batches, in order.
    pub pieces: Vec<Bytes>,
    /// Aborted transactions that overlap them, for those who want decided ones only.
    pub aborted: Option<Vec<AbortedTransaction>>,
}

impl ReadRecords {
    /// Bytes of all batches.
    pub fn size_bytes(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

impl Partition {
    /// Plans a read of at most `max_bytes`, but of one batch at least if there is any.
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn plan_read(
        self: &Arc<Self>,
        reader: Reader,
        from: Offset,
        max_bytes: usize,
    ) -> Result<PlannedRead, PartitionError> {
        match reader {
            Reader::Consumer { isolation, leader_epoch, last_fetched_epoch, from_follower } => {
                if from_follower && self.following().is_some() {
                    return self.plan_at_follower(isolation, leader_epoch, from, max_bytes);
                }
                self.plan_for_consumer(isolation, leader_epoch, last_fetched_epoch, from, max_bytes)
            }
            Reader::Follower(fetch) => self.plan_for_follower(&fetch, max_bytes),
        }
    }

    fn plan_for_consumer(
        self: &Arc<Self>,
        isolation: Isolation,
        leader_epoch: Option<LeaderEpoch>,
        last_fetched_epoch: Option<LeaderEpoch>,
        from: Offset,
        max_bytes: usize,
    ) -> Result<PlannedRead, PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let running = state.running()?;
        running.replica.check_epoch(leader_epoch)?;
        let (log, leader) = running.serving(&self.services, now)?;
        let positions = leader.positions(&View(log));
        let mut marks = Marks {
            log_start: positions.log_start(),
            last_stable: positions.last_stable(),
            high_watermark: positions.high_watermark(),
            diverged: None,
            is_news: false,
        };
        if let Some(epoch) = last_fetched_epoch
            && let Some(end) = leader.end_of_epoch(epoch, &View(log))
            && (end.epoch < epoch || end.end < from)
        {
            marks.diverged = Some(end);
            return Ok(PlannedRead {
                partition: Arc::clone(self),
                plan: None,
                from,
                aborted: None,
                throttled: false,
                marks,
            });
        }
        let limit = positions.readable(isolation);
        let plan = log.plan_read(from, limit, max_bytes)?;
        let aborted = (isolation == Isolation::ReadCommitted)
            .then(|| if from < limit { log.aborted_transactions(&(from..limit)) } else { Vec::new() });
        Ok(PlannedRead {
            partition: Arc::clone(self),
            plan: Some(plan),
            from,
            aborted,
            throttled: false,
            marks,
        })
    }

    /// A follower gives what it knows to be committed. Whoever asks for anything else shall ask the leader: that it is
    /// not here does not mean that it is nowhere.
    fn plan_at_follower(
        self: &Arc<Self>,
        isolation: Isolation,
        leader_epoch: Option<LeaderEpoch>,
        from: Offset,
        max_bytes: usize,
    ) -> Result<PlannedRead, PartitionError> {
        if !self.services.has_session() {
            // It may know neither its leader nor what is committed any more.
            return Err(PartitionError::NotLeader);
        }
        let mut state = self.lock();
        let Running { log, replica, .. } = state.running()?;
        replica.check_epoch(leader_epoch)?;
        let positions = replica.positions(&View(log));
        let limit = positions.readable(isolation);
        if from < positions.log_start() || from > positions.log_end() {
            return Err(PartitionError::NotLeader);
        }
        let plan = log.plan_read(from, limit, max_bytes)?;
        let aborted = (isolation == Isolation::ReadCommitted)
            .then(|| if from < limit { log.aborted_transactions(&(from..limit)) } else { Vec::new() });
        let marks = Marks {
            log_start: positions.log_start(),
            last_stable: positions.last_stable(),
            high_watermark: positions.high_watermark(),
            diverged: None,
            is_news: false,
        };
        Ok(PlannedRead {
            partition: Arc::clone(self),
            plan: Some(plan),
            from,
            aborted,
            throttled: false,
            marks,
        })
    }

    /// The follower that a consumer of `rack` should rather read from (KIP-392); `None`: this leader, or it does not lead.
    pub fn preferred_replica<'a>(
        &self,
        rack: &str,
        from: Offset,
        rack_of: impl Fn(BrokerId) -> Option<&'a str>,
    ) -> Option<BrokerId> {
        match self.lock().running().ok()?.replica {
            Replica::Leader(ref leader) => leader.preferred_replica(rack, from, rack_of),
            Replica::Follower(_) => None,
        }
    }

    fn plan_for_follower(
        self: &Arc<Self>,
        fetch: &FollowerFetch,
        max_bytes: usize,
    ) -> Result<PlannedRead, PartitionError> {
        let now = self.services.now();
        let mut state = self.lock();
        let Running { log, replica: Replica::Leader(leader), .. } = state.running()? else {
            return Err(PartitionError::NotLeader);
        };
        let from = fetch.fetch_offset;
        let fetched = leader.follower_fetched(fetch, &View(log), now.steady_ms)?;
        let positions = leader.positions(&View(log));
        let mut marks = Marks {
            log_start: positions.log_start(),
            last_stable: positions.last_stable(),
            high_watermark: positions.high_watermark(),
            diverged: None,
            is_news: false,
        };
        let effects = match fetched {
            Fetched::Diverged(end) => {
                marks.diverged = Some(end);
                return Ok(PlannedRead {
                    partition: Arc::clone(self),
                    plan: None,
                    from,
                    aborted: None,
                    throttled: false,
                    marks,
                });
            }
            Fetched::Read { effects, is_news, .. } => {
                marks.is_news = is_news;
                effects
            }
        };
        // Whatever comes of the read, those who waited for this fetch are answered.
        self.act(&mut state, effects);
        let throttled = self.is_throttled_here(&state);
        let is_behind = !state.wanted.assignment.partition.isr.contains(&fetch.broker_id);
        let allowance = if throttled && is_behind { self.leader_allowance() } else { Some(u64::MAX) };
        let log = &state.running()?.log;
        let plan = match allowance {
            Some(most) => {
                let max_bytes = max_bytes.min(usize::try_from(most).unwrap_or(usize::MAX));
                Some(log.plan_read(from, log.log_end(), max_bytes)?)
            }
            // It is told the positions, and asks again.
            None => None,
        };
        Ok(PlannedRead { partition: Arc::clone(self), plan, from, aborted: None, throttled, marks })
    }
}

impl Partition {
    /// Whether the topic wants what this broker serves to followers throttled.
    fn is_throttled_here(&self, state: &State) -> bool {
        let me = self.services.settings.broker_id;
        state.wanted.config.leader_throttled_replicas.contains(self.name().partition, me)
    }

    /// How many bytes a throttled follower may get now; `None`: nothing.
    fn leader_allowance(&self) -> Option<u64> {
        let allowance = self.services.throttles.leader.allowance(Instant::now()).ok()?;
        Some(allowance.unwrap_or(u64::MAX))
    }
}

impl PlannedRead {
    /// Whether [`PlannedRead::read`] needs no disk.
    pub fn is_ready(&self) -> bool {
        self.plan.as_ref().is_none_or(ReadPlan::is_ready)
    }

    /// Reads. Every byte is checked against what was written. Blocks, unless it is ready.
    ///
    /// # Errors
    /// [`PartitionError::Storage`].
    pub fn read(self) -> Result<ReadRecords, PartitionError> {
        let Some(plan) = self.plan else { return Ok(ReadRecords::default()) };
        let read = plan.read().inspect_err(|error| {
            if let LogError::Damaged(damage) = error {
                self.partition.damaged(damage);
            }
        })?;
        if self.throttled {
            let bytes = read.pieces.iter().map(Bytes::len).sum();
            self.partition.services.throttles().leader.spend(bytes, Instant::now());
        }
        for segment in read.damaged_indexes {
            self.partition.restore_index(segment);
        }
        let (from, next) = (self.from, read.next);
        let aborted = self.aborted.map(|mut aborted| {
            aborted.retain(|transaction| from < next && transaction.first < next);
            aborted
        });
        Ok(ReadRecords { pieces: read.pieces, aborted })
    }
}
