//! The tokio runtime of a process.

use std::future::Future;

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
