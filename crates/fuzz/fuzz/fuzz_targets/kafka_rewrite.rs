//! `cargo +nightly fuzz run kafka_rewrite`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::targets::run_guided("kafka_rewrite", bytes));
