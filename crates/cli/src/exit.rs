//! Exit codes, and the error that carries one.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused by the cluster, or failed |
//! | 2 | wrong usage or configuration; nothing was tried |
//! | 3 | a node refused to start: wrong identity, unsafe database, in use |
//! | 4 | the cluster cannot answer: no node reached, no controller, no quorum; nothing was changed |
//! | 5 | outcome unknown: the write may or may not have taken effect |
//! | 6 | a drill ran, and its verdict is FAIL; or files were verified, and some are damaged |

use std::{fmt, process::ExitCode};

use client::CallError;
use http_api::{ErrorCode, Retry};

use crate::output::say;

/// What the process says with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Refused, or failed.
    Failed = 1,
    /// Wrong arguments or configuration.
    Usage = 2,
    /// A node refused to start, or is not to be started.
    Refused = 3,
    /// Nobody could answer.
    Unavailable = 4,
    /// A write of unknown outcome.
    Unknown = 5,
    /// The verdict of a drill, or on files.
    VerdictFail = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not succeed: a sentence for stderr and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// The sentence. Empty: everything was said already.
    pub(crate) message: String,
}

impl Failure {
    /// A failure with its own exit code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Something failed, in words.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message.to_string())
    }

    /// The arguments cannot be meant so.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message.to_string())
    }
}

impl Failure {
    /// Says the sentence on stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            say!("dmq: {self}");
        }
        self.exit.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What to do about a failed call, where the answer does not say so itself.
fn advice(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::NoAnswer(_) | CallError::NoLeader(_) => {
            Some("is the cluster up? `dmq up` starts one here, --metadata names another")
        }
        CallError::Problem(problem) => match problem.code {
            ErrorCode::UnknownTopic => Some("`dmq topic list` shows all"),
            ErrorCode::UnknownGroup => Some("`dmq group list` shows all"),
            ErrorCode::UnknownBroker => Some("`dmq broker list` shows all"),
            ErrorCode::UnknownNode => Some("`dmq raft members list` shows all"),
            ErrorCode::GroupNotEmpty => Some("stop its members first; `dmq group describe` shows them"),
            ErrorCode::BrokerHoldsReplicas => Some("`dmq topic reassign` moves them to other brokers"),
            ErrorCode::InvalidConfig if problem.detail.starts_with("unknown") => {
                Some("docs/configuration.md lists all settings")
            }
            _ => None,
        },
        _ => None,
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let exit = match &error {
            CallError::NoAnswer(_) | CallError::NoLeader(_) | CallError::NotController { .. } => {
                Exit::Unavailable
            }
            CallError::OutcomeUnknown { .. } => Exit::Unknown,
            CallError::Problem(problem) if problem.status == 503 && problem.code.retry() != Retry::Never => {
                Exit::Unavailable
            }
            CallError::Problem(_) | CallError::Unreadable { .. } => Exit::Failed,
        };
        match advice(&error) {
            Some(advice) => Self::new(exit, format!("{error}\n     {advice}")),
            None => Self::new(exit, error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests {
    use http_api::Problem;

    use super::*;

    #[test]
    fn a_refusal_an_outage_and_an_unknown_outcome_are_told_apart() {
        let exit = |error| Failure::from(error).exit;
        let problem = |code| CallError::Problem(Box::new(Problem::new(code, "x")));
        assert_eq!(exit(problem(ErrorCode::TopicAlreadyExists)), Exit::Failed);
        assert_eq!(exit(problem(ErrorCode::QuorumUnavailable)), Exit::Unavailable);
        assert_eq!(exit(CallError::OutcomeUnknown { detail: "x".into() }), Exit::Unknown);
        assert_eq!(exit(CallError::NotController { url: "x".into(), leader: None }), Exit::Unavailable);
    }
}
