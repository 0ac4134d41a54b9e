//! Cuts the bytes of a connection into frames.

use bytes::{Buf, BufMut, Bytes, buf::Limit};

/// Small frames are read together, through a buffer of this size; an idle connection costs no more.
const SHARED_BYTES: usize = 4096;

/// A larger frame gets a buffer of its own, which grows to at most this many times what has arrived of it.
const GROWTH: usize = 4;

/// The length in front of a frame, in bytes.
const LENGTH_BYTES: usize = 4;

/// Cuts frames out of what a connection receives. The announced length is checked first and allocates nothing: a
/// peer that announces 100 MiB and sends 10 bytes costs one small buffer.
///
/// Each frame owns exactly its bytes, so that a small request that is kept for long does not keep others.
#[derive(Debug)]
pub struct FrameReader {
    frame_bytes_max: usize,
    /// Received and not yet cut: starts at a length. Empty while `frame` is some.
    shared: Vec<u8>,
    /// A frame of known length that is larger than what is shared, as far as it has arrived.
    frame: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    length: usize,
    bytes: Vec<u8>,
}

/// A length that no frame may have. The connection must be closed: nothing after it can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame of {length} bytes announced, allowed are 0 to {frame_bytes_max}")]
pub struct FrameError {
    /// The announced length.
    pub length: i32,
    /// The longest allowed.
    pub frame_bytes_max: usize,
}

impl FrameReader {
    /// A reader for frames of up to `frame_bytes_max` bytes (Kafka: `socket.request.max.bytes`).
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max, shared: Vec::new(), frame: None }
    }

    /// Changes the bound for the frames that begin from now on; for example it is lower before authentication.
    pub fn set_frame_bytes_max(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Where to put the next bytes from the connection; never empty, provided that [`Self::next_frame`] was called
    /// until it gave `None`.
    pub fn space(&mut self) -> Limit<&mut Vec<u8>> {
        let Some(Partial { length, bytes }) = &mut self.frame else {
            self.shared.reserve_exact(SHARED_BYTES.saturating_sub(self.shared.len()));
            let space = SHARED_BYTES.saturating_sub(self.shared.len());
            return (&mut self.shared).limit(space);
        };
        let missing = length.saturating_sub(bytes.len());
        if bytes.len() == bytes.capacity() {
            let grown = bytes.len().saturating_mul(GROWTH).max(SHARED_BYTES * GROWTH);
            bytes.reserve_exact(missing.min(grown - bytes.len()));
        }
        let space = missing.min(bytes.capacity() - bytes.len());
        bytes.limit(space)
    }

    /// The next whole frame without its length, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// If the announced length is negative or above the bound.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(partial) = self.frame.take() {
            if partial.bytes.len() < partial.length {
                self.frame = Some(partial);
                return Ok(None);
            }
            return Ok(Some(partial.bytes.into()));
        }
        let Some((length, rest)) = self.shared.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let announced = i32::from_be_bytes(*length);
        let frame_bytes_max = self.frame_bytes_max;
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| *length <= frame_bytes_max)
            .ok_or(FrameError { length: announced, frame_bytes_max })?;
        if let Some(frame) = rest.get(..length) {
            let frame = Bytes::copy_from_slice(frame);
            self.shared.drain(..LENGTH_BYTES + length);
            return Ok(Some(frame));
        }
        if LENGTH_BYTES + length > SHARED_BYTES {
            self.frame = Some(Partial { length, bytes: rest.to_vec() });
            self.shared.clear();
        }
        Ok(None)
    }

    /// Bytes that were received and are not yet part of a whole frame, its length among them.
    pub fn pending_bytes(&self) -> usize {
        self.shared.len() + self.frame.as_ref().map_or(0, |partial| LENGTH_BYTES + partial.bytes.len())
    }

    /// Takes in received bytes, for those who have them in memory already.
    ///
    /// # Errors
    /// As [`Self::next_frame`], whose results are given in order.
    pub fn push(&mut self, mut received: &[u8]) -> Result<Vec<Bytes>, FrameError> {
        let mut frames = Vec::new();
        loop {
            while let Some(frame) = self.next_frame()? {
                frames.push(frame);
            }
            if received.is_empty() {
                return Ok(frames);
            }
            let mut space = self.space();
            let count = received.len().min(space.remaining_mut());
            space.put((&mut received).take(count));
        }
    }
}
