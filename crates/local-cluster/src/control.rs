//! How another process hurts a cluster that `dmq up` runs.
//!
//! `dmq up` writes a state file (`cluster.json`: who runs where, under which pid) and serves a Unix socket next to it.
//! Signals are sent by whoever wants to send one; only starting a process again is asked of `dmq up`, whose child it
//! is. The protocol is a line each way: `start metadata-1` -> `ok 4711` or `error <why>`.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{LocalCluster, Member};

/// Name of the state file in the cluster's directory.
pub const STATE_FILE: &str = "cluster.json";

/// Name of the socket in the cluster's directory.
const SOCKET: &str = "cluster.sock";

/// Name of the file whose lock says that a `dmq up` runs here.
const LOCK: &str = "cluster.lock";

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 4096;

/// What another process needs to know of a running cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterState {
    /// The process that runs it.
    pub pid: u32,
    /// Its members.
    pub members: Vec<Member>,
}

/// Why a running cluster could not be controlled.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No state file, or nobody behind it.
    #[error(
        "no running cluster found: {path}: {source}. Start one with `dmq up`, name the --data-dir that it was given, or use --ephemeral"
    )]
    NotRunning {
        /// The file or socket looked for.
        path: String,
        /// The system's words.
        source: io::Error,
    },
    /// The socket or the state file failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// The system's words.
        source: io::Error,
    },
    /// `dmq up` refused.
    #[error("dmq up: {0}")]
    Refused(String),
    /// No such process, or it does not run.
    #[error("no running process `{0}` in this cluster")]
    NoProcess(String),
}

/// The side of `dmq up`.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    socket: PathBuf,
    state_file: PathBuf,
    /// Locked for as long as this lives, so that one directory has one `dmq up`.
    _lock: File,
}

/// A request to start a process, waiting for its answer.
#[derive(Debug)]
pub struct StartRequest {
    /// Which process.
    pub name: String,
    stream: UnixStream,
}

impl ControlServer {
    /// Serves the socket in `directory`; one that a former run left behind is replaced.
    ///
    /// # Errors
    /// If another process does so already ([`io::ErrorKind::AddrInUse`]), or the socket cannot be made.
    pub fn bind(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let lock = File::create(directory.join(LOCK))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            let pid = Controller { directory: directory.to_owned() }.state().map(|state| state.pid);
            let who = pid.map_or_else(|_| String::new(), |pid| format!(" (pid {pid})"));
            let message = format!("another `dmq up`{who} runs the cluster in {}", directory.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        let socket = directory.join(SOCKET);
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(|error| match error.kind() {
            // The system has some hundred bytes for it.
            io::ErrorKind::InvalidInput => {
                io::Error::new(error.kind(), "its path is too long for a socket; take another --data-dir")
            }
            _ => error,
        })?;
        Ok(Self { listener, socket, state_file: directory.join(STATE_FILE), _lock: lock })
    }

    /// Writes the state file. To be called whenever a process was started or has ended.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn publish(&self, cluster: &LocalCluster) -> io::Result<()> {
        let state = ClusterState { pid: std::process::id(), members: cluster.members() };
        let new = self.state_file.with_extension("json.new");
        std::fs::write(&new, serde_json::to_vec_pretty(&state)?)?;
        std::fs::rename(new, &self.state_file)
    }

    /// The next request. Requests that cannot be read are dropped.
    ///
    /// # Errors
    /// If the socket fails.
    pub async fn next(&self) -> io::Result<StartRequest> {
        loop {
            let (mut stream, _) = self.listener.accept().await?;
            let mut line = String::new();
            let mut reader = BufReader::new((&mut stream).take(LINE_BYTES_MAX));
            if reader.read_line(&mut line).await.is_ok()
                && let Some(name) = line.trim().strip_prefix("start ")
            {
                return Ok(StartRequest { name: name.to_owned(), stream });
            }
        }
    }
}

impl StartRequest {
    /// Answers with the pid or the reason. The asker may be gone.
    pub async fn answer(mut self, result: Result<u32, String>) {
        let line = match result {
            Ok(pid) => format!("ok {pid}\n"),
            Err(why) => format!("error {}\n", why.replace('\n', " ")),
        };
        let _ = self.stream.write_all(line.as_bytes()).await;
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // What stays behind is replaced by the next run.
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_file(&self.state_file);
    }
}

/// The side of whoever hurts the cluster.
#[derive(Debug, Clone)]
pub struct Controller {
    directory: PathBuf,
}

impl Controller {
    /// The cluster that runs in `directory`.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, ControlError> {
        let controller = Self { directory: directory.into() };
        controller.state()?;
        // A `dmq up` that was killed leaves its state file behind, with pids that others may have by now.
        let socket = controller.directory.join(SOCKET);
        std::os::unix::net::UnixStream::connect(&socket)
            .map_err(|source| ControlError::NotRunning { path: socket.display().to_string(), source })?;
        Ok(controller)
    }

    /// Who runs where, now.
    ///
    /// # Errors
    /// If the cluster runs no more.
    pub fn state(&self) -> Result<ClusterState, ControlError> {
        let path = self.directory.join(STATE_FILE);
        let shown = path.display().to_string();
        let text = std::fs::read(&path)
            .map_err(|source| ControlError::NotRunning { path: shown.clone(), source })?;
        serde_json::from_slice(&text).map_err(|error| ControlError::Io { path: shown, source: error.into() })
    }

    /// Sends a signal to a process. Does not wait for what comes of it.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<(), ControlError> {
        let no_process = || ControlError::NoProcess(name.to_owned());
        let members = self.state()?.members;
        let member = members.into_iter().find(|member| member.name == name).ok_or_else(no_process)?;
        let pid = member.pid.and_then(|pid| i32::try_from(pid).ok()).ok_or_else(no_process)?;
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) => Ok(()),
            Err(Errno::ESRCH) => Err(no_process()),
            Err(errno) => Err(ControlError::Io { path: name.to_owned(), source: errno.into() }),
        }
    }

    /// Has a process started that does not run. Returns its pid.
    ///
    /// # Errors
    /// If `dmq up` does not answer or refuses.
    pub async fn start(&self, name: &str) -> Result<u32, ControlError> {
        let path = self.directory.join(SOCKET);
        let fail = |source| ControlError::Io { path: path.display().to_string(), source };
        let mut stream = UnixStream::connect(&path).await.map_err(fail)?;
        stream.write_all(format!("start {name}\n").as_bytes()).await.map_err(fail)?;
        let mut answer = String::new();
        stream.take(LINE_BYTES_MAX).read_to_string(&mut answer).await.map_err(fail)?;
        let answer = answer.trim();
        match answer.strip_prefix("ok ").and_then(|pid| pid.parse().ok()) {
            Some(pid) => Ok(pid),
            None => Err(ControlError::Refused(answer.trim_start_matches("error ").to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_killed_run_leaves_behind_is_no_running_cluster() {
        let directory = tempfile::tempdir().unwrap();
        let state = ClusterState { pid: 1, members: Vec::new() };
        std::fs::write(directory.path().join(STATE_FILE), serde_json::to_vec(&state).unwrap()).unwrap();
        // The socket's file outlives its listener.
        drop(UnixListener::bind(directory.path().join(SOCKET)).unwrap());
        let error = Controller::open(directory.path()).unwrap_err();
        assert!(matches!(error, ControlError::NotRunning { .. }), "{error}");
        let _server = ControlServer::bind(directory.path()).unwrap();
        Controller::open(directory.path()).unwrap();
    }
}
