//! The classic protocol: all members join, one of them assigns, each fetches its share.
//!
//! ```text
//!          first join          all joined, or timeout          the leader's SyncGroup
//!   Empty ------------> Preparing ------------> Completing ------------> Stable
//!     ^                   |   ^                     |                      |
//!     +-- nobody joined --+   +-- a member comes, goes, or asks for it ----+
//! ```
//!
//! One file per request, and one for what drives them: `rebalance`. What a member waits for is parked in the group: see
//! [`ClassicGroup`].

mod describe;
mod group;
mod heartbeat;
mod join;
mod leave;
mod member;
mod offsets;
mod protocols;
mod rebalance;
mod static_member;
mod store;
mod sync;
mod timeouts;

pub(crate) use group::ClassicGroup;
pub(super) use group::Phase;
pub(super) use join::refuse_join;
pub(super) use member::{Member, distinct};
