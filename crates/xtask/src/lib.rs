//! The checks that keep the workspace in shape, the command that runs its tests, and the generator of the Kafka
//! messages.
//!
//! [`tidy`] holds the rules that a compiler does not know; each rule is a file, and `tests/tidy.rs` applies all of
//! them to the tree, so that breaking one fails the test suite.

pub mod kafka_messages;
pub mod postgres;
pub mod suite;
pub mod tidy;
pub mod workspace;
