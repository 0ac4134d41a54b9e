//! The applied state as readers see it.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use common::limits::{CHANGE_LOG_BYTES_MAX, CHANGE_LOG_EVENTS_MAX};
use common::{MetadataVersion, NodeId};
use metadata_core::{ChangeLog, State};
use tokio::sync::watch;

use crate::raft::types::{LogId, StoredMembership};

/// What the committed log amounts to. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    /// The metadata.
    pub(crate) state: State,
    /// The last applied entry.
    pub(crate) last_applied: Option<LogId>,
    /// The last applied membership.
    pub(crate) membership: StoredMembership,
    /// Every node id that ever was a member.
    pub(crate) used_ids: BTreeSet<NodeId>,
}

impl Applied {
    /// Before the first entry.
    pub(crate) fn empty(state: State) -> Self {
        Self { state, last_applied: None, membership: StoredMembership::default(), used_ids: BTreeSet::new() }
    }
}

/// How far the log is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Index of the last applied entry; 0: none.
    pub(crate) index: u64,
    /// Its term.
    pub(crate) term: u64,
}

/// The applied state behind a lock, and channels that tell when it moves.
pub(crate) struct Published {
    applied: RwLock<(Applied, ChangeLog)>,
    version: watch::Sender<MetadataVersion>,
    progress: watch::Sender<Progress>,
    /// Changes only when the term of the last applied entry does.
    term: watch::Sender<u64>,
}

impl Published {
    pub(crate) fn new(applied: Applied) -> Self {
        let version = applied.state.version();
        let progress = progress(&applied);
        let change_log = ChangeLog::new(version, CHANGE_LOG_EVENTS_MAX, CHANGE_LOG_BYTES_MAX);
        Self {
            applied: RwLock::new((applied, change_log)),
            version: watch::Sender::new(version),
            progress: watch::Sender::new(progress),
            term: watch::Sender::new(progress.term),
        }
    }

    /// Reads under a short lock.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&Applied) -> R) -> R {
        f(&self.applied.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Reads the recent changes under a short lock.
    pub(crate) fn read_changes<R>(&self, f: impl FnOnce(&ChangeLog) -> R) -> R {
        f(&self.applied.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Changes the state; readers are told once, afterwards.
    pub(super) fn update<R>(&self, f: impl FnOnce(&mut Applied, &mut ChangeLog) -> R) -> R {
        let mut guard = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        let (applied, change_log) = &mut *guard;
        let result = f(applied, change_log);
        let (version, progress) = (applied.state.version(), progress(applied));
        drop(guard);
        self.tell(version, progress);
        result
    }

    /// Puts the state of a snapshot in the place of the former one. What changed in between is not known.
    pub(super) fn replace(&self, applied: Applied) {
        self.update(|current, change_log| {
            change_log.reset(applied.state.version());
            *current = applied;
        });
    }

    fn tell(&self, version: MetadataVersion, progress: Progress) {
        self.progress.send_replace(progress);
        self.version.send_if_modified(|known| std::mem::replace(known, version) != version);
        self.term.send_if_modified(|known| std::mem::replace(known, progress.term) != progress.term);
    }

    pub(crate) fn watch_version(&self) -> watch::Receiver<MetadataVersion> {
        self.version.subscribe()
    }

    pub(crate) fn watch_progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn watch_term(&self) -> watch::Receiver<u64> {
        self.term.subscribe()
    }
}

fn progress(applied: &Applied) -> Progress {
    applied.last_applied.map_or_else(Progress::default, |last| Progress {
        index: last.index,
        term: last.committed_leader_id().term,
    })
}
