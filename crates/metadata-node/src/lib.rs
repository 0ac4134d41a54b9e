//! One metadata node (controller): a voter of the Raft quorum that keeps the cluster's metadata, with the REST
//! API that users, brokers and its peers talk to. `OVERVIEW.md` beside this crate is the place to begin.
//!
//! - [`raft`]: the quorum behind a facade of ours, [`raft::Consensus`]; no openraft type leaves it (but to `store`).
//! - [`store`]: log, vote, snapshots and the SQL projection, on SQLite and on Postgres.
//! - [`http`]: the REST API and the RPCs between nodes.
//! - [`controller`]: what only the leader does: liveness of brokers, pushes.
//! - [`node`]: start, wiring, graceful stop; [`options`]: flags.

pub mod controller;
pub mod http;
pub mod metrics;
pub mod node;
pub mod options;
pub mod raft;
pub mod store;

pub use node::{StartError, run};
pub use options::Options;
