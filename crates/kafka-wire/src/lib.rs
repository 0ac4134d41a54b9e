//! The Kafka protocol as bytes. No sockets and no broker here: bytes in, typed messages out, and back.
//!
//! # As a broker
//! ```
//! use kafka_wire::{FrameReader, Incoming, Message as _, encode_response, messages::*};
//!
//! # fn received(_: &mut FrameReader) {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Read from the socket into `space()`; it never allocates much more than what arrived.
//! let mut frames = FrameReader::new(100 << 20);
//! received(&mut frames); // stream.read_buf(&mut frames.space()).await
//! while let Some(frame) = frames.next_frame()? {
//!     match Incoming::read(&frame)? {
//!         // Any error closes the connection, as in Kafka.
//!         Incoming::Request { header, body } => match header.key {
//!             ApiKey::Heartbeat => {
//!                 let _request = HeartbeatRequest::from_body(&body, header.version)?;
//!                 let response = HeartbeatResponse::default();
//!                 let answer = encode_response(header.correlation_id, header.version, &response)?;
//!                 for _piece in answer.pieces() {} // to the socket, in order
//!             }
//!             _ => {}
//!         },
//!         // A client newer than us: answer with the versions we have, in the form that every client can read.
//!         Incoming::UnsupportedApiVersions { correlation_id } => {
//!             let response = ApiVersionsResponse::default();
//!             let _answer = encode_response(correlation_id, 0, &response)?;
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//! Strings are copied out of the frame; `records` and other bytes are slices of it. A response with
//! [`Records::Bytes`] or [`Records::Pieces`] is not copied into the answer: they stay [`Piece`]s of their own.
//! [`Records::Deferred`] is a gap of a known length which the sender fills, for example with `sendfile`.
//!
//! # As a client
//! [`encode_request`], and [`decode_response`] with the type of the request and the version it was sent in.
//!
//! # Where to look
//! [`registry`] says which versions the broker serves. The [`messages`] are generated from Kafka's own schemas by
//! `cargo xtask kafka-messages`, and so are the [`group_records`] of `__consumer_offsets`; [`codec`] is what they are written with, and where the limits are: see
//! [`codec::Decoder`].

pub mod codec;
pub mod error_code;
pub mod frame;
pub mod group_record;
pub mod group_records;
pub mod header;
pub mod message;
pub mod messages;
pub mod records;
pub mod registry;
pub mod schema;

pub use codec::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use frame::{Frame, FrameError, FrameReader, Piece};
pub use header::{Incoming, IncomingError, RequestHeader, decode_response, encode_request, encode_response};
pub use message::{Message, Request, Response};
pub use messages::ApiKey;
pub use records::Records;
pub use schema::Schema;
