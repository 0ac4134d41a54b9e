//! What a metadata node keeps on disk: Raft's log, vote and snapshots, and the SQL projection of the metadata that
//! people query. On SQLite or on Postgres; nothing outside this module knows which. `OVERVIEW.md` beside this file
//! argues why nothing that was acknowledged is lost.
//!
//! - [`handle`]: [`Store`], what the rest of the node holds; [`snapshot`]: its snapshots.
//! - [`writer`]: the only task that writes. It merges what waits into one transaction ([`batch`]) and answers
//!   after its commit.
//! - [`tail`]: the end of the log in memory, readable before it is durable.
//! - [`projection`]: metadata events turned into rows.
//! - [`database`]: the trait that [`sqlite`] and [`postgres`] implement, and the rows that cross it; [`common_sql`]: what
//!   they share.
//! - [`records`]: log entries, votes, snapshots and history as plain types. No openraft type comes in here.

mod batch;
mod common_sql;
mod database;
mod error;
mod handle;
mod metrics;
mod options;
mod postgres;
mod projection;
mod records;
mod snapshot;
mod sqlite;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use batch::{Done, Op};
pub(crate) use tail::Tail;

pub use error::{OpenError, StoreError};
pub use handle::{Opened, Store, StoreWriter};
pub use metrics::{StoreEvents, StoreGauges};
pub use options::{Backend, StoreOptions};
pub use projection::Image;
pub use records::{
    AppliedEntry, EntryKind, HistoryEntry, HistoryQuery, LogPosition, LogRow, SnapshotRecord, VoteRecord,
};
