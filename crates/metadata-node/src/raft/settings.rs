//! Timings and bounds of the quorum, and openraft's configuration made of them.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

/// The largest command, as JSON: about 30,000 replica assignments.
pub const COMMAND_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How many bytes of entries one AppendEntries carries, unless its first entry alone has more. The log adapter keeps
/// to it when it reads for replication.
pub const APPEND_BYTES_MAX: usize = 1024 * 1024;

/// Body limit of the routes between nodes, snapshots apart: one AppendEntries with what surrounds its entries.
pub(crate) const RPC_BODY_BYTES_MAX: usize = 2 * (COMMAND_BYTES_MAX + APPEND_BYTES_MAX);

/// Most entries of one AppendEntries.
const APPEND_ENTRIES_MAX: u64 = 300;

/// How many proposals may wait for their outcome at once; beyond it a node answers that it is overloaded.
pub(crate) const WAITING_PROPOSALS_MAX: usize = 16 * 1024;

/// A snapshot is taken every so many entries: some 10 MB of log, applied again in a tenth of a second at a restart, and
/// under full load (20,000 commits a second) still seconds apart...
const SNAPSHOT_EVERY_ENTRIES: u64 = 50_000;
/// ...and so many entries are kept before it, so that a node that was away for a moment catches up by log.
const ENTRIES_KEPT: u64 = 5_000;
/// Timings of the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Between two heartbeats of the leader.
    pub heartbeat: Duration,
    /// Shortest election timeout.
    pub election_min: Duration,
    /// Longest election timeout; also the leader's lease.
    pub election_max: Duration,
    /// How many entries are between two snapshots.
    pub snapshot_entries: u64,
    /// How many entries are kept before a snapshot.
    pub kept_entries: u64,
}

impl Timings {
    /// Heartbeats every `heartbeat_ms`, elections after `election_ms` (shortest, longest).
    pub fn new(heartbeat_ms: u64, election_ms: (u64, u64)) -> Self {
        Self {
            heartbeat: Duration::from_millis(heartbeat_ms),
            election_min: Duration::from_millis(election_ms.0),
            election_max: Duration::from_millis(election_ms.1),
            snapshot_entries: SNAPSHOT_EVERY_ENTRIES,
            kept_entries: ENTRIES_KEPT,
        }
    }

    /// How long a proposal or a linearizable read waits before it is given up: long enough for two elections, and
    /// never less than two seconds.
    pub fn wait_max(&self) -> Duration {
        (self.election_max * 6).max(Duration::from_secs(2))
    }

    /// openraft's configuration. What is not said here is its default.
    pub(crate) fn openraft(&self, cluster_name: &str) -> Result<Arc<Config>, SettingsError> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let config = Config {
            cluster_name: cluster_name.to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            // A leader that restarts must not lead again without an election: followers commit entries that it has
            // not flushed itself, and after a crash it would give their log ids to other entries.
            // `tests/leader_restart.rs` shows what happens otherwise.
            enable_leader_restore: Some(false),
            // A node that was paused or cut off does not depose a working leader when it comes back.
            enable_pre_vote: Some(true),
            // A leader without a quorum steps back and probes, so that a partial partition ends (openraft #2089).
            quorum_loss_probe_interval: Some(2 * millis(self.election_max)),
            install_snapshot_timeout: 60_000,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.kept_entries,
            purge_batch_size: 256,
            max_payload_entries: APPEND_ENTRIES_MAX,
            replication_lag_threshold: 2 * self.snapshot_entries,
            // Reconnecting to a peer that refused is cheap; a long back-off would slow a restart down.
            backoff: "50ms".to_owned(),
            ..Config::default()
        };
        config.validate().map(Arc::new).map_err(|error| SettingsError(error.to_string()))
    }
}

/// Timings that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("raft timings: {0}")]
pub struct SettingsError(String);

#[cfg(test)]
mod tests {
    use super::*;

    /// The three settings without which acknowledged writes are lost, or a node that comes back stops the others.
    #[test]
    fn what_must_be_set_is_set() {
        for timings in [Timings::new(100, (200, 300)), Timings::new(250, (750, 1000))] {
            let config = timings.openraft("c").unwrap();
            assert_eq!(config.enable_leader_restore, Some(false));
            assert_eq!(config.enable_pre_vote, Some(true));
            assert_eq!(config.allow_log_reversion, None);
            assert!(config.quorum_loss_probe_interval.is_some());
        }
    }

    #[test]
    fn timings_that_cannot_work_are_refused() {
        assert!(Timings::new(300, (200, 300)).openraft("c").is_err());
        assert!(Timings::new(100, (300, 200)).openraft("c").is_err());
    }
}
