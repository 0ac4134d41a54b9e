//! The configuration of a cluster: `services.json`.
//!
//! [`ClusterConfig::parse`] reads the file strictly and gives the checked form that everything else works with,
//! or all that is wrong with it at once, each with the path of the field, the value and what would be right.
//! Every setting is declared once, in [`fields`]: the reader's bounds, the JSON schema in
//! `docs/services.schema.json` and the tables of `docs/configuration.md` all come from there.
//!
//! Pure like the rest of the crate: reading the file and the environment is the caller's part
//! (`runtime::services`).

mod checks;
mod cluster;
mod database;
mod docs;
mod error;
pub mod fields;
mod json;
mod read;
mod render;
mod schema;
mod timings;

pub use cluster::{BrokerConfig, ClusterConfig, MetadataNodeConfig};
pub use database::{DatabaseKind, DatabaseUrl, InvalidDatabaseUrl, MissingVariable, redact_url};
pub use docs::markdown;
pub use error::{ConfigError, ConfigErrors};
pub use schema::json_schema;
pub use timings::{
    BrokerTimings, HEARTBEATS_PER_ELECTION_MIN, HEARTBEATS_PER_SESSION_MIN, REQUESTS_PER_SESSION_MIN,
    RaftTimings, TimingProfile,
};

#[cfg(test)]
mod tests;
