//! openraft's side of the state machine: entries are applied in batches, snapshots taken and installed.

use std::io;
use std::sync::Arc;

use common::ClusterId;
use futures_util::{Stream, StreamExt};
use metadata_core::{Change, Decided, State};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftStateMachine};

use super::applied::{Applied, Published};
use super::codec;
use super::snapshot::{SnapshotBuilder, SnapshotData, decode_off_thread};
use crate::raft::figures::RaftFigures;
use crate::raft::types::{EntryPayload, LogId, SnapshotMeta, StoredMembership, TypeConfig};
use crate::store::{AppliedEntry, Image, LogPosition, Store};

/// How many entries are applied under one write lock: readers wait for at most so many.
const BATCH_MAX: usize = 256;

/// openraft's side of the state: it alone writes. Readers hold [`Published`].
pub(crate) struct Machine {
    published: Arc<Published>,
    store: Store,
    figures: Arc<RaftFigures>,
    /// Serializes writes of snapshots, and keeps an older one from replacing a newer one.
    saved: Arc<tokio::sync::Mutex<Option<LogId>>>,
}

impl Machine {
    /// The state as of the snapshot in the store; empty if there is none.
    pub(crate) async fn open(
        store: Store,
        cluster_id: ClusterId,
        figures: Arc<RaftFigures>,
    ) -> io::Result<Self> {
        let (applied, saved) = match store.snapshot().await? {
            None => (Applied::empty(State::new(cluster_id)), None),
            Some((_, data)) => {
                let applied = decode_off_thread(data, cluster_id).await?;
                let saved = applied.last_applied;
                (applied, saved)
            }
        };
        Ok(Self {
            published: Arc::new(Published::new(applied)),
            store,
            figures,
            saved: Arc::new(tokio::sync::Mutex::new(saved)),
        })
    }

    /// The readers' side.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// Applies a batch: one write lock, then the projection's queue, then the answers.
    async fn apply_batch(&self, batch: Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut projected = Vec::with_capacity(batch.len());
        self.published.update(|applied, change_log| {
            for (entry, responder) in batch {
                let Effect { decided, changes, unclean_elections } =
                    apply_entry(applied, entry.log_id, entry.payload)?;
                change_log.push(&changes);
                projected.push(AppliedEntry { position: position(entry.log_id), changes });
                // Whoever waits for an answer here made this node propose it: each is counted by one node, and once.
                if let Some(responder) = responder {
                    answers.push((responder, decided));
                    self.figures.add_unclean_elections(unclean_elections);
                }
            }
            io::Result::Ok(())
        })?;
        // Handed over before the answers go out, so that whoever has one finds it in the history.
        self.store.project(projected).await?;
        for (responder, decided) in answers {
            responder.send(decided);
        }
        Ok(())
    }
}

/// What came of one entry.
#[derive(Default)]
struct Effect {
    decided: Option<Decided>,
    changes: Vec<Change>,
    unclean_elections: u64,
}

/// Applies one entry. A command that cannot be read stops the node: leaving it out would make this node differ from
/// the others.
fn apply_entry(applied: &mut Applied, log_id: LogId, payload: EntryPayload) -> io::Result<Effect> {
    let index = log_id.index;
    let effect = match payload {
        EntryPayload::Blank => Effect::default(),
        EntryPayload::Normal(command) => {
            let proposal = command.proposal().map_err(|error| {
                let text = format!("log entry {index} holds a command that this build cannot read: {error}");
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?;
            let done = applied.state.apply(common::MetadataVersion(index), &proposal);
            if !applied.state.is_supported() {
                let level = applied.state.feature_level();
                let text = format!(
                    "log entry {index} raises the feature level to {level}: this build is too old for it"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let unclean_elections = done.unclean_elections(&proposal.command) as u64;
            let decided = Some(Decided { result: done.result, version: done.version });
            Effect { decided, changes: done.changes, unclean_elections }
        }
        EntryPayload::Membership(membership) => {
            applied.used_ids.extend(membership.nodes().map(|(id, _)| *id));
            applied.membership = StoredMembership::new(Some(log_id), membership);
            Effect::default()
        }
    };
    applied.last_applied = Some(log_id);
    Ok(effect)
}

/// The store's form of a log id.
pub(crate) fn position(log_id: LogId) -> LogPosition {
    LogPosition { term: log_id.committed_leader_id().term, index: log_id.index }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok(self.published.read(|applied| (applied.last_applied, applied.membership.clone())))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut batch = Vec::new();
        while let Some(entry) = entries.next().await {
            batch.push(entry?);
            if batch.len() == BATCH_MAX {
                self.apply_batch(std::mem::take(&mut batch)).await?;
            }
        }
        if !batch.is_empty() {
            self.apply_batch(batch).await?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        let view = self.published.read(Applied::clone);
        SnapshotBuilder::new(view, self.store.clone(), Arc::clone(&self.saved))
    }

    /// The received state was decoded and checked while it arrived ([`SnapshotData::receive`]); here it takes the
    /// place of the old one, on disk first.
    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> io::Result<()> {
        let cluster_id = self.published.read(|applied| applied.state.cluster_id().clone());
        let (data, applied) = snapshot.into_applied(cluster_id).await?;
        if applied.last_applied != meta.last_log_id {
            let text = format!(
                "snapshot covers {:?}, but its sender says {:?}",
                applied.last_applied, meta.last_log_id
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut saved = self.saved.lock().await;
        let record = codec::record(&applied)?;
        self.store.install_snapshot(record, data, Image::of(&applied.state)).await?;
        *saved = applied.last_applied;
        self.published.replace(applied);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<openraft::alias::SnapshotOf<TypeConfig, SnapshotData>>> {
        let Some((_, data)) = self.store.snapshot().await? else { return Ok(None) };
        let head = codec::read_head(&data)?;
        let meta = SnapshotMeta { last_log_id: head.last_log_id, last_membership: head.membership };
        Ok(Some(openraft::Snapshot { meta, snapshot: SnapshotData::stored(data) }))
    }
}
