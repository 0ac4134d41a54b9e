//! `__consumer_offsets`: made when a group is first looked for, by whichever broker is asked, or before that by an
//! administrator who wants other numbers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use client::{CallError, MetadataClient, api};
use common::{BrokerId, PartitionId, TopicName, topic_name::CONSUMER_OFFSETS_TOPIC};
use http_api::{ErrorCode, TopicInfo, internal_topics::CreateInternalTopicRequest};
use thiserror::Error;
use tokio::{sync::Mutex, time::timeout};

use super::GroupOptions;
use crate::{follower::Follower, image::SharedImage};

/// How long whoever asks for a coordinator may have to wait for the topic.
const CREATE_WAIT: Duration = Duration::from_secs(5);

/// Why there is no topic.
#[derive(Debug, Error)]
pub enum NoTopic {
    /// This broker is not registered yet.
    #[error("this broker is not registered with a controller yet")]
    NotRegistered,
    /// The controllers refuse, mostly because too few brokers are registered.
    #[error("`__consumer_offsets` cannot be made: {0}")]
    Refused(#[from] CallError),
    /// It takes its time.
    #[error("`__consumer_offsets` is being made")]
    TakesLong,
}

/// The topic. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct OffsetsTopic {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    broker_id: BrokerId,
    options: GroupOptions,
    image: SharedImage,
    follower: Follower,
    metadata: MetadataClient,
    /// Held while it is made: whoever comes meanwhile wants the same.
    making: Mutex<()>,
}

impl OffsetsTopic {
    /// The topic, as it is made if it has to be.
    pub fn new(
        broker_id: BrokerId,
        options: GroupOptions,
        image: SharedImage,
        follower: Follower,
        metadata: MetadataClient,
    ) -> Self {
        let making = Mutex::new(());
        Self { shared: Arc::new(Shared { broker_id, options, image, follower, metadata, making }) }
    }

    /// Which partition has a group; `None`: there is no topic.
    pub fn partition_of(&self, group_id: &str) -> Option<PartitionId> {
        let partitions = self.partitions()?;
        Some(PartitionId(coordinator::partition_of(group_id, partitions)))
    }

    /// How many partitions it has; `None`: there is no topic.
    pub fn partitions(&self) -> Option<i32> {
        let topic = self.shared.image.read(|state| state.topic(CONSUMER_OFFSETS_TOPIC).cloned())?;
        i32::try_from(topic.partitions.len()).ok()
    }

    /// Who coordinates a group: the leader of its partition, as far as is known here.
    pub fn coordinator_of(&self, group_id: &str) -> Option<BrokerId> {
        self.leader_of(self.partition_of(group_id)?)
    }

    /// Whether this broker is to lead a partition of it, by the metadata.
    pub(super) fn is_led_here(&self, partition: PartitionId) -> bool {
        self.leader_of(partition) == Some(self.shared.broker_id)
    }

    fn leader_of(&self, partition: PartitionId) -> Option<BrokerId> {
        let index = usize::try_from(partition.0).ok()?;
        self.shared.image.read(|state| state.topic(CONSUMER_OFFSETS_TOPIC)?.partitions.get(index)?.leader)
    }

    /// Makes it if it is not there, and waits until it has leaders.
    ///
    /// # Errors
    /// [`NoTopic`]; asking again later helps.
    pub async fn ensure(&self) -> Result<(), NoTopic> {
        if self.partitions().is_some() {
            return Ok(());
        }
        timeout(CREATE_WAIT, self.make()).await.unwrap_or(Err(NoTopic::TakesLong))
    }

    async fn make(&self) -> Result<(), NoTopic> {
        let shared = &self.shared;
        let _making = shared.making.lock().await;
        if self.partitions().is_none() {
            let GroupOptions { topic_partitions, topic_replication_factor, .. } = shared.options;
            match self.create(topic_partitions, topic_replication_factor).await {
                // Another broker was faster.
                Err(NoTopic::Refused(CallError::Problem(problem)))
                    if problem.code == ErrorCode::TopicAlreadyExists => {}
                made => drop(made?),
            }
        }
        let is_led = |partition: &common::Partition| partition.leader.is_some();
        let led = shared.image.wait_for(|state| {
            let topic = state.topic(CONSUMER_OFFSETS_TOPIC)?;
            topic.partitions.iter().all(is_led).then_some(())
        });
        led.await;
        Ok(())
    }

    /// Makes it, with as many partitions and replicas as somebody wants. Its settings are always the same.
    ///
    /// # Errors
    /// [`NoTopic`], also if it exists.
    pub async fn create(&self, num_partitions: i32, replication_factor: i16) -> Result<TopicInfo, NoTopic> {
        let Shared { broker_id, options, follower, metadata, .. } = &*self.shared;
        let broker_epoch = follower.status().broker_epoch.ok_or(NoTopic::NotRegistered)?;
        let configs = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("segment.bytes", options.topic_segment_bytes.to_string()),
        ];
        let request = CreateInternalTopicRequest {
            broker_id: *broker_id,
            broker_epoch,
            topic_name: TopicName::new(CONSUMER_OFFSETS_TOPIC).expect("the name obeys the grammar"),
            num_partitions,
            replication_factor,
            configs: configs
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        };
        let info = metadata.call(&api::create_internal_topic(&request)).await?;
        tracing::info!(
            event = "coordinator.topic",
            partitions = num_partitions,
            replicas = replication_factor,
            "made {CONSUMER_OFFSETS_TOPIC}"
        );
        Ok(info)
    }
}
