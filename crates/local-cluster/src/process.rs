//! One process of a cluster.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use runtime::parent::PARENT_PID_VAR;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::process::{Child, Command};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// A metadata node.
    Metadata,
    /// A broker.
    Broker,
}

/// A member of a cluster, whether its process runs or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// `metadata-1`, `broker-101`.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its node or broker id.
    pub id: u64,
    /// Base URL of its REST API.
    pub url: String,
    /// The file that its output goes to.
    pub log: PathBuf,
    /// Its process, if it runs.
    pub pid: Option<u32>,
}

/// Why something could not be done to a process.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The program cannot be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// Which process.
        name: String,
        /// The system's words.
        source: io::Error,
    },
    /// It runs already.
    #[error("{name} runs already (pid {pid})")]
    Running {
        /// Which process.
        name: String,
        /// As what.
        pid: u32,
    },
    /// It does not run.
    #[error("{name} does not run")]
    NotRunning {
        /// Which process.
        name: String,
    },
    /// A signal or a wait failed.
    #[error("{name}: {source}")]
    System {
        /// Which process.
        name: String,
        /// The system's words.
        source: io::Error,
    },
    /// It did not end after SIGTERM.
    #[error("{name} still runs {seconds} s after SIGTERM; its log is {log}", seconds = .after.as_secs())]
    DoesNotStop {
        /// Which process.
        name: String,
        /// How long it had.
        after: Duration,
        /// Where to look.
        log: String,
    },
}

/// A process: how to start it, and the running child if there is one. It dies with this process, however that ends.
#[derive(Debug)]
pub struct Process {
    member: Member,
    program: PathBuf,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    child: Option<Child>,
}

impl Process {
    /// A process that is not started yet.
    pub fn new(member: Member, program: PathBuf, args: Vec<OsString>) -> Self {
        Self { member, program, args, environment: Vec::new(), child: None }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds an argument, from its next start on.
    pub fn add_arg(&mut self, arg: impl Into<OsString>) {
        self.args.push(arg.into());
    }

    /// What it is, with the pid it has now.
    pub fn member(&self) -> Member {
        Member { pid: self.pid(), ..self.member.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.member.name
    }

    /// Its pid while it runs. A process that has ended keeps its pid until [`Process::exited`] was told.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Starts it; its output is appended to its log.
    ///
    /// # Errors
    /// If it runs already, or the program or the log cannot be opened.
    pub async fn start(&mut self) -> Result<u32, ProcessError> {
        if let Some(pid) = self.pid() {
            return Err(ProcessError::Running { name: self.member.name.clone(), pid });
        }
        let command = self.command().map_err(|source| self.start_error(source))?;
        let child = spawn_on_lasting_thread(command).await.map_err(|source| self.start_error(source))?;
        let pid = child.id().unwrap_or_default();
        self.child = Some(child);
        Ok(pid)
    }

    fn command(&self) -> io::Result<Command> {
        if let Some(directory) = self.member.log.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.member.log)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(PARENT_PID_VAR, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A terminal's Ctrl-C goes to the foreground group: the parent decides what it means for the child.
            .process_group(0)
            .kill_on_drop(true);
        Ok(command)
    }

    fn start_error(&self, source: io::Error) -> ProcessError {
        let source = io::Error::new(source.kind(), format!("{}: {source}", self.program.display()));
        ProcessError::Start { name: self.member.name.clone(), source }
    }

    /// SIGKILL; returns when the process is gone.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn kill(&mut self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::SIGKILL)?;
        self.exited().await
    }

    /// SIGTERM; returns when the process is gone.
    ///
    /// # Errors
    /// If it does not run, or still runs after `patience`. It is left running then.
    pub async fn terminate(&mut self, patience: Duration) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::SIGTERM)?;
        match tokio::time::timeout(patience, self.exited()).await {
            Ok(exited) => exited,
            Err(_) => Err(ProcessError::DoesNotStop {
                name: self.member.name.clone(),
                after: patience,
                log: self.member.log.display().to_string(),
            }),
        }
    }

    /// SIGSTOP: it keeps its sockets and does nothing.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> Result<(), ProcessError> {
        self.signal(Signal::SIGSTOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> Result<(), ProcessError> {
        self.signal(Signal::SIGCONT)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let not_running = || ProcessError::NotRunning { name: self.member.name.clone() };
        // A child that was not waited for keeps its pid, so this never hits a stranger.
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).ok_or_else(not_running)?;
        kill(Pid::from_raw(pid), signal)
            .map_err(|errno| ProcessError::System { name: self.member.name.clone(), source: errno.into() })
    }

    /// Waits until it has ended. Cancel-safe.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn exited(&mut self) -> Result<ExitStatus, ProcessError> {
        let name = || self.member.name.clone();
        let Some(child) = self.child.as_mut() else { return Err(ProcessError::NotRunning { name: name() }) };
        let status = child.wait().await.map_err(|source| ProcessError::System { name: name(), source })?;
        self.child = None;
        Ok(status)
    }

    /// How it ended, if it has ended since it was started and nobody asked yet.
    pub fn has_exited(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(status)
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = std::fs::read(&self.member.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }
}

/// An exit status in words: `exit code 3`, `SIGKILL`.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(Ok(signal))) => signal.to_string(),
        _ => status.to_string(),
    }
}

type SpawnJob = Box<dyn FnOnce() + Send>;

/// Starts a child from a thread that lives as long as this process: the kernel takes the thread that forked for the
/// parent whose death ends the child, and tokio's threads come and go.
async fn spawn_on_lasting_thread(mut command: Command) -> io::Result<Child> {
    static JOBS: OnceLock<mpsc::SyncSender<SpawnJob>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (sender, receiver) = mpsc::sync_channel::<SpawnJob>(16);
        let thread = std::thread::Builder::new().name("spawner".to_owned());
        // Without the thread the channel is closed, and every start fails with the error below.
        let _ = thread.spawn(move || receiver.into_iter().for_each(|job| job()));
        sender
    });
    let (done, child) = tokio::sync::oneshot::channel();
    let handle = tokio::runtime::Handle::current();
    let job: SpawnJob = Box::new(move || {
        let _context = handle.enter();
        // Nobody waits any more: dropping the child kills it.
        let _ = done.send(command.spawn());
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    jobs.send(job).map_err(|_| gone())?;
    child.await.map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(directory: &std::path::Path) -> Process {
        let member = Member {
            name: "sleeper".into(),
            role: Role::Broker,
            id: 1,
            url: String::new(),
            log: directory.join("logs/sleeper.log"),
            pid: None,
        };
        Process::new(member, "sh".into(), vec!["-c".into(), "echo up; exec sleep 1000".into()])
    }

    #[tokio::test]
    async fn a_process_is_killed_and_started_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = sleeper(directory.path());
        let first = process.start().await.unwrap();
        assert!(matches!(process.start().await, Err(ProcessError::Running { .. })));
        assert_eq!(describe(process.kill().await.unwrap()), "SIGKILL");
        assert!(matches!(process.pause(), Err(ProcessError::NotRunning { .. })));
        let second = process.start().await.unwrap();
        assert_ne!(first, second);
        process.pause().unwrap();
        process.resume().unwrap();
        let status = process.terminate(Duration::from_secs(10)).await.unwrap();
        assert_eq!(describe(status), "SIGTERM");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = sleeper(directory.path());
        process.program = "/no/such/program".into();
        let message = process.start().await.unwrap_err().to_string();
        assert!(message.contains("sleeper") && message.contains("/no/such/program"), "{message}");
    }
}
