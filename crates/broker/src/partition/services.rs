//! What all partitions of a broker share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use commit_log::Files;
use common::{
    BrokerId, MetadataVersion, PartitionId, TopicId,
    topic_config::{FlushPolicy, TopicConfig},
};
use replica::Assignment;
use runtime::clock::{self, Monotonic};
use tokio::{sync::Notify, time::Instant};

use super::{IntegrityFigures, Partition, Throttles, sync_threads::SyncThreads};
use crate::broker_config::LiveConfig;

/// Settings of all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionSettings {
    /// Whose replicas.
    pub broker_id: BrokerId,
    /// Bytes of the last batches of all partitions together that are kept in memory.
    pub cache_bytes: usize,
    /// A member of the ISR that did not catch up for so long leaves it (`replica.lag.time.max.ms`).
    pub replica_lag_time_max: Duration,
    /// After so much silence the controllers take a broker for dead.
    pub session_timeout: Duration,
    /// From one pass of retention to the next (`log.retention.check.interval.ms`).
    pub retention_check_interval: Duration,
    /// Logs that are opened at the same time (`num.recovery.threads.per.data.dir`).
    pub recovery_threads: usize,
    /// Threads that sync.
    pub flush_threads: usize,
    /// Files kept open.
    pub open_files_max: usize,
}

impl PartitionSettings {
    /// The defaults: Kafka's where it has the setting.
    pub fn new(broker_id: BrokerId) -> Self {
        Self {
            broker_id,
            cache_bytes: 64 << 20,
            replica_lag_time_max: Duration::from_secs(30),
            session_timeout: Duration::from_secs(3),
            retention_check_interval: Duration::from_secs(300),
            recovery_threads: 4,
            flush_threads: 4,
            open_files_max: commit_log::OPEN_FILES_DEFAULT,
        }
    }
}

/// What partitions use together.
#[derive(Debug)]
pub struct Services {
    pub(super) settings: PartitionSettings,
    pub(super) config: LiveConfig,
    pub(super) throttles: Throttles,
    pub(super) files: Arc<Files>,
    pub(super) flush: SyncThreads,
    pub(super) checkpoints: SyncThreads,
    pub(super) proposals: PartitionQueue,
    pub(super) roles: PartitionQueue,
    pub(super) repairs: PartitionQueue,
    pub(super) integrity: IntegrityFigures,
    /// Rung when a partition takes a role.
    pub(super) took_role: Notify,
    /// Until when the controllers take this broker for alive, on the clock that does not jump.
    session_ends_ms: AtomicI64,
    metadata_version: AtomicU64,
    clock: Monotonic,
}

/// What time it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// On the wall: for records.
    pub(super) wall_ms: i64,
    /// Since the start: for everything that must not jump.
    pub(super) steady_ms: i64,
}

impl Services {
    /// With the disk of this machine.
    pub fn new(settings: PartitionSettings, config: LiveConfig) -> Self {
        let disk = Arc::new(commit_log::disk::RealDisk);
        Self::on(settings, config, Files::new(disk, settings.open_files_max))
    }

    /// With these files.
    pub(super) fn on(settings: PartitionSettings, config: LiveConfig, files: Files) -> Self {
        Self {
            settings,
            throttles: Throttles::new(&config),
            config,
            files: Arc::new(files),
            flush: SyncThreads::default(),
            checkpoints: SyncThreads::default(),
            proposals: PartitionQueue::default(),
            roles: PartitionQueue::default(),
            repairs: PartitionQueue::default(),
            integrity: IntegrityFigures::default(),
            took_role: Notify::new(),
            session_ends_ms: AtomicI64::new(i64::MAX),
            metadata_version: AtomicU64::new(0),
            clock: Monotonic::start(),
        }
    }

    /// What a replica with these wishes of the metadata goes by.
    pub(super) fn replica_settings(
        &self,
        config: &TopicConfig,
        assignment: &Assignment,
    ) -> replica::Settings {
        let ms = |time: Duration| i64::try_from(clock::as_ms(time)).unwrap_or(i64::MAX);
        let replicas = assignment.partition.settled_replicas();
        replica::Settings {
            min_insync_replicas: config.min_insync_replicas(replicas),
            replica_lag_time_max_ms: ms(self.settings.replica_lag_time_max),
            session_timeout_ms: ms(self.settings.session_timeout),
            committed_may_be_lost: config.unclean_leader_election_enable
                || config.flush_policy != FlushPolicy::Ack,
        }
    }

    /// The settings of the broker.
    pub fn config(&self) -> &LiveConfig {
        &self.config
    }

    /// How much replication of throttled replicas may take.
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// Partitions led here that want another ISR: whoever talks to the controllers takes them from here. What each one
    /// wants is its [`Partition::isr_proposal`].
    pub fn proposals(&self) -> &PartitionQueue {
        &self.proposals
    }

    /// Partitions that may follow somebody else than before: see [`Partition::following`].
    pub fn roles(&self) -> &PartitionQueue {
        &self.roles
    }

    /// Partitions of which records are missing on disk: see [`Partition::missing`].
    pub fn repairs(&self) -> &PartitionQueue {
        &self.repairs
    }

    /// Figures of rot.
    pub fn integrity(&self) -> &IntegrityFigures {
        &self.integrity
    }

    /// The metadata that all partitions have their roles by, at least.
    pub fn metadata_version(&self) -> MetadataVersion {
        MetadataVersion(self.metadata_version.load(Ordering::Acquire))
    }

    pub(super) fn set_metadata_version(&self, version: MetadataVersion) {
        self.metadata_version.fetch_max(version.0, Ordering::Release);
    }

    /// Until when the controllers will take this broker for alive, whatever they hear from now on; `None`: they may have
    /// given it up. A moment, and not what is left until then: a process that is paused, here or anywhere, finds the
    /// session over when it goes on.
    pub fn set_session(&self, ends: Option<Instant>) {
        let ms = |ends| i64::try_from(self.clock.ms_at(ends)).unwrap_or(i64::MAX);
        self.session_ends_ms.store(ends.map_or(0, ms), Ordering::Relaxed);
    }

    /// Whether the controllers take this broker for alive now.
    pub fn has_session(&self) -> bool {
        self.now().steady_ms < self.session_ends_ms.load(Ordering::Relaxed)
    }

    pub(super) fn now(&self) -> Now {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Now { wall_ms: ms(clock::unix_ms()), steady_ms: ms(self.clock.now_ms()) }
    }
}

/// Partitions about which something is to be done elsewhere. One that is added twice waits once.
#[derive(Debug, Default)]
pub struct PartitionQueue {
    waiting: Mutex<BTreeMap<(TopicId, PartitionId), Arc<Partition>>>,
    wake: Notify,
}

impl PartitionQueue {
    pub(super) fn add(&self, partition: &Arc<Partition>) {
        let name = partition.name();
        self.lock().insert((name.topic_id, name.partition), Arc::clone(partition));
        self.wake.notify_one();
    }

    /// Waits until there are any, and takes all. Cancel safe.
    pub async fn take(&self) -> Vec<Arc<Partition>> {
        loop {
            let waiting = std::mem::take(&mut *self.lock());
            if !waiting.is_empty() {
                return waiting.into_values().collect();
            }
            self.wake.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TopicId, PartitionId), Arc<Partition>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use commit_log::disk::sim::SimDisk;

    use super::*;
    use crate::partition::testing::leader;

    #[test]
    fn a_session_ends_when_it_does_however_late_that_is_told() {
        let partition = leader(&SimDisk::new(), &[]);
        let services = &partition.services;
        let ends = Instant::now();
        // As by a process that stood still between knowing the end and telling it.
        services.set_session(Some(ends));
        assert!(!services.has_session());
        services.set_session(Some(ends + Duration::from_secs(3_600)));
        assert!(services.has_session());
        services.set_session(None);
        assert!(!services.has_session());
    }
}
