//! What an owner appends: the records of one or more outcomes as one batch.
//!
//! The records of an outcome are one decision, and one batch, unless they are too many to be fetched and loaded as one. Those
//! of several outcomes share a batch, up to a size: many commits cost one append, one sync and one round of replication.

use bytes::Bytes;
use commit_log::batch::{BatchBuilder, BuildError};
use common::Offset;
use coordinator::{Reply, Token};

/// A batch takes no further outcome from here on.
const ENOUGH_BYTES: usize = 512 * 1024;

/// An outcome is divided here.
const TOO_MANY_BYTES: usize = 16 << 20;

/// What a record takes in a batch beside its key and value, about.
const RECORD_OVERHEAD_BYTES: usize = 16;

/// Replies, each with the token of its request.
pub(super) type Replies = Vec<(Token, Reply)>;

/// A batch that is being filled, and the replies that depend on it.
#[derive(Debug, Default)]
pub(super) struct OpenBatch {
    builder: Option<BatchBuilder>,
    size_bytes: usize,
    /// To be given once it is committed.
    pub(super) replies: Replies,
}

impl OpenBatch {
    /// Whether it is time to append it before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.size_bytes >= ENOUGH_BYTES
    }

    /// Whether it takes no more records, even of the outcome that is being added.
    pub(super) fn is_too_large(&self) -> bool {
        self.size_bytes >= TOO_MANY_BYTES
    }

    /// Adds a record, written at this time (in ms since 1970).
    pub(super) fn add(&mut self, key: &[u8], value: Option<&[u8]>, unix_ms: i64) {
        let builder = self.builder.get_or_insert_with(BatchBuilder::default);
        builder.record(unix_ms, Some(key), value);
        self.size_bytes += key.len() + value.map_or(0, <[u8]>::len) + RECORD_OVERHEAD_BYTES;
    }

    /// The batch, unless it has no records, and the replies.
    ///
    /// # Errors
    /// If the records are more than a batch can hold.
    pub(super) fn take(&mut self) -> Result<(Option<Bytes>, Replies), BuildError> {
        let Self { builder, replies, .. } = std::mem::take(self);
        let batch = builder.map(|builder| builder.build(Offset(0))).transpose()?;
        Ok((batch.map(Bytes::from), replies))
    }
}
