//! Quorums of several nodes in one process, over real sockets and real databases. What needs processes that die is
//! in `tests/` of the crate.

mod harness;
mod membership;
mod quorum;
mod snapshots;
