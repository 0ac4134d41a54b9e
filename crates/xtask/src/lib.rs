//! The checks that keep the workspace in shape, and the command that runs its tests.
//!
//! [`tidy`] holds the rules that a compiler does not know; each rule is a file, and `tests/tidy.rs` applies all of
//! them to the tree, so that breaking one fails the test suite.

pub mod postgres;
pub mod suite;
pub mod tidy;
pub mod workspace;
