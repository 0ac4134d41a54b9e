//! One node's life: open the store, start Raft, serve, and stop in order.

use crate::Options;

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Options or `services.json` are wrong.
    #[error("{0}")]
    Configuration(String),
    /// Refused: identity, unsafe or foreign database, port or database in use.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl StartError {
    /// The process exit code: 2 configuration, 3 refused to start, 1 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 2,
            Self::Refused(_) => 3,
            Self::Failed(_) => 1,
        }
    }
}

/// Runs the node until it is told to stop (SIGTERM, SIGINT) or its Raft core stops by itself.
pub async fn run(_options: Options) -> Result<(), StartError> {
    todo!()
}
