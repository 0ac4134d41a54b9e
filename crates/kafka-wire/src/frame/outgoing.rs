//! A frame to be sent, in pieces: what was encoded, and the records that were not copied into it.

use bytes::Bytes;

use crate::{codec::Insert, records::Records};

/// A whole frame, its length in front included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Everything but the records.
    encoded: Bytes,
    /// The records, by their position in `encoded`; ascending.
    inserts: Vec<Insert>,
}

/// A part of a frame; parts are sent in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes to be sent.
    Bytes(Bytes),
    /// The place of the next [`Records::Deferred`], in the order in which the message has them: exactly this many
    /// bytes must be sent here.
    Deferred(u32),
}

impl Frame {
    pub(crate) fn of_parts(encoded: Vec<u8>, inserts: Vec<Insert>) -> Self {
        Self { encoded: encoded.into(), inserts }
    }

    /// Bytes to be sent in all.
    pub fn len(&self) -> usize {
        self.encoded.len() + self.inserts.iter().map(|insert| insert.records.len()).sum::<usize>()
    }

    /// Whether there is nothing to be sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order; none is empty, and no bytes are copied.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(2 * self.inserts.len() + 1);
        let mut sent = 0;
        for Insert { at, records } in &self.inserts {
            pieces.push(Piece::Bytes(self.encoded.slice(sent..*at)));
            sent = *at;
            match records {
                Records::Bytes(bytes) => pieces.push(Piece::Bytes(bytes.clone())),
                Records::Pieces(several) => pieces.extend(several.iter().cloned().map(Piece::Bytes)),
                Records::Deferred(length) => pieces.push(Piece::Deferred(*length)),
            }
        }
        pieces.push(Piece::Bytes(self.encoded.slice(sent..)));
        pieces.retain(|piece| !matches!(piece, Piece::Bytes(bytes) if bytes.is_empty()));
        pieces
    }

    /// The whole frame in one, copied if it has records. `None` if some of them are deferred.
    pub fn into_bytes(self) -> Option<Bytes> {
        if self.inserts.is_empty() {
            return Some(self.encoded);
        }
        let mut whole = Vec::with_capacity(self.len());
        for piece in self.pieces() {
            match piece {
                Piece::Bytes(bytes) => whole.extend_from_slice(&bytes),
                Piece::Deferred(_) => return None,
            }
        }
        Some(whole.into())
    }
}
