//! One connection to one broker: requests are pipelined, answers come in the order of the requests, everything has a
//! deadline and a bound.

mod driver;
mod error;
mod handle;
mod options;
mod pieces;
mod shared;

pub use error::CallError;
pub use handle::{Connection, Pending, Unanswered};
pub use options::ConnectionOptions;
pub(crate) use shared::SharedConnection;

#[cfg(test)]
mod tests;
