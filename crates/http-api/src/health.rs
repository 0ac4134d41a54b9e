//! `/livez` and `/readyz` of both servers.

use common::IncarnationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of process answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProcessRole {
    /// A metadata node.
    MetadataNode,
    /// A broker.
    Broker,
}

/// `GET /livez`: the process runs. With `?watch=true` this line comes first and the answer never ends while the
/// process lives, so that whoever holds it learns of a crash at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Livez {
    /// Always true.
    pub alive: bool,
    /// What answers.
    pub role: ProcessRole,
    /// Its node or broker id.
    pub id: u64,
    /// This life of the process: a restarted one has another.
    pub incarnation_id: IncarnationId,
}

/// `GET /readyz?verbose`: whether the process can do its work, and what is wrong if not. 503 if it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// All checks passed.
    pub ready: bool,
    /// The checks; left out without `?verbose`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was checked: `leader`, `applied`, `storage`, ...
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// How it is, in words.
    pub detail: String,
}

impl Readiness {
    /// Sums checks up.
    pub fn of(checks: Vec<Check>) -> Self {
        Self { ready: checks.iter().all(|check| check.ok), checks }
    }
}
