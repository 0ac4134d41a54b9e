//! The tokio runtime of a process, and how a server's `main` looks.

use std::{fmt, future::Future, process::ExitCode};

use crate::telemetry::{self, LogOptions};

/// Exit code of a process that was started wrongly: flags, environment, files.
const EXIT_USAGE: u8 = 2;

/// Runs `main` to its end on a multi-thread runtime with `worker_threads` workers (`DMQ_WORKER_THREADS`
/// overrides it). Blocking work that is still running afterwards does not hold the process up.
///
/// # Errors
/// If the system grants no threads or no event queue.
pub fn block_on<F: Future>(worker_threads: usize, main: F) -> std::io::Result<F::Output> {
    let workers = std::env::var("DMQ_WORKER_THREADS").ok().and_then(|value| value.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.unwrap_or(worker_threads).clamp(1, 64))
        .thread_name("dmq-worker")
        .enable_all()
        .build()?;
    let output = runtime.block_on(main);
    runtime.shutdown_background();
    Ok(output)
}

/// All of a server's `main`: sets logging up, runs `server` to its end, and says on stderr and with the exit code
/// how that went. `exit_code` gives the code of an error.
pub fn run_server<F, E>(
    log: &LogOptions,
    worker_threads: usize,
    server: F,
    exit_code: impl Fn(&E) -> u8,
) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    if let Err(error) = telemetry::init(log) {
        eprintln!("error: {error}");
        return ExitCode::from(EXIT_USAGE);
    }
    match block_on(worker_threads, server) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            tracing::error!(event = "process.failed", "{error}");
            ExitCode::from(exit_code(&error))
        }
        Err(error) => {
            tracing::error!(event = "process.failed", "cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
