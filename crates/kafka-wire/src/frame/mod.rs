//! Frames: a length of four bytes, then that many bytes. Requests and responses alike.

mod outgoing;
mod reader;

pub use outgoing::{Frame, Piece};
pub use reader::{FrameError, FrameReader};
