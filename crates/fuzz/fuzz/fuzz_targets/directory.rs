//! `cargo +nightly fuzz run directory`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::targets::run_guided("directory", bytes));
