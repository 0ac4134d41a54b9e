//! Records on their way from leaders to followers, and ISRs on their way to the controllers.
//!
//! ```text
//! partitions that follow  --roles-->  router  -->  one fetcher per leader  <-- Kafka Fetch -->  leader's Kafka port
//! partitions that lead    --proposals-->  isr  -->  POST /api/v1/metadata/isr
//! partitions with gaps     --repairs-->  repair  <-- Kafka Fetch -->  any replica that has them
//! link to the controller  --last success-->  session  -->  "do the controllers hear me?"
//! ```
//!
//! - [`router`]: which fetcher a partition belongs to.
//! - [`fetcher`]: one connection to one leader: ask, append, wait for the disk, ask again. [`followed`]: what it knows of
//!   its partitions; [`exchange`]: the messages. What of them need not be said again, [`kafka_client::fetch_session`] knows.
//! - [`isr`]: compare-and-set changes of ISRs, many partitions in one call.
//! - [`repair`]: records that rot took from this disk, fetched again.
//! - [`session`]: whether the controllers hear this broker.
//!
//! What an answer means for a log is decided in crate `replica`. A fetch claims that everything before its offset is on
//! this broker's disk, so a partition is asked for only once that is true.

mod exchange;
mod fetcher;
mod figures;
mod followed;
mod isr;
mod options;
mod repair;
mod router;
mod session;

#[cfg(test)]
pub(crate) use followed::tests::asked_with_budget_spent;

pub use figures::ReplicationFigures;
pub use options::ReplicationOptions;
pub use router::{Replication, start};
