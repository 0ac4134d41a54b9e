//! What a metadata node keeps on disk: Raft's log, vote and snapshots, and the SQL projection of the metadata that
//! people query. On SQLite or on Postgres; nothing outside this module knows which. `OVERVIEW.md` beside this file
//! argues why nothing that was acknowledged is lost.
//!
//! - [`handle`]: [`Store`], what the rest of the node holds; reads.
//! - `writer`: the only task that writes. It merges what waits into one transaction (`batch`) and answers
//!   after its commit.
//! - [`projection`]: metadata events turned into rows.
//! - `database`: the trait that `sqlite` and `postgres` implement, and the rows that cross it.
//! - [`records`]: log entries, votes, snapshots and history as plain types. No openraft type comes in here.

mod error;
mod handle;
mod metrics;
mod options;
mod projection;
mod records;

pub use error::{OpenError, StoreError};
pub use handle::{Opened, Store, StoreWriter};
pub use metrics::{StoreEvents, StoreGauges};
pub use options::{Backend, StoreOptions};
pub use projection::Image;
pub use records::{
    AppliedEntry, EntryKind, HistoryEntry, HistoryQuery, LogPosition, LogRow, SnapshotRecord, VoteRecord,
};
