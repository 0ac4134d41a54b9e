//! The consumer protocol (KIP-848): members say what they read and what they have, the coordinator says what they are to have.
//!
//! Three assignments, each with an epoch:
//!
//! - The **group epoch** is raised when a member comes, goes or reads something else, or when a topic changes.
//! - The **target assignment** is made for that epoch at once, by an `assignor`.
//! - Each member's **current assignment** goes towards its target, heartbeat by heartbeat (`reconcile`): first it gives up
//!   what is not in its target, then it takes the new epoch, then it gets what others have given up.
//!
//! Nobody hears of anything before its next heartbeat, so `interval` decides how long a rebalance takes.
//!
//! All of it changes by records only: `store` applies them, whether they are new or replayed. Members that still use the classic
//! protocol take part by JoinGroup, SyncGroup and Heartbeat (`classic_member`).

pub(super) mod assignor;
mod classic_member;
mod describe;
mod group;
mod heartbeat;
mod interval;
mod leave;
mod member;
mod offsets;
mod reconcile;
mod store;
mod subscriptions;
mod target;
mod timeouts;

pub(crate) use group::ConsumerGroup;
pub(crate) use heartbeat::check as check_heartbeat;
pub(super) use member::Current;
