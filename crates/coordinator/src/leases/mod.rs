//! Leases: how a group is read by those who are no members, as it suits `curl`. Whoever asks gets records that nobody has,
//! for a time; what is acknowledged is done, what is not comes again when the time is over.
//!
//! Leases are held in memory only. What is durable is the group's committed offset, which moves over what is done without a
//! gap. So a coordinator that is loaded anew gives out again whatever is behind that: nothing is lost, some of it comes twice.
//!
//! Nothing happens by itself: a lease that has ended is still good for an acknowledgement until somebody asks for records and
//! gets them. Only where the [memory](LeaseBudget) for all leases gets short, groups that nobody reads any more are forgotten. A committed offset that changes in any other way (a reset, members that were there for a while) ends all leases
//! of its partition.

mod budget;
mod of_group;
mod progress;

pub use budget::LeaseBudget;
pub(crate) use of_group::{GroupLeases, LOOK_INTERVAL_MS, Leases};
