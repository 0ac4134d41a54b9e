//! One replica of a partition, as a leader or as a follower: how far the log is committed, who is in sync, what a
//! follower has to cut off.
//!
//! Pure: no files, no network, no clock. The log is asked through [`ReplicaLog`], time is an argument in ms, and what
//! has to happen outside comes back as a value: [`Effects`] of a leader, [`Step`]s of a follower. The owner of the
//! log keeps both under one lock, so that what is decided here fits the log that it is done to.
//!
//! - [`Replica`]: the role, and how new metadata change it.
//! - [`Leader`]: fetches of followers, high watermark, ISR changes, fencing, acknowledgements.
//! - [`Follower`]: what to fetch next, and what an answer means: append, truncate, begin anew, wait.
//! - [`Positions`]: `log start <= last stable <= high watermark <= log end`, checked.
//! - [`epochs`]: where a leader epoch ends, for truncations and OffsetForLeaderEpoch.
//!
//! `OVERVIEW.md` beside this crate has the rules, and why no acknowledged record is lost.

pub mod epochs;

mod assignment;
mod follower;
mod leader;
mod log;
mod positions;
mod replica;

pub use assignment::{Assignment, Settings};
pub use epochs::EpochEnd;
pub use follower::{FetchAnswer, FetchPosition, Follower, Progress, Step};
pub use leader::{
    Ack, Acks, Effects, FetchRefused, Fetched, FollowerFetch, FollowerState, IsrAnswer, IsrMember,
    IsrProposal, Leader, NotAvailable, NotEnoughReplicas, ProduceRefused, WrongEpoch,
};
pub use log::ReplicaLog;
pub use positions::{Isolation, Positions};
pub use replica::{Replica, RoleChange};
