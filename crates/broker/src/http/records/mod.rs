//! Records over REST, on the same data as Kafka clients.
//!
//! | call | file |
//! |---|---|
//! | `POST /api/v1/topics/{topic}/records`, JSON | [`produce`] |
//! | the same under an `Idempotency-Key` | [`keyed`] |
//! | the same with `application/x-ndjson`: a bulk of any length | [`bulk`] |
//! | `GET /api/v1/topics/{topic}/partitions/{p}/records` | [`read`] |
//! | `GET /api/v1/topics/{topic}/stream`, server-sent events | [`stream`] |
//!
//! Every broker takes every call. Writes go through producers that the brokers share ([`gateway`]): they speak Kafka's
//! protocol to the leaders, number their batches, and try again, so that a record is not written twice because a leader
//! died. A read is answered by the leader; other brokers hand it on, once. A leader that keeps failing is left alone for a
//! moment ([`breaker`]), so that requests to it fail at once and with a reason.

mod breaker;
mod bulk;
mod gateway;
mod keyed;
pub(super) mod problems;
mod produce;
mod read;
mod show;
mod stream;

pub(crate) use gateway::Gateway;
pub(super) use produce::{__path_produce, produce};
pub(super) use read::{__path_read, read};
pub(super) use stream::{__path_stream, stream};
