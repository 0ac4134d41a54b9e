//! The role of a replica, and how it changes with the metadata.

use common::{BrokerId, LeaderEpoch, Offset, PartitionEpoch};

use crate::{Assignment, Effects, Follower, Leader, Positions, ReplicaLog, Settings, WrongEpoch};

/// One replica of a partition.
#[derive(Debug, Clone)]
pub enum Replica {
    /// It leads.
    Leader(Leader),
    /// It follows, or waits until somebody leads.
    Follower(Follower),
}

/// What new metadata made of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleChange {
    /// Nothing.
    None,
    /// It leads from now on, in a new epoch; also if it led before.
    Elected,
    /// It led and does not any more: those who wait for acknowledgements wait for nothing.
    Deposed,
    /// It followed and follows on, but another leader or another epoch.
    NewLeader,
}

impl Replica {
    /// The replica of `me`, as the metadata want it. `high_watermark` is what it had noted before a restart; 0 if it
    /// noted nothing.
    pub fn new(
        me: BrokerId,
        settings: Settings,
        assignment: Assignment,
        log: &impl ReplicaLog,
        high_watermark: Offset,
        now_ms: i64,
    ) -> (Self, Effects) {
        if assignment.partition.leader == Some(me) {
            let (leader, effects) = Leader::elected(me, settings, assignment, log, high_watermark, now_ms);
            (Self::Leader(leader), effects)
        } else {
            let follower = Follower::new(settings, &assignment, log, high_watermark);
            (Self::Follower(follower), Effects::default())
        }
    }

    /// New metadata. Older ones change nothing.
    pub fn update(
        &mut self,
        me: BrokerId,
        settings: Settings,
        assignment: Assignment,
        log: &impl ReplicaLog,
        now_ms: i64,
    ) -> (RoleChange, Effects) {
        if assignment.partition.partition_epoch < self.partition_epoch() {
            return (RoleChange::None, Effects::default());
        }
        let leads = assignment.partition.leader == Some(me);
        let change = match self {
            Self::Leader(leader) if leads && assignment.partition.leader_epoch == leader.leader_epoch() => {
                leader.set_settings(settings);
                return (RoleChange::None, leader.update(assignment, log, now_ms));
            }
            Self::Follower(follower) if !leads => {
                follower.set_settings(settings);
                let change =
                    if follower.update(&assignment) { RoleChange::NewLeader } else { RoleChange::None };
                return (change, Effects::default());
            }
            _ if leads => RoleChange::Elected,
            _ => RoleChange::Deposed,
        };
        let (replica, effects) = Self::new(me, settings, assignment, log, self.high_watermark(), now_ms);
        *self = replica;
        (change, effects)
    }

    /// Its leader epoch.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        match self {
            Self::Leader(leader) => leader.leader_epoch(),
            Self::Follower(follower) => follower.leader_epoch(),
        }
    }

    /// The partition epoch that it knows.
    pub fn partition_epoch(&self) -> PartitionEpoch {
        match self {
            Self::Leader(leader) => leader.partition_epoch(),
            Self::Follower(follower) => follower.partition_epoch(),
        }
    }

    /// The high watermark, as far as it is known here.
    pub fn high_watermark(&self) -> Offset {
        match self {
            Self::Leader(leader) => leader.high_watermark(),
            Self::Follower(follower) => follower.high_watermark(),
        }
    }

    /// All positions.
    pub fn positions(&self, log: &impl ReplicaLog) -> Positions {
        Positions::of(log, self.high_watermark())
    }

    /// Checks the epoch that a request names as the leader's; none passes.
    pub fn check_epoch(&self, asked: Option<LeaderEpoch>) -> Result<(), WrongEpoch> {
        WrongEpoch::check(asked, self.leader_epoch())
    }

    /// The leader, if it leads.
    pub fn as_leader(&mut self) -> Option<&mut Leader> {
        match self {
            Self::Leader(leader) => Some(leader),
            Self::Follower(_) => None,
        }
    }

    /// The follower, if it follows.
    pub fn as_follower(&mut self) -> Option<&mut Follower> {
        match self {
            Self::Leader(_) => None,
            Self::Follower(follower) => Some(follower),
        }
    }
}
