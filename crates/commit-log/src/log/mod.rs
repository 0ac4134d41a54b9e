//! The log of one partition. One owner makes all changes; what takes long is handed out as a job that needs no
//! borrow of the log: [`ReadPlan`], [`TimestampQuery`], [`FlushJob`], [`CheckpointJob`].

mod append;
mod clean;
mod compaction;
mod deleted;
mod flush;
mod index;
mod open;
mod owned;
mod positions;
mod ranges;
mod read;
mod recovery_point;
mod repair;
mod replacing;
mod retention;
mod salvage;
mod scrub;
mod start;
mod swap;
mod tail;
mod truncate;
mod unapplied;

pub use append::{Appended, Origin, Refused, ReplicaError};
pub use clean::{UnmarkJob, Unmarked};
pub use compaction::{Compacted, Compaction, CompactionJob};
pub use flush::{FlushDone, FlushJob};
pub use index::{IndexJob, RebuiltIndex};
pub use open::Recovered;
pub use owned::Log;
pub use positions::Durable;
pub use read::{FileRange, FoundTimestamp, Read, ReadPlan, TimestampQuery, TimestampSpec};
pub use recovery_point::{CheckpointDone, CheckpointJob};
pub use repair::{FillError, FillJob, Filled};
pub use replacing::SwapJob;
pub use retention::{ClockGuard, Retention};
pub use scrub::{Scrub, Scrubbed};
pub use start::StartJob;

pub(crate) use swap::{SWAP_NAME, Swap};

#[cfg(test)]
mod tests;
