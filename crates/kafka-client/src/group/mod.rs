//! A member of a consumer group, of either protocol: the classic one (JoinGroup, SyncGroup, Heartbeat), where the members
//! assign, and KIP-848 (ConsumerGroupHeartbeat), where the coordinator does.
//!
//! | module | what it holds |
//! |---|---|
//! | [`GroupMember`] | the handle: what changes, commits, leaving |
//! | [`GroupView`] | a group from outside: its members, its offsets |
//! | `membership` | who the member is, and until when it may believe so |
//! | `session` | what both protocols share: what the member owns, how it asks, how its user hears of changes |
//! | `classic`, `next_generation` | the two protocols, each told as a story |
//! | `leader` | what the leader of a classic generation does for all |
//! | `link` | the way to the coordinator, wherever it is |
//! | `assignor`, `embedded` | what members of classic groups decide and tell each other; pure |
//!
//! **Ownership is a lease.** A member that hears nothing from its coordinator for a session timeout, counted from when it sent
//! what was answered last, gives everything up by itself: by then the coordinator may have given it to others. So no partition
//! is with two members at any moment, as long as clocks pass equally fast. This holds whatever the member is at, also while a
//! join of it is kept waiting: then it goes on with heartbeats over another connection.
//!
//! **Up to three connections** go to the coordinator, one for each time that an answer may take, since answers of one connection
//! come in order: heartbeats are answered at once, commits when they are replicated, joins when the others have come. The last
//! one is there during rebalances alone. (Java's classic consumer has one, and sends no heartbeats while it joins: it relies on
//! the coordinator for what it owns meanwhile.)

mod assignor;
mod classic;
mod embedded;
mod error;
mod leader;
mod link;
mod member;
mod membership;
mod next_generation;
mod offsets;
mod options;
mod session;
mod view;

pub use error::GroupError;
pub use member::{Change, ChangeKind, GroupMember};
pub use options::{Assignor, GroupOptions, GroupProtocol};
pub use view::{GroupDescription, GroupView};

use std::collections::BTreeSet;

use crate::offsets::TopicPartition;

/// Partitions of any topics, in order.
pub type Partitions = BTreeSet<TopicPartition>;

#[cfg(test)]
mod tests;
