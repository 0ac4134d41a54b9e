//! States and types of groups, under Kafka's names.

use std::fmt;

/// Where a group stands. Classic groups are never `Assigning` or `Reconciling`, consumer groups never in one of the two
/// rebalances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members. It may have offsets.
    Empty,
    /// Classic: its members are asked to join anew.
    PreparingRebalance,
    /// Classic: all have joined, the leader's assignment is awaited.
    CompletingRebalance,
    /// Consumer: the target assignment is older than the group.
    Assigning,
    /// Consumer: members are on their way to the target assignment.
    Reconciling,
    /// Everybody has its assignment.
    Stable,
    /// There is no such group.
    Dead,
}

impl GroupState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Empty,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Assigning,
        Self::Reconciling,
        Self::Stable,
        Self::Dead,
    ];

    /// Kafka's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }

    /// By Kafka's name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// By which protocol a group works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupType {
    /// JoinGroup and SyncGroup: a member assigns. Groups that only have offsets are of this type too.
    Classic,
    /// ConsumerGroupHeartbeat (KIP-848): the coordinator assigns.
    Consumer,
}

impl GroupType {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Consumer];

    /// Kafka's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }

    /// By Kafka's name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group_type| group_type.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
