//! Record batches, magic 2 (KIP-98): the unit that producers send, logs store and consumers fetch.
//!
//! A batch is [61 bytes of header](BatchHeader) and its [records](Record), compressed or not. The log handles
//! batches as bytes and looks at the header alone; records are walked only to validate what a client sent, to
//! find a timestamp, and to compact.
//!
//! Layout: <https://kafka.apache.org/documentation/#recordbatch>. Everything is parsed from untrusted bytes: no
//! length is believed before it is compared with what is left, and decompression stops at a limit.

mod aborted;
mod builder;
mod compression;
mod control;
mod error;
mod header;
mod rebuild;
mod recompress;
mod record;
mod validate;
mod whole;

pub use aborted::AbortedFilter;
pub use builder::{BatchBuilder, BuildError};
pub use compression::Compression;
pub use control::{ControlRecord, EndTransaction};
pub use error::BatchError;
pub use header::{Attributes, BatchHeader, HEADER_BYTES, LENGTH_PREFIX_BYTES, TimestampType};
pub use recompress::{TargetCodec, recompress};
pub use record::{Headers, NewRecord, Payload, Record, RecordHeader, Records};
pub use validate::{BatchRules, InvalidBatch, RecordCheck, validate};
pub use whole::Batch;

pub(crate) use header::HEAD_OUTSIDE_CRC_BYTES;
pub(crate) use rebuild::{Rebuild, placeholder, without_records};

#[cfg(test)]
mod tests;
