//! `dmq log`: the files of partitions, looked at without a broker and without changing a byte.
//!
//! Works on the directory of one partition and on the data directory of a broker, which holds many.

mod dirs;
mod inspect;
mod records;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{exit::Failure, output::Format};

/// What to do with the files.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show segments, batches, indexes, and what the log knows of producers, epochs and transactions
    Inspect(InspectArgs),
    /// Read every byte and say what is damaged; exit code 6 if anything is
    Verify {
        /// A partition's directory, or a broker's data directory
        dir: PathBuf,
    },
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A partition's directory, or a broker's data directory
    dir: PathBuf,
    /// Show batches from the one that holds this offset on [default: the first]
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(i64).range(0..))]
    offset: i64,
    /// How many batches to show [default: 20 of a partition, none of a data directory]
    #[arg(long, value_name = "BATCHES")]
    limit: Option<usize>,
    /// Show the records of the batches too
    #[arg(long)]
    records: bool,
}

impl LogCommand {
    /// Runs it. Only files are read, so no runtime is needed.
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        match self {
            Self::Inspect(args) => inspect::run(&args, format),
            Self::Verify { dir } => verify::run(&dir, format),
        }
    }
}
