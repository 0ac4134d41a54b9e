//! `POST /api/v1/metadata/suspicions`: somebody saw a connection to a broker break.

use common::BrokerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Hearsay: the controller looks for itself before it acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuspicionRequest {
    /// The broker that may be dead.
    pub suspect: BrokerId,
    /// Who saw it, in words: `broker:102`.
    pub reporter: Reporter,
    /// What was seen, in words.
    pub reason: String,
}

/// Who reports: a broker's id or any name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Reporter {
    /// A broker.
    Broker(BrokerId),
    /// Anybody else.
    Name(String),
}

/// What happens with the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuspicionResponse {
    /// True: a check of the suspect was started or is under way. False: it was checked a moment ago, or is not online.
    pub checking: bool,
}
