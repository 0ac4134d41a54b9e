//! The time of a request.

/// Now, by two clocks. Timeouts go by the one that never jumps; what is written down, and kept over restarts, goes by the
/// other. So a wall clock that is set forward ends no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Of a clock that never goes back, in ms since any fixed moment of this process.
    pub monotonic_ms: i64,
    /// Of the wall clock, in ms since 1970.
    pub unix_ms: i64,
}
