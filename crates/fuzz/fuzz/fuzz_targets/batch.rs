//! `cargo +nightly fuzz run batch`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::targets::run_guided("batch", bytes));
