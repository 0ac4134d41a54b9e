//! One broker: it follows the controller, keeps a copy of the cluster metadata, and serves the replicas assigned to it
//! to Kafka clients. `OVERVIEW.md` beside this crate is the place to begin.
//!
//! - [`link`]: how a broker follows the controller, as a state machine; [`follower`] carries it out.
//! - [`image`]: the broker's copy of the metadata.
//! - [`identity`]: whose data directory this is; [`replicas`]: what is in it.
//! - [`partition`]: the replicas at work; [`producer_ids`]: ids for producers.
//! - [`coordinator`]: consumer groups.
//! - [`kafka`]: the listener for Kafka clients.
//! - [`http`]: the REST API; [`metrics`]: the figures.
//! - [`broker_config`]: settings by Kafka's names.
//! - [`broker`]: start, wiring (`data_plane` for what handles records), controlled shutdown; [`options`] and [`settings`]: what it is started with.

pub mod broker;
pub mod broker_config;
pub mod coordinator;
mod data_plane;
pub mod follower;
pub mod http;
pub mod identity;
pub mod image;
pub mod kafka;
pub mod link;
pub mod metrics;
pub mod options;
pub mod partition;
pub mod producer_ids;
pub mod replicas;
pub mod replication;
pub mod settings;

pub use broker::{Broker, StartError, run};
pub use options::Options;
pub use settings::Settings;
