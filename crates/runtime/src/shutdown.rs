//! The end of a process: who asked for it, and why.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::tasks::{TaskKind, Tasks};

/// Why a process stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShutdownReason {
    /// A signal asked for it.
    Signal(&'static str),
    /// A task that the process cannot do without failed, panicked, or ended on its own.
    TaskFailed {
        /// The task's name.
        task: &'static str,
        /// What happened to it.
        detail: String,
    },
    /// The process decided so itself, for a reason that is no failure.
    Requested(String),
}

impl ShutdownReason {
    /// Whether the process must end with a non-zero exit code.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::TaskFailed { .. })
    }
}

impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => f.write_str(name),
            Self::TaskFailed { task, detail } => write!(f, "task `{task}` {detail}"),
            Self::Requested(why) => f.write_str(why),
        }
    }
}

/// Asks a process to stop, and tells whether it was asked. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    /// Set before `token` is cancelled, and never changed: the first reason is the one that counts.
    reason: Arc<OnceLock<ShutdownReason>>,
}

impl Shutdown {
    /// Not asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks. Returns whether this was the first time; a later reason is ignored.
    pub fn request(&self, reason: ShutdownReason) -> bool {
        let first = self.reason.set(reason).is_ok();
        self.token.cancel();
        first
    }

    /// Whether it was asked.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why, once it was asked.
    pub fn reason(&self) -> Option<&ShutdownReason> {
        self.reason.get()
    }

    /// Waits until it is asked, and says why.
    pub async fn requested(&self) -> &ShutdownReason {
        self.token.cancelled().await;
        self.reason.get().expect("`request` sets the reason before it cancels the token")
    }
}

/// The signals that end a process in good order.
const SIGNALS: [(&str, SignalKind, i32); 2] =
    [("SIGINT", SignalKind::interrupt(), 2), ("SIGTERM", SignalKind::terminate(), 15)];

/// Signals that follow the first one this closely are the same wish: a shell, a supervisor and `timeout` may each
/// pass on what the user sent once.
const SAME_WISH: Duration = Duration::from_millis(250);

/// Watches SIGINT and SIGTERM: the first one requests the shutdown of `tasks`, the second ends the process at
/// once with exit code 128 + its number, as a shell would report it. Call once per process.
///
/// # Errors
/// If the system does not let signal handlers be installed.
pub fn watch_signals(tasks: &Tasks) -> std::io::Result<()> {
    let [(_, interrupt, _), (_, terminate, _)] = SIGNALS;
    let mut signals = Signals { interrupt: signal(interrupt)?, terminate: signal(terminate)? };
    let shutdown = tasks.shutdown().clone();
    tasks.spawn(TaskKind::Observer, "signals", move |_stop| async move {
        let (name, _) = signals.next().await;
        shutdown.request(ShutdownReason::Signal(name));
        let first = Instant::now();
        loop {
            let (name, number) = signals.next().await;
            if first.elapsed() >= SAME_WISH {
                return stop_now(name, number);
            }
        }
    });
    Ok(())
}

fn stop_now(signal: &'static str, number: i32) {
    tracing::warn!(event = "shutdown.forced", signal, "second signal: stopping now");
    std::process::exit(128 + number);
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// The next signal's name and number.
    async fn next(&mut self) -> (&'static str, i32) {
        let [(interrupt, _, interrupt_number), (terminate, _, terminate_number)] = SIGNALS;
        tokio::select! {
            _ = self.interrupt.recv() => (interrupt, interrupt_number),
            _ = self.terminate.recv() => (terminate, terminate_number),
        }
    }
}
