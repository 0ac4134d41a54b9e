//! The thin binary of one metadata node; `dmq metadata-node` is the same.

use std::process::ExitCode;

use clap::Parser;
use metadata_node::{Options, StartError};
use runtime::telemetry::LogOptions;

/// One metadata node of a DistributedMQ cluster.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    node: Options,
    #[command(flatten)]
    log: LogOptions,
}

/// A node shares its machine: two threads carry its load with room to spare.
const WORKER_THREADS: usize = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let node = metadata_node::run(arguments.node);
    runtime::executor::run_server(&arguments.log, WORKER_THREADS, node, StartError::exit_code)
}
