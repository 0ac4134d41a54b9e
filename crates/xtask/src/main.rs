//! `cargo xtask`: the checks and chores of the workspace.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{kafka_messages, postgres, suite, tidy, workspace::Workspace};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks and chores of the workspace")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need (PostgreSQL's server binaries), then run every test of the workspace.
    Test {
        /// Handed to `cargo test`, for example a filter.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        cargo_args: Vec<String>,
    },
    /// Run the fuzz targets on mutated inputs, all or those named; `--help` behind it says more.
    Fuzz {
        /// Handed to the runner: `--seconds 60`, names of targets.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Cut the power of a real file system under a log that is being written, again and again; needs root.
    PowerCut {
        /// How often.
        #[arg(long, default_value_t = 200)]
        cycles: u32,
        /// What the moments follow from.
        #[arg(long, default_value_t = 1)]
        seed: u32,
    },
    /// Check the rules of the tree: layers, purity, budgets, tasks, wording, links.
    Tidy,
    /// Make the Rust messages of kafka-wire from the schemas in the kafka-clients jar (needs mvn and unzip).
    KafkaMessages {
        /// Change nothing; fail if the tree differs.
        #[arg(long)]
        check: bool,
    },
    /// Formatting, lints, tidy and all tests. Changes nothing.
    Verify,
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Test { cargo_args } => postgres::ensure_installed().and_then(|()| suite::test(&cargo_args)),
        Command::PowerCut { cycles, seed } => power_cut(cycles, seed),
        Command::Fuzz { args } => suite::run("fuzz", "fuzzing", &args),
        Command::Tidy => run_tidy(),
        Command::KafkaMessages { check } => {
            Workspace::load().and_then(|workspace| kafka_messages::run(&workspace.root, check))
        }
        Command::Verify => verify(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn power_cut(cycles: u32, seed: u32) -> Result<(), String> {
    let (cycles, seed) = (cycles.to_string(), seed.to_string());
    let test = ["test", "--quiet", "--package", "commit-log", "--test", "power_cut", "--"];
    let args = ["--required", "--cycles", &cycles, "--seed", &seed];
    suite::cargo(&[&test[..], &args].concat())
}

fn run_tidy() -> Result<(), String> {
    let workspace = Workspace::load()?;
    let findings = tidy::check(&workspace);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("{} findings", findings.len())) }
}

fn verify() -> Result<(), String> {
    suite::cargo(&["fmt", "--all", "--check"])?;
    suite::cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    run_tidy()?;
    postgres::ensure_installed()?;
    suite::test(&[])
}
