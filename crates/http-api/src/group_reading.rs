//! Reading as a group without being a member: poll, work, acknowledge, with any HTTP client and on any broker.

use common::{Offset, PartitionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::records::{ReadRecord, WantedFormat};

/// Records that one poll gives at most.
pub const POLL_RECORDS_MAX: usize = 1_000;

/// Records that one poll gives unless it says otherwise.
const POLL_RECORDS: usize = 100;

/// Topics that one poll reads at most.
pub const POLL_TOPICS_MAX: usize = 100;

/// Partitions that one poll reads at most, of all its topics.
pub const POLL_PARTITIONS_MAX: usize = 1_000;

/// The shortest and the longest lease, in ms.
pub const LEASE_MS: std::ops::RangeInclusive<i64> = 100..=43_200_000;

/// How long a lease lasts unless the poll says otherwise, in ms.
const LEASE_MS_USUAL: i64 = 30_000;

/// `POST /api/v1/groups/{group}/poll`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PollRequest {
    /// What to read: 1 to 100 topics, of 1,000 partitions at most.
    pub topics: Vec<String>,
    /// How many records to give at most: 1 to 1,000.
    #[serde(default = "poll_records")]
    pub max_records: usize,
    /// How long to wait while there are none, in ms: at most 60,000.
    #[serde(default)]
    pub max_wait_ms: u64,
    /// How long the records are leased, in ms: 100 to 43,200,000 (12 hours).
    #[serde(default = "lease_ms")]
    pub lease_ms: i64,
    /// Where to begin in partitions of which the group has committed nothing.
    #[serde(default)]
    pub start: PollStart,
    /// How to show bytes.
    #[serde(default)]
    pub format: WantedFormat,
}

fn poll_records() -> usize {
    POLL_RECORDS
}

fn lease_ms() -> i64 {
    LEASE_MS_USUAL
}

/// Where a group begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PollStart {
    /// At the first record that is there.
    #[default]
    Earliest,
    /// Behind the last one.
    Latest,
}

/// Records, and the lease that they are under.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PollResponse {
    /// What to acknowledge them by; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Uuid>,
    /// When they come again if they are not acknowledged, in Unix milliseconds; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// The records; of a partition, in order.
    pub records: Vec<PolledRecord>,
}

/// A record of some topic.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolledRecord {
    /// The topic.
    pub topic: String,
    /// The record.
    #[serde(flatten)]
    pub record: ReadRecord,
}

/// `POST /api/v1/groups/{group}/ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AckRequest {
    /// The lease, as the poll gave it.
    pub lease: Uuid,
    /// The records that are done: at most 1,000; without it all of the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<RecordPlace>>,
    /// Whether the others are given back at once.
    #[serde(default)]
    pub release: bool,
    /// How long the others stay leased from now on, in ms: 100 to 43,200,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<i64>,
}

/// Where a record is; or where a partition goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordPlace {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
    /// The offset.
    pub offset: Offset,
}

/// What came of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AckResponse {
    /// Records that are done by it. Fewer than were named if some were done before, or have another lease by now.
    pub acknowledged: usize,
    /// Records of the lease that are not done.
    pub left: usize,
    /// The group's committed offsets where they moved by it: over everything that is done without a gap.
    pub committed: Vec<RecordPlace>,
}
