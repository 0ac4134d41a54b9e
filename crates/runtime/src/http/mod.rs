//! Serving an axum router over HTTP/1.1, the same way in every server of DistributedMQ.
//!
//! - [`bind`]: a listener, or an error that names the address;
//! - [`serve`]: accepts connections within [`HttpLimits`] and drains them gracefully at shutdown;
//! - [`livez`]: `GET /livez`, and `GET /livez?watch=true` for peers that want to know at once when this process ends.

mod body;
mod connection;
mod limits;
mod listener;
mod livez;

pub use limits::HttpLimits;
pub use listener::{BindError, bind, serve};
pub use livez::livez;

#[cfg(test)]
mod tests;
