//! `POST /api/v1/metadata/producer-ids`: a block of producer ids for a broker (KIP-730).

use common::{BrokerEpoch, BrokerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who wants a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllocateProducerIdsRequest {
    /// The broker.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
}

/// A block of ids that nobody else gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllocateProducerIdsResponse {
    /// The first id.
    pub first_producer_id: i64,
    /// How many.
    pub count: i32,
}
