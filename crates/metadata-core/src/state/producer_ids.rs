//! Which producer ids were handed out.

/// Hands out producer ids in blocks, each id once in the life of the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProducerIds {
    /// The first id that was never handed out: the start of the *next* block. Keeping the block that was last
    /// handed out instead is how ids came to be used twice after a failover (KAFKA-15552).
    pub(crate) next: i64,
}
