//! Looking at a log directory from outside, without changing a byte of it: for people, and for scripts.
//!
//! An [`Inspector`] answers three questions:
//! - [`Inspector::look`]: what is there? Reads the small files and the ends of the indexes, and asks the real recovery
//!   on a disk whose changes are forgotten what the next start would find.
//! - [`Inspector::verify`]: is it as it was written? Reads every byte.
//! - [`Inspector::batches`]: which batches are there from an offset on? Reads them as they stand, damage included.
//!
//! The log should not be open elsewhere: what is being written while it is looked at looks like a crash.

mod batches;
mod look;
mod report;
mod verify;

pub use batches::{BadBytes, Batches, Found, FoundBatch, FrameState};
pub use look::Inspector;
pub use report::{
    CheckedSegment, CheckpointReport, CheckpointState, EpochStart, Finding, FindingKind, IndexState,
    Inspection, Knowledge, OtherFile, Recovery, SegmentReport, Verification,
};
