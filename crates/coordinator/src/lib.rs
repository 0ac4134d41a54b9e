//! Consumer groups and their offsets, as decided by the coordinator of one partition of `__consumer_offsets`.
//!
//! Pure: no log, no network, no clock, no randomness. A [`Coordinator`] takes [`Request`]s and the time ([`Now`]), and
//! gives back an [`Outcome`]: records to append, and replies. Replies to JoinGroup and SyncGroup may come with the outcome
//! of a later request or of a [`tick`](Coordinator::tick): each is tied to its request by the [`Token`] that the caller gave it.
//!
//! What the owner of a coordinator has to do:
//!
//! 1. Load: [`Coordinator::new`], then [`replay`](Coordinator::replay) for every record of the partition in order, then
//!    [`activate`](Coordinator::activate). Nothing is answered before that.
//! 2. Append the records of an outcome as **one batch**, in the order of the outcomes. Only what is too large for one may
//!    be split, in its order.
//! 3. Let a reply go when everything that was appended up to and with its own outcome is committed (below the high
//!    watermark). That holds for reads too: so OffsetFetch never shows a commit that may still be lost.
//! 4. If an append fails, or leadership is lost: drop the coordinator, and answer NOT_COORDINATOR to every token that is
//!    still waiting. What was decided and not committed is forgotten with it; there is nothing to take back.
//! 5. Tell it of topics ([`set_topics`](Coordinator::set_topics)) whenever one is created, deleted, or gets more partitions.
//! 6. Call [`tick`](Coordinator::tick) when [`next_deadline`](Coordinator::next_deadline) has come.
//!
//! `OVERVIEW.md` beside this crate has the rules of groups, and the failure model.

pub mod api;
pub mod records;

mod assignment;
mod context;
mod coordinator;
mod embedded;
mod error;
mod group;
mod ids;
mod leases;
mod now;
mod offsets;
mod outcome;
mod routing;
mod settings;
mod sizes;
mod state;
mod timers;
mod topics;

pub use api::{Call, Reply, Request};
pub use coordinator::Coordinator;
pub use error::GroupError;
pub use ids::{GroupId, InstanceId, MemberId, ProducerId, Token};
pub use leases::LeaseBudget;
pub use now::Now;
pub use outcome::{Outcome, Transaction};
pub use records::Record;
pub use routing::partition_of;
pub use settings::{GroupSettings, MigrationPolicy, Settings, UnknownMigrationPolicy};
pub use state::{GroupState, GroupType};
pub use topics::{TopicInfo, Topics};
