//! The producer: records are collected into batches, and each batch is sent until its outcome is known.
//!
//! | module | what it holds |
//! |---|---|
//! | [`handle`] | [`Producer`]: takes records in |
//! | [`queue`] | what waits for one partition, in which order it is sent and sent again; pure |
//! | [`accumulator`] | the queues of all partitions |
//! | [`sender`] | the task that sends: connections, leaders, answers |
//! | [`request`] | what goes over the wire |
//! | [`verdict`] | what an error code says about a batch |
//! | [`delivery`] | how a record's outcome gets to whoever sent it |
//! | [`partitioner`] | which partition a record goes to |

mod accumulator;
mod delivery;
mod error;
mod handle;
mod options;
mod partitioner;
mod queue;
mod request;
mod sender;
mod verdict;

pub use delivery::{Ack, Delivery};
pub use error::ProduceError;
pub use handle::Producer;
pub use options::{Acks, ProducerOptions};
pub use partitioner::partition_of_key;

#[cfg(test)]
mod tests;
