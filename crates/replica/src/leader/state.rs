//! What a leader knows, and who tells it.

use std::collections::BTreeMap;

use common::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch};

use super::isr::{IsrChange, IsrProposal};
use crate::{Assignment, Positions, ReplicaLog, Settings};

/// What has to happen outside after something was told to a leader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "someone may be waiting for it"]
pub struct Effects {
    /// The high watermark moved up to here: answer those who wait for it.
    pub high_watermark: Option<Offset>,
    /// From now on all that was acknowledged before this leader's time is known to be committed: see
    /// [`Leader::is_ready`].
    pub became_ready: bool,
    /// Ask the controller for this, until it answers or [`Leader::proposal`] is another; the answer goes to
    /// [`Leader::isr_answered`].
    pub proposal: Option<IsrProposal>,
}

/// What the leader knows of a follower, by the fetches it made in this leader epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerState {
    /// Of the registration that fetched last. `None`: it never did.
    pub broker_epoch: Option<BrokerEpoch>,
    /// It has, and vouches for, everything below. `None`: it has not fetched since it left the ISR, or at all. Goes back only
    /// if it registers again.
    pub log_end: Option<Offset>,
    /// Where it said last that its log ends, whether that counts or not: for figures.
    pub told_end: Option<Offset>,
    /// Where its log starts.
    pub log_start: Offset,
    /// When it last had everything that the leader had a fetch before.
    pub caught_up_ms: Option<i64>,
    /// When it fetched last.
    pub fetched_ms: Option<i64>,
    /// The leader's log end at that time.
    pub(super) end_at_fetch: Offset,
}

impl FollowerState {
    pub(super) fn unknown() -> Self {
        Self {
            broker_epoch: None,
            log_end: None,
            told_end: None,
            log_start: Offset(0),
            caught_up_ms: None,
            fetched_ms: None,
            end_at_fetch: Offset(0),
        }
    }

    /// Only who it is, and where its log starts, counts on.
    pub(super) fn forget_claims(&mut self) {
        let Self { broker_epoch, told_end, log_start, .. } = *self;
        *self = Self { broker_epoch, told_end, log_start, ..Self::unknown() };
    }
}

/// A leader during one leader epoch.
#[derive(Debug, Clone)]
pub struct Leader {
    pub(super) me: BrokerId,
    pub(super) settings: Settings,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) partition_epoch: PartitionEpoch,
    /// The log's end when this epoch began: everything before it may have been acknowledged by earlier leaders.
    pub(super) epoch_start: Offset,
    pub(super) replicas: Vec<BrokerId>,
    /// As the controllers have it, as far as is known here.
    pub(super) isr: Vec<BrokerId>,
    /// Those that may be in the ISR.
    pub(super) online: BTreeMap<BrokerId, BrokerEpoch>,
    pub(super) change: IsrChange,
    /// One for each other replica; made anew with each leader epoch, so that nothing counts that was said in another.
    pub(super) followers: BTreeMap<BrokerId, FollowerState>,
    /// Never goes back. `epoch_start` may be above it at first.
    pub(super) high_watermark: Offset,
    /// Whether the controllers hear this broker.
    pub(super) in_session: bool,
}

impl Leader {
    /// Begins to lead, in the epoch of `assignment`. `high_watermark` is what this replica knew as a follower, or what
    /// it had noted before a restart; more than the log has, or less than where it starts, is put right.
    ///
    /// # Panics
    /// If `assignment` does not name `me` the leader.
    pub fn elected(
        me: BrokerId,
        settings: Settings,
        assignment: Assignment,
        log: &impl ReplicaLog,
        high_watermark: Offset,
        now_ms: i64,
    ) -> (Self, Effects) {
        let Assignment { partition, online } = assignment;
        assert!(
            partition.leader == Some(me),
            "broker {me} is told to lead what {:?} leads",
            partition.leader
        );
        let mut leader = Self {
            me,
            settings,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            epoch_start: log.log_end(),
            replicas: partition.replicas,
            isr: partition.isr,
            online,
            change: IsrChange::None { not_before_ms: None },
            followers: BTreeMap::new(),
            high_watermark: high_watermark.clamp(log.log_start(), log.log_end()),
            in_session: true,
        };
        leader.know_followers(now_ms);
        let became_ready = leader.is_ready();
        let effects = leader.settle(log, now_ms);
        (leader, Effects { became_ready: effects.became_ready || became_ready, ..effects })
    }

    /// New metadata of the same leader epoch: another ISR, other replicas, brokers that came or went. Older metadata
    /// change nothing.
    pub fn update(&mut self, assignment: Assignment, log: &impl ReplicaLog, now_ms: i64) -> Effects {
        let Assignment { partition, online } = assignment;
        if partition.leader_epoch != self.leader_epoch || partition.partition_epoch < self.partition_epoch {
            return Effects::default();
        }
        self.online = online;
        self.adopt(partition, now_ms);
        self.settle(log, now_ms)
    }

    /// New settings; they count from the next call on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The own log has changed: records became safe, or its start moved.
    pub fn log_changed(&mut self, log: &impl ReplicaLog, now_ms: i64) -> Effects {
        self.high_watermark = self.high_watermark.max(log.log_start());
        self.settle(log, now_ms)
    }

    /// Time went on: call it a few times per `replica_lag_time_max_ms`.
    pub fn tick(&mut self, log: &impl ReplicaLog, now_ms: i64) -> Effects {
        self.settle(log, now_ms)
    }

    /// Whether the controllers still hear this broker: see [`Leader::is_cut_off`].
    pub fn set_in_session(&mut self, in_session: bool) {
        self.in_session = in_session;
    }

    /// Its leader epoch.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Where its leader epoch begins in the log.
    pub fn epoch_start(&self) -> Offset {
        self.epoch_start
    }

    /// The partition epoch that it knows.
    pub fn partition_epoch(&self) -> PartitionEpoch {
        self.partition_epoch
    }

    /// All replicas, the preferred leader first.
    pub fn replicas(&self) -> &[BrokerId] {
        &self.replicas
    }

    /// The ISR as the controllers have it, as far as is known here.
    pub fn isr(&self) -> &[BrokerId] {
        &self.isr
    }

    /// What it knows of each follower.
    pub fn followers(&self) -> impl Iterator<Item = (BrokerId, &FollowerState)> {
        self.followers.iter().map(|(id, state)| (*id, state))
    }

    /// How many records `follower` lacks, by what it said last, also of one that is dead; `None` for one that never fetched in this
    /// leader epoch.
    pub fn lag(&self, follower: BrokerId, log: &impl ReplicaLog) -> Option<i64> {
        let told_end = self.followers.get(&follower)?.told_end?;
        Some((log.log_end() - told_end).max(0))
    }

    /// The high watermark.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// All positions.
    pub fn positions(&self, log: &impl ReplicaLog) -> Positions {
        Positions::of(log, self.high_watermark)
    }

    /// Where the log starts on all replicas that are ONLINE: what DeleteRecords answers as the low watermark.
    pub fn low_watermark(&self, log: &impl ReplicaLog) -> Offset {
        let online = self.followers.iter().filter(|(id, _)| self.online.contains_key(id));
        online.map(|(_, follower)| follower.log_start).fold(log.log_start(), Offset::min)
    }

    /// Everything that follows from what is known now.
    pub(super) fn settle(&mut self, log: &impl ReplicaLog, now_ms: i64) -> Effects {
        let was_ready = self.is_ready();
        let high_watermark = self.advance(log, now_ms);
        let proposal = self.consider(log, now_ms);
        Effects { high_watermark, became_ready: !was_ready && self.is_ready(), proposal }
    }

    /// Followers for exactly the other replicas. Members of the ISR begin as caught up: they get the full lag time.
    pub(super) fn know_followers(&mut self, now_ms: i64) {
        let (me, replicas) = (self.me, &self.replicas);
        self.followers.retain(|id, _| replicas.contains(id));
        for id in replicas.iter().filter(|id| **id != me) {
            let follower = self.followers.entry(*id).or_insert_with(FollowerState::unknown);
            if self.isr.contains(id) {
                follower.caught_up_ms.get_or_insert(now_ms);
            }
        }
    }
}
