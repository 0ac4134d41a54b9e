//! The storage engine of a partition: a directory of segment files that hold Kafka record batches as they came.
//!
//! Files only: no network, no async runtime, no clock, and no threads either. A [`Log`] has one owner, who makes all
//! changes; what takes long is handed out as a job ([`FlushJob`], [`ReadPlan`], [`TimestampQuery`], [`Scrub`], [`CompactionJob`]) that
//! the owner runs wherever it likes.
//!
//! - [`batch`]: record batches, magic 2: header view, records, builder, validation, codecs.
//! - [`disk`]: what a log asks of a disk, and a simulated one that fails as real ones do.
//! - `segment`: `.log` files, and the `.frames` files that index and protect them.
//! - `derived`: what follows from the batches: leader epochs, producers, transactions.
//! - [`inspect`]: looking at a directory without changing it.
//! - `compact`: which records of a compacted log stay.
//! - `log`: append, flush, read, truncate, retain, recover.
//!
//! `OVERVIEW.md` beside this crate has the model, the crash argument and the limits; `docs/data-files.md` describes
//! every file byte by byte.

mod bytes;
mod checkpoint;
mod compact;
mod derived;
mod error;
mod files;
mod group_commit;
mod log;
mod offset;
mod options;
mod segment;

pub mod batch;
pub mod disk;
pub mod inspect;

pub use derived::{
    AbortedTransaction, EpochEnd, OpenTransaction, ProducerBatch, ProducerError, ProducerState,
};
pub use error::{Damage, DiskError, Fence, LogError};
pub use files::{Files, OPEN_FILES_DEFAULT};
pub use group_commit::GroupCommit;
pub use log::{
    Appended, CheckpointDone, CheckpointJob, ClockGuard, Compacted, Compaction, CompactionJob, Durable,
    FileRange, FillError, FillJob, Filled, FlushDone, FlushJob, FoundTimestamp, IndexJob, Log, Origin, Read,
    ReadPlan, RebuiltIndex, Recovered, Refused, ReplicaError, Retention, Scrub, Scrubbed, StartJob, SwapJob,
    TimestampQuery, TimestampSpec, UnmarkJob, Unmarked,
};
pub use offset::{Offset, ProducerId, ProducerStamp};
pub use options::{FlushPolicy, LogOptions};
