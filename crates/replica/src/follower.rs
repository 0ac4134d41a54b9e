//! A follower: what to fetch next, and what the leader's answer means for the log.

use common::{BrokerId, LeaderEpoch, Offset, PartitionEpoch};

use crate::{Assignment, EpochEnd, Positions, ReplicaLog, Settings, WrongEpoch, epochs};

/// What a follower asks its leader for, and thereby claims: that it vouches for everything below `fetch_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPosition {
    /// Whom to ask.
    pub leader: BrokerId,
    /// The epoch it leads in (`current_leader_epoch`).
    pub leader_epoch: LeaderEpoch,
    /// The log's end.
    pub fetch_offset: Offset,
    /// The epoch of the last record, if there is one (`last_fetched_epoch`).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// The log's start.
    pub log_start: Offset,
    /// The high watermark, as far as it is known here.
    pub high_watermark: Offset,
}

/// What a leader answers to a follower's fetch, errors apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchAnswer {
    /// Records from the fetch offset on; perhaps none.
    Records {
        /// The leader's.
        high_watermark: Offset,
        /// The leader's.
        log_start: Offset,
    },
    /// The logs diverge: the largest epoch of the leader that is not above the follower's, and where it ends.
    Diverged(EpochEnd),
    /// OFFSET_OUT_OF_RANGE.
    OutOfRange {
        /// Where the leader's log starts.
        log_start: Offset,
    },
}

/// What to do to the log, before anything else is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the replica already counts on it"]
pub enum Step {
    /// Append the records, then tell [`Follower::appended`] of the leader's positions.
    Append,
    /// Cut the log here or lower, then tell [`Follower::truncated`]. The high watermark was taken back with it.
    Truncate {
        /// The log's new end.
        to: Offset,
    },
    /// Remove everything and begin here, then tell [`Follower::truncated`].
    Reset {
        /// The log's new start and end.
        to: Offset,
    },
    /// Do nothing, and tell an operator: the leader lacks records that are committed and that this replica has. A leader
    /// that lost its disk must not take the others' records with it.
    CommittedLost {
        /// Where the leader wants the log to end.
        to: Offset,
    },
    /// Nothing: the answer is to another question than would be asked now, or makes no sense. Ask again, not at once.
    Nothing,
}

/// What changed for others once records were appended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The high watermark moved up to here.
    pub high_watermark: Option<Offset>,
    /// The leader deleted what is below: move the log's start here.
    pub log_start: Option<Offset>,
}

/// A follower of one leader epoch after the other.
#[derive(Debug, Clone)]
pub struct Follower {
    settings: Settings,
    /// `None` while nobody leads.
    leader: Option<BrokerId>,
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
    /// Committed, as far as the leaders told. Goes back only when the log is cut below it.
    high_watermark: Offset,
}

impl Follower {
    /// Begins to follow, or to wait for a leader. `high_watermark` as in [`Leader::elected`](crate::Leader::elected).
    pub fn new(
        settings: Settings,
        assignment: &Assignment,
        log: &impl ReplicaLog,
        high_watermark: Offset,
    ) -> Self {
        Self {
            settings,
            leader: assignment.partition.leader,
            leader_epoch: assignment.partition.leader_epoch,
            partition_epoch: assignment.partition.partition_epoch,
            high_watermark: high_watermark.clamp(log.log_start(), log.log_end()),
        }
    }

    /// New metadata; older ones change nothing. Whether there is another leader, or the same in another epoch: answers
    /// to what was asked before count no more.
    pub fn update(&mut self, assignment: &Assignment) -> bool {
        let partition = &assignment.partition;
        if partition.partition_epoch < self.partition_epoch {
            return false;
        }
        let before = (self.leader, self.leader_epoch);
        self.partition_epoch = partition.partition_epoch;
        (self.leader, self.leader_epoch) = (partition.leader, partition.leader_epoch);
        before != (self.leader, self.leader_epoch)
    }

    /// New settings.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// What to fetch now. `None` while nobody leads; while the log's end is not safe yet, as a fetch would claim it; and while
    /// the log takes no records: whoever fetches looks as if it kept up, and the leader would wait for it.
    pub fn next_fetch(&self, log: &impl ReplicaLog) -> Option<FetchPosition> {
        if !log.takes_records() || log.confirmed() < log.log_end() {
            return None;
        }
        self.position(log)
    }

    /// Whether `asked` is still what would be asked: if not, its answer says nothing about this log. Two logs that end
    /// at the same offset with a record of the same epoch are the same.
    pub fn is_current(&self, asked: &FetchPosition, log: &impl ReplicaLog) -> bool {
        let position = self.position(log);
        let FetchPosition { log_start, high_watermark, .. } = *asked;
        position.is_some_and(|now| FetchPosition { log_start, high_watermark, ..now } == *asked)
    }

    /// The leader answered. What comes back is to be done before the lock is let go.
    pub fn fetched(&mut self, asked: &FetchPosition, answer: &FetchAnswer, log: &impl ReplicaLog) -> Step {
        if !self.is_current(asked, log) {
            return Step::Nothing;
        }
        match *answer {
            FetchAnswer::Records { .. } => Step::Append,
            FetchAnswer::Diverged(leader) => self.cut(common_end(leader, log), log),
            FetchAnswer::OutOfRange { log_start } => self.begin_anew(log_start, log),
        }
    }

    /// The answer's records are in the log: takes over the leader's positions.
    pub fn appended(&mut self, high_watermark: Offset, log_start: Offset, log: &impl ReplicaLog) -> Progress {
        let before = self.high_watermark;
        self.high_watermark = before.max(high_watermark.min(log.log_end())).max(log.log_start());
        // The leader deletes only what is committed.
        let start = log_start.min(self.high_watermark);
        Progress {
            high_watermark: Some(self.high_watermark).filter(|now| *now > before),
            log_start: Some(start).filter(|start| *start > log.log_start()),
        }
    }

    /// The log was cut, or begun anew; or its start moved.
    pub fn truncated(&mut self, log: &impl ReplicaLog) {
        self.high_watermark = self.high_watermark.clamp(log.log_start(), log.log_end());
    }

    /// Whom it follows; `None` while nobody leads.
    pub fn leader(&self) -> Option<BrokerId> {
        self.leader
    }

    /// In which epoch.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The partition epoch that it knows.
    pub fn partition_epoch(&self) -> PartitionEpoch {
        self.partition_epoch
    }

    /// The high watermark, as far as it is known here.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// All positions.
    pub fn positions(&self, log: &impl ReplicaLog) -> Positions {
        Positions::of(log, self.high_watermark)
    }

    /// Checks the epoch that a consumer's request names as the leader's; none passes.
    pub fn check_epoch(&self, asked: Option<LeaderEpoch>) -> Result<(), WrongEpoch> {
        WrongEpoch::check(asked, self.leader_epoch)
    }

    fn position(&self, log: &impl ReplicaLog) -> Option<FetchPosition> {
        let (log_start, fetch_offset) = (log.log_start(), log.log_end());
        let latest = log.epochs().last().map(|(epoch, _)| *epoch);
        Some(FetchPosition {
            leader: self.leader?,
            leader_epoch: self.leader_epoch,
            fetch_offset,
            last_fetched_epoch: latest.filter(|_| log_start < fetch_offset),
            log_start,
            high_watermark: self.high_watermark,
        })
    }

    fn cut(&mut self, to: Offset, log: &impl ReplicaLog) -> Step {
        if to >= log.log_end() {
            return Step::Nothing;
        }
        if self.loses_committed(to) {
            return Step::CommittedLost { to };
        }
        self.high_watermark = self.high_watermark.min(to);
        if to < log.log_start() { Step::Reset { to } } else { Step::Truncate { to } }
    }

    /// What the follower asked for is not there. It begins anew if it is too far behind, or has nothing to compare.
    fn begin_anew(&mut self, to: Offset, log: &impl ReplicaLog) -> Step {
        let behind = log.log_end() < to;
        let empty = log.log_start() == log.log_end() && to != log.log_end();
        if !behind && !empty {
            return Step::Nothing;
        }
        if self.loses_committed(to) {
            return Step::CommittedLost { to };
        }
        self.high_watermark = to;
        Step::Reset { to }
    }

    fn loses_committed(&self, to: Offset) -> bool {
        to < self.high_watermark && !self.settings.committed_may_be_lost
    }
}

/// Up to where this log may be the same as that of a leader in which an epoch ends as given; the next fetch tells
/// whether it is, or how much further back (KIP-279).
fn common_end(leader: EpochEnd, log: &impl ReplicaLog) -> Offset {
    let own = epochs::end_of(log.epochs(), leader.epoch, log.log_end());
    own.map_or(leader.end, |own| own.end.min(leader.end))
}
