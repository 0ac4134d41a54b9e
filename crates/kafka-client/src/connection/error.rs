//! Calls that fail, and whether the broker may have received them.

use std::sync::Arc;

use kafka_wire::{ApiKey, DecodeError, EncodeError};

use crate::address::Address;

/// A call without an answer.
///
/// What matters most is whether the broker may have carried it out: see [`CallError::surely_not_received`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// There was no connection, or it ended before the first byte of the request was written.
    #[error("broker {address}: {why}")]
    NotSent {
        /// The broker.
        address: Address,
        /// What happened.
        why: Arc<str>,
    },
    /// The request was written, wholly or in part, and no answer came.
    #[error("broker {address}: {why}; it may have received the request")]
    NoAnswer {
        /// The broker.
        address: Address,
        /// What happened.
        why: Arc<str>,
    },
    /// An answer began that is longer than any may be.
    #[error(
        "broker {address}: an answer of {size_bytes} bytes was announced, allowed are {answer_bytes_max}"
    )]
    TooLong {
        /// The broker.
        address: Address,
        /// What was announced.
        size_bytes: usize,
        /// [`ConnectionOptions::answer_bytes_max`](super::ConnectionOptions::answer_bytes_max).
        answer_bytes_max: usize,
    },
    /// An answer came that cannot be read.
    #[error("broker {address}: unreadable answer: {source}")]
    Unreadable {
        /// The broker.
        address: Address,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The broker does not have the API in a version that this client can use.
    #[error("broker {address} has no usable version of {}", .api.name())]
    Version {
        /// The broker.
        address: Address,
        /// The API.
        api: ApiKey,
    },
    /// The request has a value that its version cannot carry.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl CallError {
    /// Whether it is certain that the broker did not get the request.
    pub fn surely_not_received(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::Version { .. } | Self::Encode(_) => true,
            Self::NoAnswer { .. } | Self::TooLong { .. } | Self::Unreadable { .. } => false,
        }
    }

    /// Whether the same call may succeed on a new connection.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::NoAnswer { .. } => true,
            Self::TooLong { .. } | Self::Unreadable { .. } | Self::Version { .. } | Self::Encode(_) => false,
        }
    }
}
