//! [`Store`]: what the rest of the node holds.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{
    AppliedEntry, Backend, HistoryEntry, HistoryQuery, Image, LogPosition, LogRow, OpenError, SnapshotRecord,
    StoreError, StoreEvents, StoreGauges, StoreOptions, VoteRecord,
};

/// An open database. Cheap to clone; all clones are the same database.
#[derive(Clone)]
pub struct Store {
    gauges: Arc<StoreGauges>,
}

/// What was found at open.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Which kind of database.
    pub backend: Backend,
    /// Drawn when this database was created. A node that comes back with another one lost its log and its vote.
    pub storage_id: Uuid,
    /// Whether it was created just now.
    pub fresh: bool,
    /// The last vote.
    pub vote: Option<VoteRecord>,
    /// The last position that is known to be committed. May be older than what was committed before the crash.
    pub committed: Option<LogPosition>,
    /// All entries up to here were purged.
    pub purged: Option<LogPosition>,
    /// The last entry; if there is none, `purged`.
    pub last_log: Option<LogPosition>,
    /// Up to here the projection holds all changes. Never behind the snapshot.
    pub projected: Option<LogPosition>,
    /// Identifies the Postgres server (its `system_identifier`): two voters on one server share its fate.
    pub server_id: Option<u64>,
}

/// The task that writes. Run it as a task whose end ends the node.
pub struct StoreWriter {}

impl StoreWriter {
    /// Writes until every [`Store`] is dropped; then what waits is written first. An error is final.
    pub async fn run(self) -> Result<(), StoreError> {
        todo!()
    }
}

impl Store {
    /// Opens, migrates and takes hold of a database, or says why not.
    pub async fn open(
        _options: StoreOptions,
        _events: Arc<dyn StoreEvents>,
    ) -> Result<(Self, StoreWriter, Opened), OpenError> {
        todo!()
    }

    /// Hands over what was applied, in order, for the projection. Its rows are written within
    /// [`StoreOptions::projection_delay`]; waits only if the writer is far behind.
    pub async fn project(&self, _entries: Vec<AppliedEntry>) -> Result<(), StoreError> {
        todo!()
    }

    /// Stores a snapshot in place of the former one. Durable on return.
    pub async fn save_snapshot(&self, _record: SnapshotRecord, _data: Bytes) -> Result<(), StoreError> {
        todo!()
    }

    /// Stores a snapshot of the leader in place of the former one and rewrites the projection from `image`, in one
    /// transaction. Durable on return. The log is left alone: openraft purges it.
    pub async fn install_snapshot(
        &self,
        _record: SnapshotRecord,
        _data: Bytes,
        _image: Image,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// The snapshot that is stored, checked against its checksum.
    pub async fn snapshot(&self) -> Result<Option<(SnapshotRecord, Bytes)>, StoreError> {
        todo!()
    }

    /// Metadata events. Everything applied before the call is in it.
    pub async fn history(&self, _query: HistoryQuery) -> Result<Vec<HistoryEntry>, StoreError> {
        todo!()
    }

    /// Durable log entries from index `from` on, at most `limit`, oldest first.
    pub async fn log(&self, _from: u64, _limit: usize) -> Result<Vec<LogRow>, StoreError> {
        todo!()
    }

    /// Figures to be read at any time.
    pub fn gauges(&self) -> &StoreGauges {
        &self.gauges
    }
}
