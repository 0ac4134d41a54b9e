//! Membership of the quorum: add, remove, hand leadership over.

use common::NodeId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::RaftMember;

/// `POST /api/v1/raft/members`. The node joins as a learner, catches up, and then becomes a voter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddMemberRequest {
    /// Id of the new node; one that was never used before.
    #[schema(example = 4)]
    pub node_id: NodeId,
    /// Base URL of its REST API.
    #[schema(example = "http://localhost:9094")]
    pub url: String,
    /// False: it stays a learner. Default: true.
    #[serde(default = "yes")]
    pub voter: bool,
}

fn yes() -> bool {
    true
}

/// The members after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembersResponse {
    /// Voters and learners by id.
    pub members: Vec<RaftMember>,
}

/// `POST /api/v1/raft/transfer-leader`. The body may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferLeaderRequest {
    /// To whom. Absent: to the voter whose log is most complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
}

/// Leadership was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferLeaderResponse {
    /// Who led before.
    pub from: NodeId,
    /// Who was told to take over.
    pub to: NodeId,
}
