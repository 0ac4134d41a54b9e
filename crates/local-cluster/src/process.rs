//! One process of a cluster.

use std::{
    ffi::OsString,
    fmt,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
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
use tokio::process::{Child, ChildStderr, Command};

use crate::launch::OutputLine;

/// The longest piece of output that counts as one line.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Variables that mean one process: inherited, they would mean every process of the cluster.
const ONE_PROCESS_VARS: [&str; 8] = [
    "DMQ_NODE_ID",
    "DMQ_BROKER_ID",
    "DMQ_SERVICES",
    "DMQ_HOST",
    "DMQ_PORT",
    "DMQ_KAFKA_PORT",
    "DMQ_DATABASE",
    "DMQ_DATA_DIR",
];

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// A metadata node.
    Metadata,
    /// A broker.
    Broker,
}

impl fmt::Display for Role {
    /// The first part of its processes' names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata",
            Self::Broker => "broker",
        })
    }
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
    echo: Option<tokio::sync::mpsc::Sender<OutputLine>>,
    child: Option<Child>,
}

impl Process {
    /// A process that is not started yet.
    pub fn new(member: Member, program: PathBuf, args: Vec<OsString>) -> Self {
        Self { member, program, args, environment: Vec::new(), echo: None, child: None }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sends each line that it writes to `echo`, besides its log.
    #[must_use]
    pub fn echo(mut self, echo: tokio::sync::mpsc::Sender<OutputLine>) -> Self {
        self.echo = Some(echo);
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
        let log = self.open_log().map_err(|source| self.start_error(source))?;
        let command = self.command(&log).map_err(|source| self.start_error(source))?;
        let mut child = spawn_on_lasting_thread(command).await.map_err(|source| self.start_error(source))?;
        if let (Some(echo), Some(output)) = (self.echo.clone(), child.stderr.take()) {
            copy_output(output, log, self.member.name.clone(), echo)
                .map_err(|source| self.start_error(source))?;
        }
        let pid = child.id().unwrap_or_default();
        self.child = Some(child);
        Ok(pid)
    }

    fn open_log(&self) -> io::Result<File> {
        if let Some(directory) = self.member.log.parent() {
            std::fs::create_dir_all(directory)?;
        }
        OpenOptions::new().create(true).append(true).open(&self.member.log)
    }

    fn command(&self, log: &File) -> io::Result<Command> {
        let stderr = if self.echo.is_some() { Stdio::piped() } else { Stdio::from(log.try_clone()?) };
        let mut command = Command::new(&self.program);
        for name in ONE_PROCESS_VARS {
            command.env_remove(name);
        }
        command
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(PARENT_PID_VAR, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(stderr)
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

/// Copies what a process writes to its log and to `echo`, until it ends. On a thread of its own: the process must
/// not stand still because this one is busy.
fn copy_output(
    output: ChildStderr,
    mut log: File,
    name: String,
    echo: tokio::sync::mpsc::Sender<OutputLine>,
) -> io::Result<()> {
    let mut output = BufReader::new(File::from(output.into_owned_fd()?));
    std::thread::Builder::new().name(format!("log-{name}")).spawn(move || {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = io::Read::take(&mut output, LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return;
            }
            // A log that cannot be written (a full disk) must not end the process whose log it is.
            let _ = log.write_all(&line);
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            // Nobody looks any more: the log goes on.
            let _ = echo.blocking_send(OutputLine { name: name.clone(), line });
        }
    })?;
    Ok(())
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
