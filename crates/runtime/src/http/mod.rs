//! Serving an axum router over HTTP/1.1, the same way in every server of DistributedMQ.
//!
//! - [`bind`]: a listener, or an error that names the address;
//! - [`serve`]: accepts connections within [`HttpLimits`] and drains them gracefully at shutdown;
//! - [`JsonBody`], [`Segments`], [`Params`], [`NoParams`]: a request's body, path and query, read strictly; [`Refusal`]: an answer that is a problem;
//! - [`livez`]: `GET /livez`, and `GET /livez?watch=true` for peers that want to know at once when this process ends.

mod body;
mod connection;
mod fallback;
mod json;
mod limits;
mod listener;
mod livez;
mod params;
mod refusal;

pub use fallback::{no_such_path, wrong_method};
pub use json::{JsonBody, JsonBytesMax, OptionalJsonBody};
pub use limits::HttpLimits;
pub use listener::{BindError, bind, serve};
pub use livez::livez;
pub use params::{NoParams, Params, Segments, query_of};
pub use refusal::Refusal;

#[cfg(test)]
mod tests;
