//! `dmq`: the one binary of DistributedMQ. Data on stdout, talk on stderr; exit codes: see [`exit`].

mod args;
mod commands;
mod connection;
mod drill;
mod exit;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use crate::output::say;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say!("dmq: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(args.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                say!("dmq: {failure}");
            }
            failure.exit.into()
        }
    }
}
