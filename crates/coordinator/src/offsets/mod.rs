//! How far groups have read: commits, fetches, deletion, expiry, and commits within transactions.

mod commit;
mod delete;
mod expire;
mod fetch;
mod store;
mod transactions;

pub(crate) use expire::RetentionStart;
pub(crate) use store::Offsets;
