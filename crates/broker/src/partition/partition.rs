//! One replica of a partition: its log, its role, and those who wait for either.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use commit_log::{Log, LogError};
use common::{LeaderEpoch, Offset, PartitionId, TopicId, TopicName};
use replica::{Effects, IsrAnswer, IsrProposal, Replica, RoleChange};
use tokio::sync::Notify;

use super::{
    PartitionError, Services, codec,
    first_change::Untouched,
    options::{log_options, retention, unsynced_records_max},
    state::{Running, Stage, State, View, Wanted},
    waiting::{For, Waiting},
    watchers::{Watch, Watchers},
};

/// Memory for the last batches of a log that was just opened, in bytes; its share comes with the first look.
const TAIL_BYTES: usize = 64 * 1024;

/// Which partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionName {
    /// The topic.
    pub topic: TopicName,
    /// Its identity, which a re-created topic of the same name does not share.
    pub topic_id: TopicId,
    /// Which of its partitions.
    pub partition: PartitionId,
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Partition {
    name: PartitionName,
    pub(super) services: Arc<Services>,
    state: Mutex<State>,
    pub(super) codec: codec::Wanted,
    pub(super) untouched: Untouched,
    /// Held while the log is opened, so that its files do not go meanwhile.
    opening: Mutex<()>,
    /// Those who wait for committed records.
    committed: Watchers,
    /// Those who wait for any records, and for what becomes of them: followers, here and elsewhere.
    appended: Watchers,
}

/// What a reader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Records that consumers may read.
    Committed,
    /// Records that followers fetch, and positions that they are told.
    Appended,
}

impl Partition {
    /// One whose log is not open yet.
    pub(super) fn new(name: PartitionName, wanted: Wanted, services: Arc<Services>) -> Self {
        let codec = codec::Wanted::new(wanted.config.compression);
        let state = State {
            stage: Stage::Opening,
            wanted,
            waiting: Waiting::default(),
            flush_queued: false,
            checkpoint_queued: false,
        };
        Self {
            name,
            services,
            state: Mutex::new(state),
            codec,
            untouched: Untouched::default(),
            opening: Mutex::new(()),
            committed: Watchers::default(),
            appended: Watchers::default(),
        }
    }

    /// Which one it is.
    pub fn name(&self) -> &PartitionName {
        &self.name
    }

    /// What it shares with all others.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Rings `notify` whenever there is news, as long as the watch lives.
    pub fn watch(&self, news: News, notify: &Arc<Notify>) -> Watch {
        match news {
            News::Committed => self.committed.add(notify),
            News::Appended => self.appended.add(notify),
        }
    }

    /// Opens the log in `dir`, and takes the role that the metadata want by then. `high_watermark` is what was noted of it
    /// before. Blocks: a log that was not closed
    /// cleanly is read from its recovery point on.
    pub(super) fn open(self: &Arc<Self>, dir: &Path, high_watermark: Offset) {
        let opening = self.opening();
        if matches!(self.lock().stage, Stage::Gone) {
            return;
        }
        let options = log_options(&self.lock().wanted.config, TAIL_BYTES);
        let opened = Log::open(dir, Arc::clone(&self.services.files), options);
        let mut state = self.lock();
        match opened {
            Ok((log, recovered)) => {
                self.report(&log, &recovered);
                self.run(&mut state, log, high_watermark);
            }
            Err(error) => {
                tracing::error!(event = "partition.failed", partition = %self.name, "cannot open its log: {error}");
                state.stage = Stage::Failed(error.to_string());
            }
        }
        drop(state);
        drop(opening);
        self.services.took_role.notify_waiters();
        self.wake_all();
    }

    /// Begins to work with an open log.
    fn run(self: &Arc<Self>, state: &mut State, log: Log, high_watermark: Offset) {
        let Wanted { assignment, config } = state.wanted.clone();
        let settings = self.services.replica_settings(&config, &assignment);
        let now = self.services.now();
        let me = self.services.settings.broker_id;
        let (replica, effects) =
            Replica::new(me, settings, assignment, &View(&log), high_watermark, now.steady_ms);
        let (retention, unsynced_records_max) = (retention(&config), unsynced_records_max(&config));
        let is_damaged = !log.missing().is_empty();
        self.untouched.note(&log);
        let running = Running {
            log,
            replica,
            retention,
            unsynced_records_max,
            reopen_at_ms: None,
            disk_failed: None,
            in_role_since_ms: now.steady_ms,
            renewing: false,
            fetched_in: None,
        };
        state.stage = Stage::Running(Box::new(running));
        self.services.roles.add(self);
        if is_damaged {
            self.services.repairs.add(self);
        }
        self.act(state, effects);
    }

    /// The metadata want something else.
    pub(super) fn assign(self: &Arc<Self>, wanted: Wanted) {
        let mut state = self.lock();
        let now = self.services.now();
        let settings = self.services.replica_settings(&wanted.config, &wanted.assignment);
        self.codec.set(wanted.config.compression);
        state.wanted = wanted.clone();
        let Ok(running) = state.running() else { return };
        let options = log_options(&wanted.config, running.log.options().tail_bytes);
        if *running.log.options() != options {
            running.log.set_options(options);
        }
        running.retention = retention(&wanted.config);
        running.unsynced_records_max = unsynced_records_max(&wanted.config);
        let me = self.services.settings.broker_id;
        let view = View(&running.log);
        let (change, effects) = running.replica.update(me, settings, wanted.assignment, &view, now.steady_ms);
        let epoch = running.replica.leader_epoch();
        if change != RoleChange::None {
            running.in_role_since_ms = now.steady_ms;
        }
        if matches!(change, RoleChange::Deposed | RoleChange::Elected) {
            tracing::debug!(event = "partition.role", partition = %self.name, %epoch, ?change, "another role");
            state.waiting.fail(&PartitionError::NotLeader);
        }
        self.act(&mut state, effects);
        drop(state);
        if change != RoleChange::None {
            self.services.roles.add(self);
            self.services.took_role.notify_waiters();
            self.wake_all();
        }
    }

    /// Its files go: nothing uses them from here on.
    pub(super) fn abandon(self: &Arc<Self>) {
        let opening = self.opening();
        let mut state = self.lock();
        state.stage = Stage::Gone;
        state.waiting.fail(&PartitionError::Unknown);
        drop((state, opening));
        self.services.roles.add(self);
        self.wake_all();
    }

    /// Flushes, and notes that the log was closed in order: the next start need not read it. Blocks.
    pub(super) fn close(self: &Arc<Self>) -> Result<(), LogError> {
        let mut state = self.lock();
        let stage = std::mem::replace(&mut state.stage, Stage::Opening);
        state.waiting.fail(&PartitionError::NotLeader);
        drop(state);
        self.services.roles.add(self);
        self.wake_all();
        match stage {
            Stage::Running(running) => running.log.close(),
            _ => Ok(()),
        }
    }

    /// The controllers answered to [`Partition::isr_proposal`].
    pub fn isr_answered(self: &Arc<Self>, proposal: &IsrProposal, answer: IsrAnswer) {
        let mut state = self.lock();
        let now = self.services.now();
        let Ok(Running { log, replica: Replica::Leader(leader), .. }) = state.running() else { return };
        let effects = leader.isr_answered(proposal, answer, &View(log), now.steady_ms);
        self.act(&mut state, effects);
    }

    /// What is committed, as far as is known here; `None` while the log is not open.
    pub fn high_watermark(&self) -> Option<Offset> {
        Some(self.lock().running().ok()?.replica.high_watermark())
    }

    /// The ISR that this leader wants, and was not answered yet; or the one without this replica, if that leaves.
    pub fn isr_proposal(&self) -> Option<IsrProposal> {
        let mut state = self.lock();
        if let Some(leaving) = state.leaving(self.services.settings.broker_id) {
            return Some(leaving);
        }
        match state.running() {
            Ok(Running { replica: Replica::Leader(leader), .. }) => leader.proposal().cloned(),
            _ => None,
        }
    }

    /// The epoch in force as far as is known here, and whether this broker leads in it.
    pub fn leader_epoch(&self) -> Option<(LeaderEpoch, bool)> {
        let mut state = self.lock();
        let running = state.running().ok()?;
        Some((running.replica.leader_epoch(), matches!(running.replica, Replica::Leader(_))))
    }

    /// Whether this broker leads it as far as it knows, but may have been replaced: see [`replica::Leader::is_cut_off`].
    pub fn is_cut_off(&self) -> bool {
        let now = self.services.now();
        let mut state = self.lock();
        let Ok(running) = state.running() else { return false };
        let leads = matches!(running.replica, Replica::Leader(_));
        leads && running.serving(&self.services, now).is_err()
    }

    /// Records were appended.
    pub(super) fn grown(self: &Arc<Self>, state: &mut State) {
        let now = self.services.now();
        let queued = state.flush_queued;
        let Ok(running) = state.running() else { return };
        self.untouched.note(&running.log);
        if !queued && running.is_sync_due(now.steady_ms) {
            state.flush_queued = true;
            self.services.flush.push(Arc::clone(self));
        }
        self.confirmed(state);
        self.appended.wake();
    }

    /// More of the log may be safe, or its start may have moved.
    pub(super) fn confirmed(self: &Arc<Self>, state: &mut State) {
        let now = self.services.now();
        let Ok(Running { log, replica, .. }) = state.running() else { return };
        let acknowledged = log.acknowledged();
        let effects = match replica {
            Replica::Leader(leader) => leader.log_changed(&View(log), now.steady_ms),
            Replica::Follower(_) => {
                self.appended.wake();
                Effects::default()
            }
        };
        state.waiting.reached(For::Own, acknowledged);
        self.act(state, effects);
    }

    /// Does what has to happen outside of the role.
    pub(super) fn act(self: &Arc<Self>, state: &mut State, effects: Effects) {
        if let Some(high_watermark) = effects.high_watermark {
            state.waiting.reached(For::HighWatermark, high_watermark);
            if let Ok(running) = state.running() {
                running.log.note_replicated(high_watermark);
            }
            self.wake_all();
        } else if effects.became_ready {
            self.wake_all();
        }
        if effects.proposal.is_some() {
            self.services.proposals.add(self);
        }
    }

    /// A write or a sync failed: nobody who waits will be told that it is safe.
    pub(super) fn storage_failed(&self, state: &mut State, error: &LogError) {
        tracing::error!(event = "partition.storage_failed", partition = %self.name, "takes no more records: {error}");
        state.waiting.fail(&PartitionError::Storage(error.to_string()));
        self.wake_all();
    }

    pub(super) fn wake_all(&self) {
        self.committed.wake();
        self.appended.wake();
    }

    pub(super) fn opening(&self) -> MutexGuard<'_, ()> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has the lock.
    #[cfg(test)]
    pub(super) fn state_is_free(&self) -> bool {
        self.state.try_lock().is_ok()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, log: &Log, recovered: &commit_log::Recovered) {
        let partition = &self.name;
        if recovered.clean && recovered.damage.is_empty() {
            return;
        }
        let (scanned_bytes, cut_bytes) = (recovered.scanned_bytes, recovered.cut_bytes);
        tracing::info!(
            event = "partition.recovered", %partition, scanned_bytes, cut_bytes, log_end = %log.log_end(),
            "recovered its log",
        );
        for damage in &recovered.damage {
            tracing::error!(event = "partition.damaged", %partition, "{damage}");
        }
    }
}
