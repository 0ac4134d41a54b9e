//! `cargo +nightly fuzz run kafka_connection`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::targets::run_guided("kafka_connection", bytes));
