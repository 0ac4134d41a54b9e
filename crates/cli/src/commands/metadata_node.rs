//! `dmq metadata-node`: runs one metadata node in this process.

use std::process::ExitCode;

use clap::Args;
use metadata_node::{Options, StartError};
use runtime::telemetry::LogOptions;

/// Threads that do the node's asynchronous work; its databases have threads of their own.
const WORKER_THREADS: usize = 2;

/// Runs one metadata node.
#[derive(Debug, Args)]
pub(crate) struct MetadataNodeCommand {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    log: LogOptions,
}

impl MetadataNodeCommand {
    /// Runs the node to its end.
    pub(crate) fn run(self) -> ExitCode {
        let server = metadata_node::run(self.options);
        runtime::executor::run_server(&self.log, WORKER_THREADS, server, StartError::exit_code)
    }
}
