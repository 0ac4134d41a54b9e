//! The quorum. [`Consensus`] is all that the rest of the node sees of Raft.

mod consensus;
mod error;
mod hint;
pub(crate) mod log_store;
mod status;
pub(crate) mod types;

pub use consensus::Consensus;
pub use error::{MembershipError, ProposeError, ReadError};
pub use hint::{LeaderAddress, LeaderHint};
pub use status::{LogEntryView, MemberView, RaftStatus, Role};
