//! A test of one binary that this machine may not be able to run. Where it cannot, it counts as skipped, never as passed; with
//! `--required` that is a failure.

#![expect(clippy::print_stdout, reason = "it speaks as the test harness does")]

use std::process::ExitCode;

/// How a test ended that did not panic.
#[derive(Debug)]
pub enum Outcome {
    /// What had to hold, held.
    Passed,
    /// Why it cannot be run here.
    Skipped(String),
}

/// Runs the only test of a binary without a harness, in the words of `cargo test`, so that its totals count it as what it is.
pub fn main(name: &str, test: impl FnOnce() -> Outcome + std::panic::UnwindSafe) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        println!("{name}: test");
        return ExitCode::SUCCESS;
    }
    // What `cargo test FILTER` hands to every test binary.
    if args.first().is_some_and(|arg| !arg.starts_with('-') && !name.contains(arg.as_str())) {
        println!("\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out\n");
        return ExitCode::SUCCESS;
    }
    println!("\nrunning 1 test");
    let required = args.iter().any(|arg| arg == "--required");
    let (said, counts, code) = match std::panic::catch_unwind(test) {
        Ok(Outcome::Passed) => ("ok".to_owned(), "ok. 1 passed; 0 failed; 0 ignored", ExitCode::SUCCESS),
        Ok(Outcome::Skipped(reason)) if !required => {
            (format!("ignored, {reason}"), "ok. 0 passed; 0 failed; 1 ignored", ExitCode::SUCCESS)
        }
        Ok(Outcome::Skipped(reason)) => {
            (format!("FAILED\n{reason}"), "FAILED. 0 passed; 1 failed; 0 ignored", ExitCode::FAILURE)
        }
        // The panic has said what is wrong.
        Err(_) => ("FAILED".to_owned(), "FAILED. 0 passed; 1 failed; 0 ignored", ExitCode::FAILURE),
    };
    println!("test {name} ... {said}");
    println!("\ntest result: {counts}; 0 measured; 0 filtered out\n");
    code
}
