//! The task that keeps partitions in step with the metadata: opens their logs, gives them roles, and closes them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{BrokerStatus, Partition as Metadata, PartitionId, Topic, TopicId, topic_config::TopicConfig};
use futures_util::{StreamExt, stream::FuturesUnordered};
use replica::Assignment;
use runtime::{Stop, TaskHandle, TaskKind, Tasks};
use tokio::task::JoinHandle;

use super::{
    Partition, Partitions, Services, caretaker::Caretaker, compact, flush::CHECKPOINT_THREADS,
    high_watermarks::HighWatermarks, scrub, state::Wanted, table::Pending,
};
use crate::image::{Changes, SharedImage};

/// Keeps the partitions of a broker.
#[derive(Debug)]
pub struct Keeper {
    partitions: Partitions,
    services: Arc<Services>,
    image: SharedImage,
    /// Logs that wait to be opened.
    to_open: Vec<(Arc<Partition>, PathBuf)>,
    /// High watermarks, as the former process noted them.
    noted: HighWatermarks,
    /// Who looks after partitions beside this.
    caretaker: TaskHandle,
}

impl Keeper {
    /// Starts the task, the one that looks after partitions, and the threads that sync.
    pub fn start(tasks: &Tasks, partitions: &Partitions, image: &SharedImage, data_dir: &Path) {
        let noted = HighWatermarks::read(data_dir);
        let caretaker = Caretaker::start(tasks, partitions, noted.clone());
        let services = Arc::clone(partitions.services());
        services.flush.start(tasks, "partition.flush", services.settings.flush_threads, Partition::flush);
        services.checkpoints.start(tasks, "partition.checkpoint", CHECKPOINT_THREADS, Partition::checkpoint);
        compact::start(tasks, partitions);
        scrub::start(tasks, partitions);
        let keeper = Self {
            partitions: partitions.clone(),
            image: Arc::clone(image),
            to_open: Vec::new(),
            noted,
            caretaker,
            services,
        };
        tasks.spawn(TaskKind::LogFlush, "partition.keeper", move |stop| keeper.run(stop));
    }

    async fn run(mut self, stop: Stop) {
        let mut running: FuturesUnordered<JoinHandle<()>> = FuturesUnordered::new();
        loop {
            while running.len() < self.services.settings.recovery_threads.max(1)
                && let Some((partition, dir)) = self.to_open.pop()
            {
                let name = partition.name();
                let high_watermark = self.noted.of(name.topic_id, name.partition);
                running.push(tokio::task::spawn_blocking(move || partition.open(&dir, high_watermark)));
            }
            tokio::select! {
                pending = self.partitions.take_pending() => self.take_in(pending),
                Some(opened) = running.next(), if !running.is_empty() => resume_panic(opened),
                () = stop.requested() => break,
            }
        }
        while let Some(opened) = running.next().await {
            resume_panic(opened);
        }
        // It notes high watermarks too, and not at the same time.
        self.caretaker.ended().await;
        let marks = self.noted.of_all(&self.partitions);
        self.close_all().await;
        let mut noted = self.noted;
        resume_panic(tokio::task::spawn_blocking(move || noted.write(marks)).await);
    }

    fn take_in(&mut self, pending: Pending) {
        let mut changes = pending.changes;
        // What was found may have changed since it was looked up.
        changes.topics.extend(pending.found.iter().map(|(partition, _)| partition.name().topic.clone()));
        self.to_open.extend(pending.found);
        for (partition, wanted) in self.affected(&changes) {
            partition.assign(wanted);
        }
        self.services.set_metadata_version(pending.version);
    }

    /// The partitions here that these changes are about, with what the metadata want of them now.
    fn affected(&self, changes: &Changes) -> Vec<(Arc<Partition>, Wanted)> {
        let everything = changes.full || changes.configs || !changes.brokers.is_empty();
        let concerns = |topic: &Topic, wanted: &Wanted| {
            let replicas = &wanted.assignment.partition.replicas;
            changes.full
                || changes.configs
                || changes.topics.contains(&topic.topic_name)
                || replicas.iter().any(|replica| changes.brokers.contains(replica))
        };
        let ids: BTreeSet<TopicId> = if everything {
            self.partitions.topic_ids()
        } else {
            let id_of = |name: &common::TopicName| {
                self.image.read(|state| state.topic(name.as_str()).map(|topic| topic.topic_id))
            };
            changes.topics.iter().filter_map(id_of).collect()
        };
        let defaults = self.services.config.topic_defaults();
        let mut affected = Vec::new();
        for id in ids {
            let Some(topic) = self.image.read(|state| state.topic_by_id(id).cloned()) else { continue };
            let config = Arc::new(topic.config(&defaults));
            for partition in self.partitions.of_topic(id) {
                let wanted = wanted(&self.image, &topic, &config, partition.name().partition);
                if let Some(wanted) = wanted.filter(|wanted| concerns(&topic, wanted)) {
                    affected.push((partition, wanted));
                }
            }
        }
        affected
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

/// What the metadata want of partition `id` of `topic`, which has these settings.
pub(super) fn wanted(
    image: &SharedImage,
    topic: &Topic,
    config: &Arc<TopicConfig>,
    id: PartitionId,
) -> Option<Wanted> {
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
    Some(Wanted { assignment, config: Arc::clone(config) })
}

/// A panic of a job is one of this task.
pub(super) fn resume_panic(result: Result<(), tokio::task::JoinError>) {
    match result {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The process is ending: blocking work is cancelled then, and only then.
        _ => {}
    }
}
