//! The thin binary of one broker; `dmq broker` is the same.

use std::process::ExitCode;

use broker::{Options, StartError};
use clap::Parser;
use runtime::telemetry::LogOptions;

/// Threads that do the broker's asynchronous work.
const WORKER_THREADS: usize = 2;

/// One broker of a DistributedMQ cluster.
#[derive(Debug, Parser)]
#[command(name = "broker", version)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    log: LogOptions,
}

fn main() -> ExitCode {
    runtime::parent::die_with_parent();
    let CommandLine { options, log } = CommandLine::parse();
    runtime::executor::run_server(&log, WORKER_THREADS, broker::run(options), StartError::exit_code)
}
