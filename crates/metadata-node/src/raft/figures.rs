//! Counters of the Raft layer; how they are exposed is the business of `crate::metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the process started. Relaxed: each is read on its own.
#[derive(Debug, Default)]
pub struct RaftFigures {
    proposals: AtomicU64,
    proposals_unknown: AtomicU64,
    commit_micros: AtomicU64,
    leader_changes: AtomicU64,
    early_elections: AtomicU64,
    rpcs_refused: AtomicU64,
    snapshots_installed: AtomicU64,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident: $add:ident, $get:ident;)*) => {
        impl RaftFigures {
            $(
                $(#[$doc])*
                pub fn $get(&self) -> u64 {
                    self.$field.load(Ordering::Relaxed)
                }

                pub(super) fn $add(&self, count: u64) {
                    self.$field.fetch_add(count, Ordering::Relaxed);
                }
            )*
        }
    };
}

counters! {
    /// Proposals that got an outcome.
    proposals: add_proposals, proposals;
    /// Proposals whose outcome is unknown.
    proposals_unknown: add_proposals_unknown, proposals_unknown;
    /// Time from proposal to outcome, summed up, in microseconds.
    commit_micros: add_commit_micros, commit_micros;
    /// How often this node saw another leader or another term of one.
    leader_changes: add_leader_changes, leader_changes;
    /// Elections that this node tried at once, because the leader's process was seen to be gone.
    early_elections: add_early_elections, early_elections;
    /// RPCs of other nodes that were not let through to Raft.
    rpcs_refused: add_rpcs_refused, rpcs_refused;
    /// Snapshots of a leader that took the place of this node's state.
    snapshots_installed: add_snapshots_installed, snapshots_installed;
}
