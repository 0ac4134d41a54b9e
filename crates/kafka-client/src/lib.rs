//! A lean Kafka client of our own, for the command line, benchmarks, drills and tests. It works with every broker that
//! speaks Kafka's protocol.
//!
//! | type | what it does |
//! |---|---|
//! | [`Connection`] | one broker: pipelined requests, deadlines, bounds, the version that both sides have |
//! | [`Cluster`] | who leads what, refreshed when a broker says that it is not the leader (KIP-951), and connections |
//!
//! Every failure says whether the broker may have carried the request out: a history that is to be checked for lost and
//! repeated records needs to know.

pub mod address;
pub mod cluster;
pub mod connection;
pub mod versions;

pub use address::{Address, InvalidAddress};
pub use cluster::{Cluster, ClusterError, ClusterOptions, Leader, LeaderHint};
pub use connection::{CallError, Connection, ConnectionOptions, Pending};
pub use versions::Versions;
