//! What tests of this project share.

pub mod postgres;
