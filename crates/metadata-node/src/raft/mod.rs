//! The quorum. [`Consensus`] is all that the rest of the node sees of Raft; openraft is the engine behind it, and no
//! type of it leaves this module (but for the log adapter's, which belong to `store`).
//!
//! | module | what it does |
//! |---|---|
//! | `consensus`, `propose`, `read`, `members` | the facade |
//! | `start`, `settings` | putting it together; timings and bounds |
//! | `admission`, `registrar` | first start; which database belongs to which member |
//! | `leader`, `failover` | who leads; electing at once when the leader's process is gone |
//! | `progress` | how far the members are, for people |
//! | `machine` | applying, snapshots |
//! | `log_store` | openraft's log on top of our store |
//! | `net`, `inbound`, `wire`, `identity` | RPCs to and from other nodes, and their format |

mod admission;
mod consensus;
mod error;
mod failover;
mod figures;
mod hint;
pub(crate) mod identity;
pub(crate) mod inbound;
mod leader;
pub(crate) mod log_store;
pub(crate) mod machine;
mod members;
pub(crate) mod net;
mod progress;
mod propose;
mod read;
mod registrar;
pub mod settings;
mod start;
mod status;
#[cfg(test)]
mod tests;
pub(crate) mod types;
pub(crate) mod wire;

pub use admission::AdmissionError;
pub use consensus::Consensus;
pub use error::{MembershipError, ProposeError, ReadError};
pub use figures::{RaftFigures, Rates};
pub use hint::{LeaderAddress, LeaderHint};
pub use start::{ConsensusError, ConsensusOptions};
pub use status::{LogEntryView, RaftStatus, Role};
