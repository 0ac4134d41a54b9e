//! The records of one partition inside of a message: bytes that nobody here looks into.

use bytes::Bytes;

/// Record batches of one partition, as they are in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// The batches themselves; when decoded, a slice of the received frame.
    Bytes(Bytes),
    /// The batches in several pieces, one after the other. Never the result of decoding.
    Pieces(Vec<Bytes>),
    /// A known number of bytes that only the sender of the frame will put there, for example straight from a
    /// file: see [`crate::Piece::Deferred`]. Never the result of decoding.
    Deferred(u32),
}

impl Records {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Pieces(pieces) => pieces.iter().map(Bytes::len).sum(),
            Self::Deferred(length) => *length as usize,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are here and in one piece; so they are when decoded.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Pieces(_) | Self::Deferred(_) => None,
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self::Pieces(pieces)
    }
}
