//! What a replica asks of its log.

use common::{LeaderEpoch, Offset};

/// The log of this replica, as it is now. The state machines keep nothing that it knows.
pub trait ReplicaLog {
    /// Offset of the first record that may be read.
    fn log_start(&self) -> Offset;

    /// Offset that the next record gets.
    fn log_end(&self) -> Offset;

    /// Up to where this replica vouches for its records: what its flush policy calls safe. Never above the log end.
    fn confirmed(&self) -> Offset;

    /// Whether records can be added: not once its disk failed. What it has is still read.
    fn takes_records(&self) -> bool;

    /// Up to where every transaction is decided, given the high watermark. Never above it, never below the start.
    fn last_stable(&self, high_watermark: Offset) -> Offset;

    /// Every leader epoch that wrote records, with its first offset; both rise.
    fn epochs(&self) -> &[(LeaderEpoch, Offset)];
}
