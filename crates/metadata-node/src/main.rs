//! The thin binary of one metadata node; `dmq metadata-node` is the same.

use std::process::ExitCode;

use clap::Parser;
use metadata_node::Options;
use runtime::telemetry::{self, LogOptions};

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
    if let Err(error) = telemetry::init(&arguments.log) {
        eprintln!("metadata-node: {error}");
        return ExitCode::from(2);
    }
    let ended = runtime::executor::block_on(WORKER_THREADS, metadata_node::run(arguments.node));
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("metadata-node: {error}");
            ExitCode::from(error.exit_code())
        }
        Err(error) => {
            eprintln!("metadata-node: cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
