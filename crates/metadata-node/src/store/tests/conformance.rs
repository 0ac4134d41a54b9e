//! openraft's own storage suite, on both databases, with the log adapter and the state machine that the node runs.

use std::sync::Arc;

use common::ClusterId;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};

use super::{Place, Running};
use crate::raft::log_store::LogStore;
use crate::raft::machine::Machine;
use crate::raft::types::TypeConfig;

struct Builder(fn() -> Place);

impl StoreBuilder<TypeConfig, LogStore, Machine, (Place, Running)> for Builder {
    async fn build(&self) -> Result<((Place, Running), LogStore, Machine), StorageError<TypeConfig>> {
        let place = (self.0)();
        let running = place.open().await;
        let log = LogStore::new(running.store.clone(), &running.opened);
        let machine =
            Machine::open(running.store.clone(), ClusterId("test".into()), Arc::default()).await.unwrap();
        Ok(((place, running), log, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_passes_openrafts_suite() {
    Suite::test_all(Builder(Place::sqlite)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_openrafts_suite() {
    Suite::test_all(Builder(Place::postgres)).await.unwrap();
}
