//! Ids for producers: taken from blocks that the controllers hand out, each of which only one broker ever gets
//! (KIP-730). What is left of a block when the process ends is never used.

use std::{ops::Range, sync::Arc};

use client::{CallError, MetadataClient, api};
use common::BrokerId;
use http_api::producer_ids::AllocateProducerIdsRequest;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::follower::Follower;

/// Why there is no id now. Asking again later helps.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum NoProducerId {
    /// Only a registered broker is given ids.
    #[error("this broker is not registered with a controller yet")]
    NotRegistered,
    /// The controllers gave none.
    #[error("the controllers gave no producer ids: {0}")]
    Refused(#[from] CallError),
}

/// Gives every producer an id of its own. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct ProducerIds {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    broker_id: BrokerId,
    follower: Follower,
    metadata: MetadataClient,
    /// Ids of the block that were not given to anybody. Held during the request for the next one: whoever comes
    /// meanwhile wants the same.
    left: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// Ids for the producers of `broker_id`.
    pub fn new(broker_id: BrokerId, follower: Follower, metadata: MetadataClient) -> Self {
        Self { shared: Arc::new(Shared { broker_id, follower, metadata, left: Mutex::new(0..0) }) }
    }

    /// An id that nobody else has or had.
    ///
    /// # Errors
    /// [`NoProducerId`].
    pub async fn next(&self) -> Result<i64, NoProducerId> {
        let shared = &self.shared;
        let mut left = shared.left.lock().await;
        if left.is_empty() {
            let broker_epoch = shared.follower.status().broker_epoch.ok_or(NoProducerId::NotRegistered)?;
            let request = AllocateProducerIdsRequest { broker_id: shared.broker_id, broker_epoch };
            let block = shared.metadata.call(&api::allocate_producer_ids(&request)).await?;
            *left = block.first_producer_id..block.first_producer_id.saturating_add(block.count.into());
        }
        left.next().ok_or(NoProducerId::NotRegistered)
    }
}
