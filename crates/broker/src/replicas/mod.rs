//! The directories of the replicas assigned to this broker. What is in them is the log engine's business.
//!
//! ```text
//! <data dir>/
//!   meta.properties                     whose directory this is, see `identity`
//!   .lock                               held by the running process
//!   high-watermarks                     what was committed when it was last noted, see `partition::high_watermarks`
//!   orders-0/                           partition 0 of topic `orders`
//!     partition.metadata                the topic's id: a re-created `orders` is another topic
//!   orders-1.<uuid>-delete/             its topic was deleted; removed after a grace period
//!   orders-2.<uuid>-stray/              in the way of another topic of this name; kept for a person to judge
//! ```
//!
//! # When data is removed
//! Only when the deletion of exactly this topic id was **committed** (R16 of the failure catalogue: NATS #7556
//! deleted streams that the metadata merely did not mention). A broker learns of it in one of two ways:
//! - the `TOPIC_DELETED` event is among the deltas it pulls;
//! - it was away for so long that it got a full image, in which the topic is missing. Absence proves nothing, so it
//!   asks the controllers for the history of that topic, and acts only if a `TOPIC_DELETED` with this topic id
//!   is found there. Otherwise the directory stays, is counted in `dmq_broker_stray_replicas`, and is asked about again.
//!
//! Removal is a rename to `-delete`, and only `file.delete.delay.ms` later the data goes.
//!
//! # Crashes
//! A directory holds nothing before its `partition.metadata` is complete, so one without it is finished or reused
//! at the next start; what was made is synced before a log is opened in it. Renames need not be on disk either: one that
//! is undone by a crash is found again as a replica whose topic is gone.

mod dirs;
mod layout;
mod manager;

pub use dirs::ReplicaDirs;
pub(crate) use layout::PARTITION_METADATA;
pub use manager::{ReplicaFigures, ReplicaManager, ReplicaManagerOptions, Replicas};

#[cfg(test)]
mod tests;
