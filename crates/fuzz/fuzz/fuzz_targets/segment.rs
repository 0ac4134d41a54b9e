//! `cargo +nightly fuzz run segment`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::targets::run_guided("segment", bytes));
