//! The coordinator of one partition of `__consumer_offsets`.

mod admin;
mod consumer;
mod leases;
mod load;
mod membership;
mod offsets;
mod state;
mod time;

pub use state::Coordinator;
