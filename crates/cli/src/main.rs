//! `dmq`: the one binary of DistributedMQ. Data on stdout, talk on stderr; exit codes: see [`exit`].

mod args;
mod commands;
mod connection;
mod drill;
mod exit;
mod kafka;
mod output;
mod services;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    runtime::parent::die_with_parent();
    args::CommandLine::parse().run()
}
