//! The REST API of a metadata node, one file per resource. The contract is `docs/rest-api.md`; the types are those of
//! `http-api`.
//!
//! - [`router`]: all routes with their OpenAPI description;
//! - `writer`: what every write passes: this node leads, the idempotency key, the proposal;
//! - `params`: strict extractors (as `runtime::http::JsonBody` is for bodies), whose errors name the field, the value and what would be right;
//! - `refusal`: errors of the layers below as problems, one exhaustive mapping per error;
//! - `image`: the full image, written once per version.
//!
//! Reads are answered from the applied state of this node; nothing here keeps state of its own but the cached image.

mod api;
mod broker_configs;
mod brokers;
mod cluster;
mod controller;
mod elections;
mod features;
mod group_configs;
mod health;
mod heartbeat;
mod history;
mod image;
mod internal_topics;
mod isr;
mod members;
mod params;
mod producer_ids;
mod raft;
pub(crate) mod raft_rpc;
mod reassignments;
mod refusal;
mod responses;
mod router;
mod suspicions;
mod topics;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use api::Api;
pub use router::{document, router};
