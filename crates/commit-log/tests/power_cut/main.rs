//! Real power cuts: a log on a real ext4 that loses what it has not made durable, at a random moment.
//!
//! The file system is in an image that is mounted through a loop device. A writer process appends from several threads
//! under the policy `ack`, and tells through a pipe, which is outside the image, what was acknowledged. Then ext4 is told
//! to stop at once and to forget its journal's last transactions (`EXT4_IOC_SHUTDOWN` with `NOLOGFLUSH`), which is what a
//! power cut leaves, and the image is mounted again. What must hold: the log opens without damage, everything that was
//! acknowledged is there, and nothing that was there at an earlier start has changed.
//!
//! Needs root and loop devices. Where they are missing the test counts as skipped, never as passed; with `--required`
//! (`cargo xtask power-cut --cycles 200`) that is a failure.

mod cycle;
mod image;
mod writer;

use std::process::ExitCode;

/// Cycles in the test suite; the long form names a number.
const CYCLES: u32 = 5;

/// The name of the only test.
const NAME: &str = "acknowledged_records_survive_power_cuts";

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == writer::FLAG) {
        return writer::run(&args);
    }
    let value_of = |flag: &str| {
        let at = args.iter().position(|arg| arg == flag)?;
        args.get(at + 1).cloned()
    };
    let cycles = value_of("--cycles").map_or(Ok(CYCLES), |cycles| cycles.parse());
    let seed = value_of("--seed").map_or(Ok(1), |seed| seed.parse());
    let (Ok(cycles), Ok(seed)) = (cycles, seed) else {
        eprintln!("usage: power_cut [--cycles N] [--seed N] [--required]");
        return ExitCode::FAILURE;
    };
    if args.iter().any(|arg| arg == "--list") {
        println!("{NAME}: test");
        return ExitCode::SUCCESS;
    }
    // What `cargo test FILTER` hands to every test binary.
    let filtered_out = args.first().is_some_and(|arg| !arg.starts_with('-') && !NAME.contains(arg.as_str()));
    if filtered_out {
        println!("\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out\n");
        return ExitCode::SUCCESS;
    }
    let required = args.iter().any(|arg| arg == "--required");
    let outcome = match cycle::run(cycles, seed) {
        Outcome::Skipped(reason) if required => Outcome::Failed(reason),
        outcome => outcome,
    };
    report(&outcome)
}

/// Says it in the words of `cargo test`, so that its totals count it as what it is.
fn report(outcome: &Outcome) -> ExitCode {
    println!("\nrunning 1 test");
    match outcome {
        Outcome::Passed => {
            println!("test {NAME} ... ok");
            println!("\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n");
            ExitCode::SUCCESS
        }
        Outcome::Skipped(reason) => {
            println!("test {NAME} ... ignored, {reason}");
            println!("\ntest result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n");
            ExitCode::SUCCESS
        }
        Outcome::Failed(reason) => {
            println!("test {NAME} ... FAILED\n{reason}");
            println!("\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n");
            ExitCode::FAILURE
        }
    }
}
