//! Settings of groups, under Kafka's names and with its defaults.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::GroupId;

/// Whether a group may go from one protocol to the other while it has members (`group.consumer.migration.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MigrationPolicy {
    /// Both ways.
    #[default]
    Bidirectional,
    /// From classic to consumer only.
    Upgrade,
    /// From consumer to classic only.
    Downgrade,
    /// Not at all.
    Disabled,
}

/// By Kafka's name.
impl FromStr for MigrationPolicy {
    type Err = UnknownMigrationPolicy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "bidirectional" => Ok(Self::Bidirectional),
            "upgrade" => Ok(Self::Upgrade),
            "downgrade" => Ok(Self::Downgrade),
            "disabled" => Ok(Self::Disabled),
            _ => Err(UnknownMigrationPolicy(name.to_owned())),
        }
    }
}

/// No such policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no migration policy: bidirectional, upgrade, downgrade or disabled")]
pub struct UnknownMigrationPolicy(String);

/// All settings; times in ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `group.min.session.timeout.ms`: the shortest that a classic member may ask for.
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`: the longest that a classic member may ask for.
    pub group_max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long a group that was empty waits for more members to come.
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members of a classic group.
    pub group_max_size: usize,
    /// `offset.metadata.max.bytes`: of what a client notes beside an offset.
    pub offset_metadata_max_bytes: usize,
    /// The largest record, in bytes: `max.message.bytes` of `__consumer_offsets`.
    pub record_bytes_max: usize,
    /// `offsets.retention.minutes`, in ms.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
    /// `group.consumer.session.timeout.ms`: of members of consumer groups that set none.
    pub group_consumer_session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`: the longest that members of consumer groups that set none are told.
    pub group_consumer_heartbeat_interval_ms: i32,
    /// `group.consumer.min.heartbeat.interval.ms`: the shortest that they are told while nothing changes.
    pub group_consumer_min_heartbeat_interval_ms: i32,
    /// `group.consumer.max.size`: members of a consumer group.
    pub group_consumer_max_size: usize,
    /// `group.consumer.migration.policy`.
    pub group_consumer_migration_policy: MigrationPolicy,
    /// What single groups have set for themselves.
    pub of_groups: Arc<BTreeMap<GroupId, GroupSettings>>,
}

/// What one group has set for itself; times in ms. For the rest it goes by the [settings](Settings) of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupSettings {
    /// `consumer.session.timeout.ms`: of its members.
    pub consumer_session_timeout_ms: Option<i32>,
    /// `consumer.heartbeat.interval.ms`: told to its members.
    pub consumer_heartbeat_interval_ms: Option<i32>,
}

impl Settings {
    /// After how long a member of this consumer group is gone, in ms.
    pub(crate) fn consumer_session_timeout_ms(&self, group_id: &GroupId) -> i32 {
        let own = self.of_groups.get(group_id).and_then(|own| own.consumer_session_timeout_ms);
        own.unwrap_or(self.group_consumer_session_timeout_ms)
    }

    /// The shortest and the longest interval that members of this consumer group are told while nothing changes, in ms. There is
    /// one interval if the group says which.
    pub(crate) fn consumer_heartbeat_interval_ms(&self, group_id: &GroupId) -> (i32, i32) {
        match self.of_groups.get(group_id).and_then(|own| own.consumer_heartbeat_interval_ms) {
            Some(own) => (own, own),
            None => {
                (self.group_consumer_min_heartbeat_interval_ms, self.group_consumer_heartbeat_interval_ms)
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 3_000,
            group_max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4_096,
            record_bytes_max: 1_048_588,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            group_consumer_session_timeout_ms: 45_000,
            group_consumer_heartbeat_interval_ms: 5_000,
            group_consumer_min_heartbeat_interval_ms: 500,
            group_consumer_max_size: i32::MAX as usize,
            group_consumer_migration_policy: MigrationPolicy::Bidirectional,
            of_groups: Arc::default(),
        }
    }
}
