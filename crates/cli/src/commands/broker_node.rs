//! `dmq broker --id ...`: runs one broker in this process.

use std::process::ExitCode;

use broker::{Options, StartError};
use runtime::telemetry::LogOptions;

/// Threads that do the broker's asynchronous work.
const WORKER_THREADS: usize = 2;

/// Runs the broker to its end.
pub(crate) fn run(options: Options, log: &LogOptions) -> ExitCode {
    runtime::executor::run_server(log, WORKER_THREADS, broker::run(options), StartError::exit_code)
}
