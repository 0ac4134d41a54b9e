//! Named tasks, each with an owner and an end. This is the only place of the workspace that starts any.
//!
//! A task is started with a [`TaskKind`], which says three things: at which step of the shutdown it is told to
//! stop, whether it is asked or dropped, and what its failure means for the process. A critical task that fails,
//! panics, or ends without having been asked shuts the process down with a failure: half a server that looks
//! alive is worse than none.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::shutdown::{Shutdown, ShutdownReason};

/// How long tasks may take to end after their step was cut short, before they are left behind.
const ABORT_GRACE: Duration = Duration::from_millis(200);

/// What a task is for, and with it how it ends and what its failure means.
///
/// | kind | at shutdown | failure |
/// |---|---|---|
/// | `Background` | dropped at its next `await`, first of all | logged |
/// | `Listener` | asked, step 1 | process ends |
/// | `Connection` | asked, step 1 | logged |
/// | `Request` | step 1: runs to its end | logged |
/// | `Coordinator` | asked, step 2 | process ends |
/// | `Replication` | asked, step 3 | process ends |
/// | `LogFlush` | asked, step 4 | process ends |
/// | `Raft` | asked, step 5 | process ends |
/// | `Storage` | asked, step 6 | process ends |
/// | `Observer` | dropped at its next `await`, last of all | logged |
///
/// A step begins when all tasks of the one before have ended, so that whatever a task needs outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// Convenience work that nobody waits for: pushes, prefetches.
    Background,
    /// Accepts connections.
    Listener,
    /// Serves one connection.
    Connection,
    /// Finishes work on behalf of a request whose caller may have gone.
    Request,
    /// Decides and reconciles: liveness of brokers, a broker's registration and heartbeats.
    Coordinator,
    /// Moves records between replicas.
    Replication,
    /// Makes records durable.
    LogFlush,
    /// Takes part in the quorum.
    Raft,
    /// Owns a database or a file.
    Storage,
    /// Watches the process itself: signals, figures.
    Observer,
}

/// The steps of a shutdown, in order.
const STEPS: [(Step, &str); 8] = [
    (Step::Background, "background"),
    (Step::Listeners, "listeners"),
    (Step::Coordinators, "coordinators"),
    (Step::Replication, "replication"),
    (Step::LogFlush, "log flush"),
    (Step::Raft, "raft"),
    (Step::Storage, "storage"),
    (Step::Observers, "observers"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Background,
    Listeners,
    Coordinators,
    Replication,
    LogFlush,
    Raft,
    Storage,
    Observers,
}

impl TaskKind {
    fn step(self) -> Step {
        match self {
            Self::Background => Step::Background,
            Self::Listener | Self::Connection | Self::Request => Step::Listeners,
            Self::Coordinator => Step::Coordinators,
            Self::Replication => Step::Replication,
            Self::LogFlush => Step::LogFlush,
            Self::Raft => Step::Raft,
            Self::Storage => Step::Storage,
            Self::Observer => Step::Observers,
        }
    }

    /// Whether the process cannot go on without it.
    fn is_critical(self) -> bool {
        match self {
            Self::Background | Self::Connection | Self::Request | Self::Observer => false,
            Self::Listener
            | Self::Coordinator
            | Self::Replication
            | Self::LogFlush
            | Self::Raft
            | Self::Storage => true,
        }
    }
}

/// What a task may end with: nothing, or a result whose error says what went wrong.
pub trait TaskOutput: Send + 'static {
    /// The failure, if it is one, with its causes.
    fn failure(self) -> Option<String>;
}

impl TaskOutput for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: fmt::Display + Send + 'static> TaskOutput for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// Tells a task that it is time to end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(CancellationToken);

impl Stop {
    /// One that never tells, for tests and tools.
    pub fn never() -> Self {
        Self(CancellationToken::new())
    }

    /// Whether it is time.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is time. Cancel safe.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// Runs `work` until it is done or it is time to stop, whichever is first; `None`: it was dropped.
    pub async fn or<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.run_until_cancelled(work).await
    }
}

/// A started task. Dropping the handle leaves the task running.
#[derive(Debug)]
pub struct TaskHandle {
    cut: CancellationToken,
    ended: CancellationToken,
}

impl TaskHandle {
    /// Drops the task at its next `await`. This is no failure, whatever its kind.
    pub fn abort(&self) {
        self.cut.cancel();
    }

    /// Whether it has ended, in whatever way.
    pub fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// All tasks of a process (or of a test). Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shutdown: Shutdown,
    steps: [StepState; STEPS.len()],
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct StepState {
    /// Asks the step's tasks to end.
    stop: CancellationToken,
    /// Drops what did not end in time. A task's own `cut` is its child.
    cut: CancellationToken,
    tracker: TaskTracker,
    /// Names of the running tasks by number, to name those that do not end.
    running: Mutex<BTreeMap<u64, &'static str>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        let inner =
            Inner { shutdown: Shutdown::new(), steps: Default::default(), next_id: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// How the process is asked to stop.
    pub fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    /// What tells the tasks of `kind` to stop.
    pub fn stop(&self, kind: TaskKind) -> Stop {
        Stop(self.step(kind).stop.clone())
    }

    /// Starts a task. `make` gets the [`Stop`] that tells it to end. The name appears in logs; it is dotted, from
    /// the general to the particular: `raft.heartbeat`.
    pub fn spawn<M, F>(&self, kind: TaskKind, name: &'static str, make: M) -> TaskHandle
    where
        M: FnOnce(Stop) -> F,
        F: Future<Output: TaskOutput> + Send + 'static,
    {
        let future = make(self.stop(kind));
        let (running, handle) = self.enter(kind, name);
        let cut = handle.cut.clone();
        let work = async move {
            let result = cut.run_until_cancelled(AssertUnwindSafe(future).catch_unwind()).await;
            running.end(result.map(|result| result.map(TaskOutput::failure)));
        };
        self.step(kind).tracker.spawn(work);
        handle
    }

    /// Starts blocking work on a thread of its own. It must look at its [`Stop`] now and then: a thread
    /// cannot be dropped, and at the end of the grace period it is left behind.
    pub fn spawn_blocking<M, O>(&self, kind: TaskKind, name: &'static str, work: M) -> TaskHandle
    where
        M: FnOnce(Stop) -> O + Send + 'static,
        O: TaskOutput,
    {
        let stop = self.stop(kind);
        let (running, handle) = self.enter(kind, name);
        self.step(kind).tracker.spawn_blocking(move || {
            let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(stop)));
            running.end(Some(result.map(TaskOutput::failure)));
        });
        handle
    }

    /// Waits until the shutdown is requested, then [drains](Self::drain) the tasks within `grace`.
    ///
    /// # Errors
    /// If the reason for the shutdown was a failure: the process must exit with a non-zero code.
    pub async fn supervise(&self, grace: Duration) -> Result<(), ProcessFailed> {
        let reason = self.inner.shutdown.requested().await.clone();
        if reason.is_failure() {
            tracing::error!(event = "shutdown.begin", reason = %reason, "shutting down after a failure");
        } else {
            tracing::info!(event = "shutdown.begin", reason = %reason, "shutting down");
        }
        let begun = Instant::now();
        let left = self.drain(grace).await;
        let duration_ms = crate::clock::as_ms(begun.elapsed());
        tracing::info!(event = "shutdown.end", duration_ms, tasks_cut = left.len(), "all tasks have ended");
        match reason {
            ShutdownReason::TaskFailed { task, detail } => Err(ProcessFailed { task, detail }),
            ShutdownReason::Signal(_) | ShutdownReason::Requested(_) => Ok(()),
        }
    }

    /// Ends all tasks, step by step in the order of [`TaskKind`], within `grace` altogether. Returns the names of
    /// those that had to be cut short, in the order they were started.
    pub async fn drain(&self, grace: Duration) -> Vec<&'static str> {
        let deadline = Instant::now() + grace;
        let mut cut_short = Vec::new();
        for (state, (step, step_name)) in self.inner.steps.iter().zip(STEPS) {
            state.stop.cancel();
            if matches!(step, Step::Background | Step::Observers) {
                state.cut.cancel();
            }
            state.tracker.close();
            if tokio::time::timeout_at(deadline, state.tracker.wait()).await.is_ok() {
                continue;
            }
            let names = state.names();
            tracing::warn!(
                event = "shutdown.cut", step = step_name, tasks = ?names,
                "tasks did not end within the grace period and are dropped"
            );
            state.cut.cancel();
            // Dropping takes effect at the next `await`; blocking threads do not notice at all.
            if tokio::time::timeout(ABORT_GRACE, state.tracker.wait()).await.is_err() {
                tracing::warn!(event = "shutdown.left", tasks = ?state.names(), "tasks are left behind");
            }
            cut_short.extend(names);
        }
        cut_short
    }

    /// Names of the tasks that run now, by step and start.
    pub fn running(&self) -> Vec<&'static str> {
        self.inner.steps.iter().flat_map(StepState::names).collect()
    }

    fn step(&self, kind: TaskKind) -> &StepState {
        let [background, listeners, coordinators, replication, log_flush, raft, storage, observers] =
            &self.inner.steps;
        match kind.step() {
            Step::Background => background,
            Step::Listeners => listeners,
            Step::Coordinators => coordinators,
            Step::Replication => replication,
            Step::LogFlush => log_flush,
            Step::Raft => raft,
            Step::Storage => storage,
            Step::Observers => observers,
        }
    }

    /// Books a task in.
    fn enter(&self, kind: TaskKind, name: &'static str) -> (Running, TaskHandle) {
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        let step = self.step(kind);
        step.lock().insert(id, name);
        let handle = TaskHandle { cut: step.cut.child_token(), ended: CancellationToken::new() };
        let ended = handle.ended.clone();
        (Running { tasks: self.clone(), kind, name, id, ended }, handle)
    }
}

impl StepState {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, &'static str>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> Vec<&'static str> {
        self.lock().values().copied().collect()
    }
}

/// A task that is booked in. Dropping it books it out, also when the runtime drops the task unfinished.
#[derive(Debug)]
struct Running {
    tasks: Tasks,
    kind: TaskKind,
    name: &'static str,
    id: u64,
    ended: CancellationToken,
}

type Panic = Box<dyn std::any::Any + Send>;

impl Running {
    /// Judges how the task ended: `None` if it was dropped, else its failure or its panic.
    fn end(self, result: Option<Result<Option<String>, Panic>>) {
        let asked = self.tasks.step(self.kind).stop.is_cancelled();
        let detail = match result {
            None => return,
            Some(Ok(None)) if asked || !self.kind.is_critical() => return,
            Some(Ok(None)) => "ended without having been asked to".to_owned(),
            Some(Ok(Some(failure))) => format!("failed: {failure}"),
            Some(Err(panic)) => format!("panicked: {}", panic_message(panic.as_ref())),
        };
        let task = self.name;
        if self.kind.is_critical() {
            tracing::error!(event = "task.failed", task, critical = true, "task `{task}` {detail}");
            self.tasks.shutdown().request(ShutdownReason::TaskFailed { task, detail });
        } else {
            tracing::warn!(event = "task.failed", task, critical = false, "task `{task}` {detail}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.step(self.kind).lock().remove(&self.id);
        self.ended.cancel();
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

/// A process that stopped because a critical task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFailed {
    /// The task's name.
    pub task: &'static str,
    /// What happened to it.
    pub detail: String,
}

impl fmt::Display for ProcessFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task `{}` {}", self.task, self.detail)
    }
}

impl Error for ProcessFailed {}

#[cfg(test)]
mod tests;
