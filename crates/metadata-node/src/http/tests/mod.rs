//! The REST API against a real node: Raft and SQLite, in this process.

mod bad_input;
mod contract;
mod fuzz;
mod gate;
pub(crate) mod harness;
mod openapi;
mod replicas;
