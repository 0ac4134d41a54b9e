//! `GET /api/v1/metadata/controller`: who leads the quorum.

use common::{NodeId, Term};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The controller, as the answering node knows it. Of two statements the one with the higher term holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControllerInfo {
    /// Its node id.
    pub controller_id: NodeId,
    /// Base URL of its REST API.
    #[schema(example = "http://localhost:9091")]
    pub controller_url: String,
    /// The Raft term it leads in.
    pub controller_term: Term,
    /// When the answering node said so, in Unix milliseconds.
    pub timestamp: u64,
}
