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
