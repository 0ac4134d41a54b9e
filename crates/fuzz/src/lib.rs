//! Fuzz targets for everything that parses bytes from outside or from a disk, and a runner for them on stable Rust.
//!
//! A [`Target`] is a function that must come to terms with any bytes: no panic, no endless work, no more memory than
//! its input and its limits explain. There are three ways to run the same targets:
//! - `tests/short.rs` in the test suite: a fixed number of executions, always the same ones;
//! - `cargo xtask fuzz --seconds 60`: the [`runner`] of this crate, for as long as one likes;
//! - `cargo +nightly fuzz run batch` in this directory: guided by coverage (`cargo install cargo-fuzz` first).
//!
//! A new target is a file in [`targets`], a line in [`targets::ALL`], and three lines and a table in `fuzz/` for the guided form.

pub mod mutate;
pub mod runner;
mod target;
pub mod targets;

pub use target::{Limits, Target, nothing_to_repair};
