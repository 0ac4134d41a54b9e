//! How values look on the wire: [`Decoder`] and [`Encoder`], and [`Wire`] for every type that has a form there.
//!
//! A message version is either plain or *flexible* (KIP-482). A flexible version writes lengths as varints and ends
//! every structure with tagged fields, which a reader that does not know them skips. Decoder and encoder know
//! which kind they are in, so that the generated messages need not ask.

mod decode;
mod encode;
mod error;
mod wire;

pub use decode::{Decoder, MEMORY_ALLOWANCE_BYTES, MEMORY_PER_INPUT_BYTE};
pub use encode::{Encoder, Insert, TagCount};
pub use error::{DecodeError, DecodeProblem, EncodeError};
pub use wire::{Struct, Wire};
