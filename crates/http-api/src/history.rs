//! `GET /api/v1/metadata/history`: the metadata events, as they are kept in SQL.

use common::MetadataVersion;
use metadata_core::RequestId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One event: who changed what, when, from what to what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Raft index of the command.
    pub version: MetadataVersion,
    /// The controller's clock, in Unix milliseconds.
    pub time: u64,
    /// Who asked: `rest:127.0.0.1`, `broker:101`, `controller:1`.
    pub author: String,
    /// The idempotency key of the request, if it had one.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub request_id: Option<RequestId>,
    /// Kind of the event: `TOPIC_CREATED`, `BROKER_STATUS_CHANGED`, ...
    pub kind: String,
    /// What it is about: `topic:orders`, `broker:101`, `cluster`.
    pub subject: String,
    /// What was changed, as it was before; `null` if it is new.
    pub before: serde_json::Value,
    /// The event with the state after it.
    pub after: serde_json::Value,
}
