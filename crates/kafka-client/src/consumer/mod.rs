//! The consumer: reads partitions that it is told to read, from where it is told to.
//!
//! A partition's position moves only over what was handed out; when another broker becomes its leader, reading goes on
//! there from the same position. So nothing is skipped and nothing comes twice, as long as the brokers keep their word.
//!
//! | module | what it holds |
//! |---|---|
//! | [`handle`] | [`Consumer`]: what is read, and what was read |
//! | [`assigned`] | a partition that is read, and how it goes with it |
//! | [`leaders`] | fetches on their way: a connection and a session per leader, and what it is asked for next |
//! | [`answers`] | what comes of fetches, and what it means for each partition |
//! | [`fetch`] | the request, and how its answer is read; pure |
//! | [`fetched`] | records as they came |

mod answers;
mod assigned;
mod error;
mod fetch;
mod fetched;
mod handle;
mod leaders;
mod options;

pub use error::ConsumeError;
pub use fetched::Fetched;
pub use handle::Consumer;
pub use options::{ConsumerOptions, IsolationLevel, StartAt};

#[cfg(test)]
mod tests;
