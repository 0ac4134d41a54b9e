//! The way to the groups: who owns which, and how it is asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use common::{LeaderEpoch, PartitionId};
use coordinator::api::{Call, Survey, SurveyedGroup};
use futures_util::future::join_all;
use runtime::TaskHandle;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{owner::Command, stage::Stage, topic::OffsetsTopic};
use crate::{broker_config::LiveConfig, image::SharedImage, partition::Partitions};

/// Why nobody answers for a group now. Clients ask again, here or elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// `__consumer_offsets` is not there, or takes no records (COORDINATOR_NOT_AVAILABLE).
    #[error("the group's coordinator is not available")]
    NotAvailable,
    /// Its offsets are being read (COORDINATOR_LOAD_IN_PROGRESS).
    #[error("the group's coordinator is loading")]
    Loading,
    /// Another broker coordinates it (NOT_COORDINATOR).
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
    /// Who had taken the request has lost what it knew: it may have been carried out, or not (NOT_COORDINATOR).
    #[error("the group's coordinator was lost while it had the request")]
    InDoubt,
}

/// The groups that this broker coordinates. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Groups {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: LiveConfig,
    pub(super) image: SharedImage,
    pub(super) partitions: Partitions,
    pub(super) topic: OffsetsTopic,
    pub(super) owners: RwLock<BTreeMap<PartitionId, Entry>>,
}

/// What is found by [`Groups::survey`].
#[derive(Debug)]
pub struct Surveyed {
    /// Without offsets where a coordinator has too many.
    pub groups: Vec<SurveyedGroup>,
    /// Whether all coordinators have answered.
    pub is_complete: bool,
}

/// An owner, for those who ask it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) epoch: LeaderEpoch,
    pub(super) queue: mpsc::Sender<Command>,
    pub(super) stage: Stage,
    pub(super) task: TaskHandle,
}

impl Groups {
    /// A commit that is not safe after so long is answered with an error (`offsets.commit.timeout.ms`).
    pub fn commit_timeout(&self) -> Duration {
        self.shared.config.time("offsets.commit.timeout.ms")
    }

    /// The topic that keeps them.
    pub fn topic(&self) -> &OffsetsTopic {
        &self.shared.topic
    }

    /// Asks the owner of a group, and waits for its reply. Dropped before that, the request is carried out all the same.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn ask<C: Call>(&self, group_id: &str, request: C) -> Result<C::Reply, Unavailable> {
        self.submit(group_id, request).await?.reply().await
    }

    /// Puts a request into the queue of a group's owner. What comes of it is waited for with [`Asked::reply`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn submit<C: Call>(&self, group_id: &str, request: C) -> Result<Asked<C>, Unavailable> {
        let partition = self.shared.topic.partition_of(group_id).ok_or(Unavailable::NotCoordinator)?;
        self.submit_to(partition, request).await
    }

    /// Puts a request into the queue of a group's owner, if there is one that has room. Nobody waits for what comes of it.
    pub fn tell<C: Call>(&self, group_id: &str, request: C) {
        let queue = self.shared.topic.partition_of(group_id).map(|partition| self.queue_of(partition));
        if let Some(Ok(queue)) = queue {
            let (answer, _) = oneshot::channel();
            let _ = queue.try_send(Command { request: request.into(), answer });
        }
    }

    /// Asks all owners of this broker.
    ///
    /// # Errors
    /// [`Unavailable`] if one of them is; but one that has just gone has no groups any more.
    pub async fn ask_all<C: Call + Clone>(&self, request: &C) -> Result<Vec<C::Reply>, Unavailable> {
        let partitions: Vec<PartitionId> = self.read(|owners| owners.keys().copied().collect());
        let mut replies = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let reply = async { self.submit_to(partition, request.clone()).await?.reply().await };
            match reply.await {
                Ok(reply) => replies.push(reply),
                Err(Unavailable::NotCoordinator | Unavailable::InDoubt) => {}
                Err(unavailable) => return Err(unavailable),
            }
        }
        Ok(replies)
    }

    /// The groups of this broker, as figures tell of them. All coordinators are asked at the same time, so that one whose replies
    /// wait for a record to be committed is in nobody else's way.
    pub async fn survey(&self, offsets_max: usize, patience: Duration) -> Surveyed {
        let partitions: Vec<PartitionId> = self.read(|owners| owners.keys().copied().collect());
        let asked = partitions.into_iter().map(|partition| {
            let reply = async move { self.submit_to(partition, Survey { offsets_max }).await?.reply().await };
            timeout(patience, reply)
        });
        let mut surveyed = Surveyed { groups: Vec::new(), is_complete: true };
        for answered in join_all(asked).await {
            match answered {
                Ok(Ok(groups)) => surveyed.groups.extend(groups),
                // It has just gone, and has no groups any more.
                Ok(Err(Unavailable::NotCoordinator | Unavailable::InDoubt)) => {}
                Ok(Err(Unavailable::Loading | Unavailable::NotAvailable)) | Err(_) => {
                    surveyed.is_complete = false;
                }
            }
        }
        surveyed
    }

    /// Partitions of `__consumer_offsets` whose groups are not served as they cannot be loaded, and why.
    pub fn troubles(&self) -> BTreeMap<PartitionId, String> {
        let of = |(id, entry): (&PartitionId, &Entry)| {
            let why = entry.stage.trouble().filter(|_| !entry.stage.serves())?;
            Some((*id, why))
        };
        self.read(|owners| owners.iter().filter_map(of).collect())
    }

    /// How many partitions of `__consumer_offsets` are coordinated here.
    pub fn coordinated(&self) -> usize {
        self.read(BTreeMap::len)
    }

    async fn submit_to<C: Call>(&self, partition: PartitionId, request: C) -> Result<Asked<C>, Unavailable> {
        let queue = self.queue_of(partition)?;
        let (answer, reply) = oneshot::channel();
        let command = Command { request: request.into(), answer };
        queue.send(command).await.map_err(|_| Unavailable::NotCoordinator)?;
        Ok(Asked { reply, of: std::marker::PhantomData })
    }

    fn queue_of(&self, partition: PartitionId) -> Result<mpsc::Sender<Command>, Unavailable> {
        let found = self.read(|owners| {
            let entry = owners.get(&partition)?;
            Some(entry.stage.serves().then(|| entry.queue.clone()))
        });
        match found {
            Some(Some(queue)) => Ok(queue),
            Some(None) => Err(Unavailable::Loading),
            // The metadata are ahead of the owners for a moment.
            None if self.shared.topic.is_led_here(partition) => Err(Unavailable::Loading),
            None => Err(Unavailable::NotCoordinator),
        }
    }

    pub(super) fn read<R>(&self, look: impl FnOnce(&BTreeMap<PartitionId, Entry>) -> R) -> R {
        look(&self.shared.owners.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that an owner has got.
#[derive(Debug)]
pub struct Asked<C> {
    reply: oneshot::Receiver<Result<coordinator::Reply, Unavailable>>,
    of: std::marker::PhantomData<C>,
}

impl<C: Call> Asked<C> {
    /// What the owner says. Cancel safe.
    ///
    /// # Errors
    /// [`Unavailable`]. If it is [`Unavailable::InDoubt`], the request may have been carried out.
    pub async fn reply(self) -> Result<C::Reply, Unavailable> {
        // An owner that is gone has dropped the way back.
        let reply = self.reply.await.map_err(|_| Unavailable::InDoubt)??;
        C::reply(reply).ok_or(Unavailable::NotCoordinator)
    }
}
