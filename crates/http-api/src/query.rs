//! Query parameters.

use common::{BrokerId, MetadataVersion};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How current a read has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Consistency {
    /// What the answering node has applied; may lag behind the controller.
    #[default]
    Local,
    /// Everything that was acknowledged before the request, or 503.
    Linearizable,
}

/// Parameters of reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadQuery {
    /// How current the answer has to be.
    #[serde(default)]
    #[param(inline, required = false)]
    pub consistency: Consistency,
}

/// Parameters of `GET /api/v1/metadata/cluster`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClusterQuery {
    /// Answer with what changed after this version, if that is still known.
    pub since: Option<MetadataVersion>,
    /// How current the answer has to be.
    #[serde(default)]
    #[param(inline, required = false)]
    pub consistency: Consistency,
}

/// Parameters of writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WriteQuery {
    /// A node that is not the leader answers 307 with the leader's address instead of 503.
    #[serde(default)]
    #[param(required = false)]
    pub redirect: bool,
}

/// Parameters of `GET /api/v1/metadata/history`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Only events about this topic.
    pub topic: Option<String>,
    /// Only events about this broker.
    pub broker: Option<BrokerId>,
    /// Only events after this version; the oldest first. Without it the newest events, the newest first.
    pub since: Option<MetadataVersion>,
    /// At most so many; 100 if absent, [`HISTORY_LIMIT_MAX`] at most.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// The most events of one answer.
pub const HISTORY_LIMIT_MAX: u32 = 1000;

/// Parameters of `GET /api/v1/raft/log`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RaftLogQuery {
    /// The first index wanted. Absent: the newest entries.
    pub from: Option<u64>,
    /// At most so many; 100 if absent, [`RAFT_LOG_LIMIT_MAX`] at most.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// The most entries of one answer.
pub const RAFT_LOG_LIMIT_MAX: u32 = 1000;
