//! The leader of a partition.
//!
//! One file per question: `state` (who is told what), `fetch` (followers), `commit` (high watermark), `isr` (who is in
//! sync), `serve` (producers and consumers).

mod commit;
mod fetch;
mod isr;
mod serve;
mod state;

pub use fetch::{FetchRefused, Fetched, FollowerFetch, WrongEpoch};
pub use isr::{IsrAnswer, IsrMember, IsrProposal};
pub use serve::{Ack, Acks, NotAvailable, NotEnoughReplicas, ProduceRefused};
pub use state::{Effects, FollowerState, Leader};
