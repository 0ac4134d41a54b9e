//! Hands partitions to the fetcher of whoever leads them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use client::MetadataClient;
use common::BrokerId;
use runtime::{Stop, TaskKind, Tasks};

use super::{
    ReplicationFigures, ReplicationOptions,
    fetcher::{Fetcher, Shared},
    followed::Followed,
    isr,
    repair::Repairer,
    session,
};
use crate::{
    follower::{Follower, SuspicionReporter},
    image::SharedImage,
    partition::Partitions,
};

/// What replication works with.
#[derive(Debug)]
pub struct Replication {
    /// Settings.
    pub options: ReplicationOptions,
    /// The replicas.
    pub partitions: Partitions,
    /// Where leaders are.
    pub image: SharedImage,
    /// The link to the controller: this broker's epoch, and whether it is heard.
    pub link: Follower,
    /// Takes proposals and suspicions.
    pub metadata: MetadataClient,
}

/// The fetchers, by leader. One that has nothing to fetch sleeps.
#[derive(Debug)]
struct Router {
    shared: Shared,
    partitions: Partitions,
    fetchers: Mutex<BTreeMap<BrokerId, Arc<Followed>>>,
    tasks: Tasks,
}

/// Starts to fetch for all replicas that follow, and to propose ISRs for all that lead.
pub fn start(replication: Replication, tasks: &Tasks) -> ReplicationFigures {
    let Replication { options, partitions, image, link, metadata } = replication;
    let http = metadata.http().clone();
    let figures = ReplicationFigures::default();
    let services = Arc::clone(partitions.services());
    // Nobody has heard this broker yet.
    services.set_session(None);
    tasks.spawn(TaskKind::Replication, "replication.session", {
        let (services, link) = (Arc::clone(&services), link.clone());
        move |stop| session::watch(services, link, options.session_timeout, stop)
    });
    tasks.spawn(TaskKind::Replication, "replication.isr", {
        let proposer = isr::Proposer {
            options,
            services: Arc::clone(&services),
            link: link.clone(),
            metadata,
            figures: figures.clone(),
        };
        move |stop| async move {
            // Dropped in the middle of a call: whoever leads next goes by the metadata.
            let _ = stop.or(proposer.run()).await;
        }
    });
    let suspicions = SuspicionReporter {
        broker_id: options.broker_id,
        follower: link.clone(),
        http,
        tasks: tasks.clone(),
    };
    let (services_, figures_) = (Arc::clone(&services), figures.clone());
    let shared = Shared { options, image, link, suspicions, services: services_, figures: figures_ };
    let repairer = Repairer { shared: shared.clone(), services };
    tasks.spawn(TaskKind::Replication, "replication.repair", move |stop| repairer.run(stop));
    let router = Router { shared, partitions, fetchers: Mutex::default(), tasks: tasks.clone() };
    tasks.spawn(TaskKind::Replication, "replication.router", move |stop| router.run(stop));
    figures
}

impl Router {
    async fn run(self, stop: Stop) {
        let services = Arc::clone(self.partitions.services());
        while let Some(partitions) = stop.or(services.roles().take()).await {
            for partition in partitions {
                let leader = partition.following();
                for (id, followed) in self.lock().iter() {
                    if Some(*id) != leader {
                        followed.remove(&partition);
                    }
                }
                if let Some(leader) = leader {
                    self.fetcher(leader).add(&partition);
                }
            }
            let following = self.lock().values().map(|followed| followed.len()).sum();
            self.shared.figures.following(following);
        }
    }

    fn fetcher(&self, leader: BrokerId) -> Arc<Followed> {
        let mut fetchers = self.lock();
        let followed = fetchers.entry(leader).or_insert_with(|| {
            let followed = Arc::new(Followed::default());
            let fetcher = Fetcher { leader, shared: self.shared.clone(), followed: Arc::clone(&followed) };
            self.tasks.spawn(TaskKind::Replication, "replication.fetcher", move |stop| fetcher.run(stop));
            followed
        });
        Arc::clone(followed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BrokerId, Arc<Followed>>> {
        self.fetchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
