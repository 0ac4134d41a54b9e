//! What comes of a request or of the passing of time.

use crate::{ProducerId, Record, Reply, Token};

/// To be done outside: records to append as one batch, then replies. A reply leaves when everything appended so far is
/// committed.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// To append, in this order and as one batch. Empty: nothing to append; the replies still wait for what was appended
    /// before.
    pub records: Vec<Record>,
    /// The batch is part of this transaction.
    pub transaction: Option<Transaction>,
    /// Answers to the present request, and to earlier ones that were parked.
    pub replies: Vec<(Token, Reply)>,
}

/// The transaction that a batch of offsets belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// The epoch that the producer gave.
    pub producer_epoch: i16,
}

impl Outcome {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.replies.is_empty()
    }
}
