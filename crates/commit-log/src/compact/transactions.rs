//! Which batches belong to aborted transactions, and which markers nobody needs any more, while a compaction walks the
//! log from front to back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    batch::{BatchHeader, EndTransaction},
    derived::{AbortedTransaction, Applied},
    offset::{Offset, ProducerId},
};

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub(crate) struct TransactionCleaner {
    /// Aborted transactions that begin further on, by their first offset.
    coming: VecDeque<AbortedTransaction>,
    /// Those whose marker comes, and whether a batch of them was met.
    aborted: BTreeMap<ProducerId, (AbortedTransaction, bool)>,
    /// Producers of which a batch was met whose transaction is committed further on.
    committed: BTreeSet<ProducerId>,
    /// Markers of aborted transactions of which no batch is left.
    forgotten: Vec<Offset>,
}

impl TransactionCleaner {
    /// For a walk over batches in which these transactions were aborted.
    pub(crate) fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_by_key(|aborted| aborted.first);
        Self { coming: aborted.into(), ..Self::default() }
    }

    /// The next batch. Whether nothing depends on it: data of an aborted transaction, or the marker of a transaction
    /// of which no batch was met.
    pub(crate) fn is_dispensable(&mut self, batch: &Applied) -> bool {
        let header = &batch.header;
        self.advance(header);
        let Some(producer) = header.producer() else { return false };
        // What was aborted ends with its marker, even where that is gone: what its producer wrote since is another matter.
        let aborted = self.aborted.get(&producer.id);
        if aborted.is_some_and(|(aborted, _)| aborted.last < header.base_offset) {
            self.aborted.remove(&producer.id);
        }
        if header.attributes.is_control() {
            return match batch.control.map(|control| control.end) {
                Some(EndTransaction::Commit) => !self.committed.remove(&producer.id),
                Some(EndTransaction::Abort) => match self.aborted.remove(&producer.id) {
                    Some((_, true)) => false,
                    Some((aborted, false)) => {
                        self.forgotten.push(aborted.last);
                        true
                    }
                    None => true,
                },
                // An earlier compaction has left the header alone, or the kind is not known: that one stays.
                None => header.record_count == 0,
            };
        }
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&producer.id) {
            Some((_, met)) => {
                *met = true;
                true
            }
            None => {
                self.committed.insert(producer.id);
                false
            }
        }
    }

    /// Markers of aborted transactions that need not be remembered any more, by their offsets.
    pub(crate) fn take_forgotten(&mut self) -> Vec<Offset> {
        std::mem::take(&mut self.forgotten)
    }

    fn advance(&mut self, header: &BatchHeader) {
        while let Some(aborted) = self.coming.pop_front_if(|aborted| aborted.first <= header.last_offset()) {
            self.aborted.insert(aborted.producer, (aborted, false));
        }
    }
}
