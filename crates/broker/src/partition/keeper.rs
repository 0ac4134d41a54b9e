//! The task that keeps partitions in step: opens logs, gives roles, and does what is due now and then.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use commit_log::ClockGuard;
use common::{BrokerStatus, Partition as Metadata, PartitionId, Topic, TopicId};
use futures_util::{StreamExt, stream::FuturesUnordered};
use replica::Assignment;
use runtime::{Stop, TaskKind, Tasks};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};

use super::{Partition, Partitions, Services, compact, state::Wanted, table::Pending};
use crate::image::{Changes, SharedImage};

/// From one look at everything to the next.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the partitions of a broker.
#[derive(Debug)]
pub struct Keeper {
    partitions: Partitions,
    services: Arc<Services>,
    image: SharedImage,
    /// Logs that wait to be opened.
    to_open: Vec<(Arc<Partition>, PathBuf)>,
    clock: ClockGuard,
    retention_at: Instant,
}

impl Keeper {
    /// Starts the task, and the threads that sync.
    pub fn start(tasks: &Tasks, partitions: &Partitions, image: &SharedImage) {
        let services = Arc::clone(partitions.services());
        services.flush.start(tasks, services.settings.flush_threads);
        compact::start(tasks, partitions);
        let keeper = Self {
            partitions: partitions.clone(),
            image: Arc::clone(image),
            to_open: Vec::new(),
            clock: ClockGuard::default(),
            retention_at: Instant::now() + services.settings.retention_check_interval,
            services,
        };
        tasks.spawn(TaskKind::LogFlush, "partition.keeper", move |stop| keeper.run(stop));
    }

    async fn run(mut self, stop: Stop) {
        let mut running: FuturesUnordered<JoinHandle<()>> = FuturesUnordered::new();
        let mut upkeep = tokio::time::interval(UPKEEP_INTERVAL);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while running.len() < self.services.settings.recovery_threads.max(1)
                && let Some((partition, dir)) = self.to_open.pop()
            {
                running.push(tokio::task::spawn_blocking(move || partition.open(&dir)));
            }
            tokio::select! {
                pending = self.partitions.take_pending() => self.take_in(pending),
                Some(opened) = running.next(), if !running.is_empty() => resume_panic(opened),
                _ = upkeep.tick() => self.look_after_all().await,
                () = stop.requested() => break,
            }
        }
        while let Some(opened) = running.next().await {
            resume_panic(opened);
        }
        self.close_all().await;
    }

    fn take_in(&mut self, pending: Pending) {
        self.to_open.extend(pending.found);
        let changes = pending.changes;
        for (partition, wanted) in self.affected(&changes) {
            partition.assign(wanted);
        }
    }

    /// The partitions here that these changes are about, with what the metadata want of them now.
    fn affected(&self, changes: &Changes) -> Vec<(Arc<Partition>, Wanted)> {
        let everything = changes.full || !changes.brokers.is_empty();
        let ids: BTreeSet<TopicId> = if everything {
            self.partitions.topic_ids()
        } else {
            let id_of = |name: &common::TopicName| {
                self.image.read(|state| state.topic(name.as_str()).map(|topic| topic.topic_id))
            };
            changes.topics.iter().filter_map(id_of).collect()
        };
        let mut affected = Vec::new();
        for id in ids {
            let Some(topic) = self.image.read(|state| state.topic_by_id(id).cloned()) else { continue };
            for partition in self.partitions.of_topic(id) {
                if let Some(wanted) = wanted(&self.image, &topic, partition.name().partition) {
                    affected.push((partition, wanted));
                }
            }
        }
        affected
    }

    async fn look_after_all(&mut self) {
        let now = self.services.now();
        let may_delete = self.clock.observe(now.wall_ms, now.steady_ms);
        let retention = self.retention_at <= Instant::now();
        if retention {
            self.retention_at = Instant::now() + self.services.settings.retention_check_interval;
        }
        let partitions = self.partitions.all();
        let work = tokio::task::spawn_blocking(move || {
            for partition in partitions {
                partition.look_after();
                partition.reopen_if_fenced();
                if retention {
                    partition.retain(may_delete);
                }
            }
        });
        resume_panic(work.await);
    }

    /// Notes of every log that it was closed in order.
    async fn close_all(&self) {
        let mut closing = FuturesUnordered::new();
        let mut partitions = self.partitions.all().into_iter();
        loop {
            while closing.len() < CLOSING_MAX
                && let Some(partition) = partitions.next()
            {
                closing.push(tokio::task::spawn_blocking(move || {
                    if let Err(error) = partition.close() {
                        let name = partition.name();
                        tracing::warn!(event = "partition.not_closed", partition = %name, "{error}");
                    }
                }));
            }
            match closing.next().await {
                Some(closed) => resume_panic(closed),
                None => return,
            }
        }
    }
}

/// Logs that are closed at the same time: each costs a few syncs, and the disk does several at once.
const CLOSING_MAX: usize = 16;

/// What the metadata want of partition `id` of `topic`.
pub(super) fn wanted(image: &SharedImage, topic: &Topic, id: PartitionId) -> Option<Wanted> {
    let index = usize::try_from(id.0).ok()?;
    let partition: &Metadata = topic.partitions.get(index)?;
    let online = image.read(|state| {
        let online = |id: &common::BrokerId| {
            let broker = state.broker(*id).filter(|broker| broker.status == BrokerStatus::Online)?;
            Some((*id, broker.broker_epoch))
        };
        partition.replicas.iter().filter_map(online).collect()
    });
    let assignment = Assignment { partition: partition.clone(), online };
    Some(Wanted { assignment, config: topic.config() })
}

/// A panic of a job is one of this task.
pub(super) fn resume_panic(result: Result<(), tokio::task::JoinError>) {
    match result {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The process is ending: blocking work is cancelled then, and only then.
        _ => {}
    }
}
