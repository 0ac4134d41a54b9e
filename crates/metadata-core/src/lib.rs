//! The replicated state of the control plane as a pure decider.
//!
//! A [`Command`] is proposed by the leader, committed by Raft, and then *applied* on every node:
//! [`State::apply`] runs `decide(state, command) -> events` and `evolve(state, event)`. Both are functions of
//! their arguments alone: the leader stamps time, ids and random seeds into the command before it proposes it
//! (see [`Proposal`]). What cannot be done is decided at apply time and given back to the caller as a [`Rejection`].
//!
//! The events, in order, are the metadata change stream that brokers pull; `metadataVersion` is the Raft index
//! of the last command that made an event.

mod apply;
pub mod change;
pub mod change_log;
pub mod command;
pub mod decide;
mod digest;
mod election;
pub mod event;
mod evolve;
pub mod liveness;
pub mod outcome;
pub mod placement;
mod reassignment;
pub mod snapshot;
pub mod state;

pub use change::{Applied, Before, Change};
pub use change_log::ChangeLog;
pub use command::{Command, Proposal, RequestId};
pub use event::Event;
pub use liveness::Ledger;
pub use outcome::{Decided, Outcome, Rejection};
pub use snapshot::Record;
pub use state::{BrokerConfigs, GroupConfigs, State};
