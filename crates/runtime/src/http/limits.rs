//! What a client may ask of a server before it is refused.

use std::time::Duration;

/// Bounds of one HTTP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Open connections; one more is answered 503 and closed.
    pub connections_max: usize,
    /// Bytes of a request body that extractors accept; more is 413. A route may set its own with
    /// `axum::extract::DefaultBodyLimit`.
    pub body_bytes_max: usize,
    /// How long a request's head may take from its first byte, and the first byte of a new connection.
    pub header_timeout: Duration,
    /// How long a request's body may stand still.
    pub body_stall_timeout: Duration,
    /// How long an answer may wait for a client that does not read on. A client that is slow, but reads, is waited for.
    pub answer_stall_timeout: Duration,
    /// How long a connection may stay open without a request. Longer than what the usual clients keep (90 s), so
    /// that it is they who close: a client that reuses a connection just being closed sees an error.
    pub idle_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            body_bytes_max: 1024 * 1024,
            header_timeout: Duration::from_secs(10),
            body_stall_timeout: Duration::from_secs(20),
            answer_stall_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(180),
        }
    }
}
