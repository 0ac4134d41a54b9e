//! The replicas of this broker at work.
//!
//! ```text
//! metadata image --> keeper --> Partition { Mutex<State>: log + role }  <-- produce, fetch, offsets, follow
//!                     |  opens, assigns,          |         ^
//!                     |  retains, closes          v         | what is durable now
//!                     |                        flush threads
//! ```
//!
//! - [`partition`]: one replica; [`state`]: what is behind its lock.
//! - [`produce`], [`fetch`], [`offsets`], [`follow`], [`internal`]: what is done with it, one file per purpose.
//! - [`first_change`]: what has to be durable before the first append after a restart.
//! - [`flush`]: what makes records durable, [`sync_threads`]: who does it; [`waiting`]: producers that wait for that;
//!   [`watchers`]: readers that wait for records; [`codec`]: batches made anew under the topic's codec.
//! - [`table`]: all replicas by name and id; [`keeper`]: the task that keeps them in step; [`caretaker`] and
//!   [`upkeep`]: what is due now and then; [`compact`]: of topics that keep the latest record of each key; [`scrub`]: rot
//!   that nobody reads, [`repair`]: what is made good of any, [`renew`]: of a compacted log, [`integrity`]: how much of that; [`reopen`]: after the disk
//!   failed; [`throttle`]: how fast replicas that are behind may catch up.
//!
//! The rules are elsewhere: what is committed and who is in sync in crate `replica`, what survives a crash in
//! `commit-log`. Here both are put under one lock, and everything that takes time is kept out of it.

mod caretaker;
mod codec;
mod collector;
mod compact;
#[cfg(test)]
mod effects;
mod error;
mod fetch;
mod first_change;
mod flush;
mod follow;
mod high_watermarks;
mod integrity;
mod internal;
mod keeper;
mod offsets;
mod options;
#[expect(clippy::module_inception, reason = "the file is about the thing that the module is named after")]
mod partition;
mod produce;
mod renew;
mod reopen;
mod repair;
mod scrub;
mod services;
mod state;
mod sync_threads;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod throttle;
mod upkeep;
mod waiting;
mod watchers;

pub use collector::PartitionCollector;
pub use error::PartitionError;
pub use fetch::{Marks, PlannedRead, ReadRecords, Reader};
pub use follow::{NextFetch, Taken};
pub use integrity::IntegrityFigures;
pub use keeper::Keeper;
pub use offsets::{FoundOffset, LogFigures, OffsetAnswer, OffsetSpec};
pub use partition::{News, Partition, PartitionName};
pub use produce::Produced;
pub use services::{PartitionQueue, PartitionSettings, Services};
pub use table::Partitions;
pub use throttle::{Quota, Throttles};
pub use waiting::{Ack, Acknowledged};
pub use watchers::Watch;
