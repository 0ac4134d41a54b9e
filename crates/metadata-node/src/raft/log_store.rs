//! openraft's log storage on top of [`Store`].

use crate::store::{Opened, Store};

/// The log and the vote, as openraft wants them. Clones share one log.
#[derive(Clone)]
pub(crate) struct LogStore {
    _store: Store,
}

impl LogStore {
    /// The log of a database that was just opened. There may be only one per database.
    #[allow(dead_code, reason = "signature first")]
    pub(crate) fn new(_store: Store, _opened: &Opened) -> Self {
        todo!()
    }
}

/// Signatures only, so that what stands on them compiles; the log comes with the store's writer.
#[expect(clippy::todo, reason = "signatures first")]
mod unwritten {
    use std::fmt::Debug;
    use std::io;
    use std::ops::RangeBounds;

    use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};

    use super::LogStore;
    use crate::raft::types::{Entry, LogId, TypeConfig, Vote};

    impl RaftLogReader<TypeConfig> for LogStore {
        async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
            &mut self,
            _range: RB,
        ) -> io::Result<Vec<Entry>> {
            todo!()
        }

        async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
            todo!()
        }
    }

    impl RaftLogStorage<TypeConfig> for LogStore {
        type LogReader = Self;

        async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
            todo!()
        }

        async fn get_log_reader(&mut self) -> Self {
            self.clone()
        }

        async fn save_vote(&mut self, _vote: &Vote) -> io::Result<()> {
            todo!()
        }

        async fn append<I>(&mut self, _entries: I, _callback: IOFlushed<TypeConfig>) -> io::Result<()>
        where
            I: IntoIterator<Item = Entry> + Send,
            I::IntoIter: Send,
        {
            todo!()
        }

        async fn truncate_after(&mut self, _last_log_id: Option<LogId>) -> io::Result<()> {
            todo!()
        }

        async fn purge(&mut self, _log_id: LogId) -> io::Result<()> {
            todo!()
        }
    }
}
