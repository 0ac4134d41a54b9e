//! The state machine: committed entries are applied to [`metadata_core::State`] in memory; snapshots of it are kept
//! in the store. After a restart the state is the snapshot's, with the log from there on applied again.
//!
//! - `apply`: openraft's side, which alone writes;
//! - `applied`: the readers' side;
//! - `codec`, `snapshot`: the format of a snapshot; snapshots built, sent, received.

mod applied;
mod apply;
mod codec;
mod snapshot;
#[cfg(test)]
mod tests;

pub(crate) use applied::{Applied, Published};
pub(crate) use apply::Machine;
pub(crate) use snapshot::SnapshotData;
