//! The Kafka protocol: a listener, its connections, and one file per API under [`api`].
//!
//! ```text
//! listener -> connection { reader --> api::start --> queue of outcomes --> writer }
//! ```
//!
//! - Requests of one connection are carried out in order and answered in order. Produce requests are appended when
//!   they are read, so that they pipeline; everything else is done when its turn comes.
//! - What clients may use is bounded: see [`limits`].
//! - What cannot be understood closes the connection, as in Kafka; a newer ApiVersions request is answered.
//! - Changes of the metadata are asked of the controllers, by whichever broker a client comes to.

mod api;
mod by_topic;
mod connection;
mod errors;
mod fetch_sessions;
mod limits;
mod listener;
mod metrics;
mod reader;
mod server;
mod writer;

pub use limits::KafkaLimits;
pub use listener::{bind, serve};
pub use server::{KafkaSettings, Server};
