//! `cargo +nightly fuzz run frames`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::targets::run_guided("frames", bytes));
