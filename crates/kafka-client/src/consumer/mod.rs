//! The consumer: reads partitions that it is told to read, from where it is told to.
//!
//! A partition's position moves only over what was handed out; when another broker becomes its leader, reading goes on
//! there from the same position. So nothing is skipped and nothing comes twice, as long as the brokers keep their word.

mod error;
mod fetch;
mod fetched;
mod handle;
mod options;

pub use error::ConsumeError;
pub use fetched::Fetched;
pub use handle::Consumer;
pub use options::{ConsumerOptions, IsolationLevel, StartAt};

#[cfg(test)]
mod tests;
