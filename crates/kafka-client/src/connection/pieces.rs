//! Frames on their way into a socket, none of their bytes copied.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};
use kafka_wire::{Frame, Piece};

/// Bytes in pieces, written with as few system calls as possible.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Pieces {
    /// Adds a frame behind the others.
    pub(super) fn push(&mut self, frame: &Frame) {
        for piece in frame.pieces() {
            // Requests carry their records; only a broker's answers defer them.
            if let Piece::Bytes(bytes) = piece {
                self.length += bytes.len();
                self.pieces.push_back(bytes);
            }
        }
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.pieces).map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        self.length = self.length.saturating_sub(count);
        while let Some(piece) = self.pieces.front_mut() {
            if piece.len() > count {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_wherever_they_are_cut() {
        let pieces = || Pieces {
            pieces: ["abc", "d", "efgh"].map(|text| Bytes::from_static(text.as_bytes())).into(),
            length: 8,
        };
        for step in 1..=8 {
            let (mut rest, mut out) = (pieces(), Vec::new());
            while rest.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 2];
                let count = rest.chunks_vectored(&mut slices);
                let seen: Vec<u8> = slices.iter().take(count).flat_map(|slice| slice.to_vec()).collect();
                let taken = step.min(seen.len());
                out.extend_from_slice(&seen[..taken]);
                rest.advance(taken);
            }
            assert_eq!(out, b"abcdefgh", "step {step}");
        }
    }
}
