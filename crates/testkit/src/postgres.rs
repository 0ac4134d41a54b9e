//! A private Postgres server for tests: made with `initdb` in a temporary directory, stopped and removed when the
//! process that started it ends, in whatever way it ends.
//!
//! The binaries are those of the distribution's package. If they are missing the tests that need them fail with a
//! message that says what to install; they are never skipped.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};

/// Starts the server, waits until its standard input is closed (which happens when the test process ends, even by
/// SIGKILL), stops the server at once and removes its directory.
const GUARDIAN: &str = r#"
exec 3<&0
"$1/postgres" -D "$2/data" -k "$2" -p "$3" \
    -c listen_addresses=127.0.0.1 -c max_connections=200 -c shared_buffers=32MB -c logging_collector=off \
    </dev/null >>"$2/postgres.log" 2>&1 3<&- &
server=$!
trap '' INT TERM HUP
cat <&3 >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$2"
"#;

/// How long a server may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no Postgres to test with.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The package is not installed.
    #[error(
        "no Postgres found: looked for initdb, postgres and psql in $PG_BIN, in /usr/lib/postgresql/*/bin and on the \
         PATH; install it with `apt-get install postgresql`"
    )]
    NotInstalled,
    /// Postgres refuses to run as root, and there is no other user to run it as.
    #[error("tests run as root, and neither user `postgres` nor `nobody` exists to run Postgres as")]
    NoUser,
    /// A command failed.
    #[error("{command} failed: {output}")]
    Command {
        /// Which one.
        command: String,
        /// What it printed.
        output: String,
    },
    /// The server did not come up.
    #[error("Postgres did not become ready within {} s; its log: {log}", READY_TIMEOUT.as_secs())]
    NotReady {
        /// The end of its log.
        log: String,
    },
    /// Files or processes could not be made.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> PostgresError {
    move |error| PostgresError::Io { what: what.into(), error }
}

/// A running server with a superuser `postgres` that needs no password.
pub struct PostgresServer {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    guardian: Child,
    databases: AtomicU32,
}

impl PostgresServer {
    /// The server that all tests of this process share, started by the first that asks.
    ///
    /// # Panics
    /// If it cannot be started: a test without its database has failed.
    #[expect(clippy::panic, reason = "a test helper: a test without its database has failed")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a server of its own, for tests that stop it or change its settings.
    pub fn start() -> Result<Self, PostgresError> {
        let bin = find_binaries()?;
        let dir = tempfile::Builder::new()
            .prefix("dmq-pg-")
            .tempdir()
            .map_err(io_error("temporary directory"))?
            .keep();
        let user = server_user()?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).map_err(io_error("chmod"))?;
        if let Some(user) = &user {
            chown(&dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(io_error("chown"))?;
        }
        let mut initdb = Command::new(bin.join("initdb"));
        initdb
            .args(["--no-sync", "--no-instructions", "--auth=trust", "--username=postgres"])
            .args(["--encoding=UTF8", "--locale=C", "-D"])
            .arg(dir.join("data"));
        run(as_user(&mut initdb, user.as_ref()).current_dir(&dir))?;
        // A free port can be taken by somebody else before Postgres binds it: then it says so and ends.
        let mut attempts = 0;
        loop {
            attempts += 1;
            let server = Self::launch(&bin, &dir, user.as_ref())?;
            match server.wait_until_ready() {
                Ok(()) => return Ok(server),
                Err(PostgresError::NotReady { log })
                    if attempts < 5 && log.contains("Address already in use") =>
                {
                    server.abandon();
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn launch(bin: &Path, dir: &Path, user: Option<&User>) -> Result<Self, PostgresError> {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(io_error("no free port"))?
            .port();
        let guardian = spawn_guardian(bin, dir, port, user)?;
        Ok(Self { bin: bin.to_owned(), dir: dir.to_owned(), port, guardian, databases: AtomicU32::new(0) })
    }

    /// Leaves the directory to the next attempt.
    fn abandon(mut self) {
        // The guardian would remove the directory; it is ended before its input is closed.
        self.guardian.kill().ok();
        self.guardian.wait().ok();
        fs::remove_file(self.dir.join("postgres.log")).ok();
        std::mem::forget(self);
    }

    fn wait_until_ready(&self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let status = self.dir.join("data/postmaster.pid");
        loop {
            // The eighth line tells the state.
            let ready = fs::read_to_string(&status)
                .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"));
            if ready {
                return Ok(());
            }
            let log = self.log_tail();
            if log.contains("FATAL") || Instant::now() > deadline {
                return Err(PostgresError::NotReady { log });
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The end of the server's log.
    pub fn log_tail(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = fs::File::open(self.dir.join("postgres.log")) {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            file.seek(SeekFrom::Start(length.saturating_sub(4000))).ok();
            file.read_to_end(&mut text).ok();
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Its TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of its databases, over its Unix socket.
    pub fn url(&self, database: &str) -> String {
        let socket = self.dir.to_string_lossy().replace('/', "%2F");
        format!("postgres://postgres@{socket}:{}/{database}", self.port)
    }

    /// The URL of one of its databases, over TCP.
    pub fn tcp_url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database; its name is `prefix` and a number. Returns the name.
    pub fn create_database(&self, prefix: &str) -> Result<String, PostgresError> {
        let name = format!("{prefix}_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    /// Runs SQL as the superuser; returns the rows, columns separated by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, PostgresError> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(&self.dir)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql]);
        run(&mut psql)
    }

    /// Restarts the server as after a crash of its machine's processes: SIGQUIT, then recovery from its WAL.
    pub fn crash_and_restart(&mut self) -> Result<(), PostgresError> {
        let user = server_user()?;
        let pid =
            fs::read_to_string(self.dir.join("data/postmaster.pid")).map_err(io_error("postmaster.pid"))?;
        self.guardian.kill().map_err(io_error("ending the guardian"))?;
        self.guardian.wait().map_err(io_error("ending the guardian"))?;
        if let Some(pid) = pid.lines().next().and_then(|line| line.trim().parse().ok()) {
            let pid = nix::unistd::Pid::from_raw(pid);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT)
                .map_err(|error| io_error("SIGQUIT")(error.into()))?;
            let deadline = Instant::now() + READY_TIMEOUT;
            while nix::sys::signal::kill(pid, None).is_ok() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
        for stale in ["data/postmaster.pid", "postgres.log"] {
            fs::remove_file(self.dir.join(stale)).ok();
        }
        self.guardian = spawn_guardian(&self.bin, &self.dir, self.port, user.as_ref())?;
        self.wait_until_ready()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        self.guardian.wait().ok();
    }
}

fn spawn_guardian(bin: &Path, dir: &Path, port: u16, user: Option<&User>) -> Result<Child, PostgresError> {
    let mut guardian = Command::new("sh");
    guardian.args(["-c", GUARDIAN, "postgres-guardian"]).arg(bin).arg(dir).arg(port.to_string());
    guardian.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    as_user(&mut guardian, user).current_dir(dir).spawn().map_err(io_error("starting sh"))
}

fn find_binaries() -> Result<PathBuf, PostgresError> {
    let complete = |dir: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| dir.join(name).is_file());
    let mut candidates: Vec<PathBuf> = std::env::var_os("PG_BIN").map(PathBuf::from).into_iter().collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    candidates.extend(versions.into_iter().map(|(_, dir)| dir));
    candidates.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    candidates.into_iter().find(complete).ok_or(PostgresError::NotInstalled)
}

/// Whom to run Postgres as; `None`: as ourselves.
fn server_user() -> Result<Option<User>, PostgresError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(Some)
        .ok_or(PostgresError::NoUser)
}

fn as_user<'c>(command: &'c mut Command, user: Option<&User>) -> &'c mut Command {
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

fn run(command: &mut Command) -> Result<String, PostgresError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(io_error(name.clone()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let text = format!(
        "{}{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Err(PostgresError::Command { command: name, output: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_answers_survives_a_crash_and_leaves_nothing() {
        let mut server = PostgresServer::start().unwrap();
        let database = server.create_database("check").unwrap();
        server.sql(&database, "CREATE TABLE t(x int); INSERT INTO t VALUES (1), (2)").unwrap();
        server.crash_and_restart().unwrap();
        assert_eq!("1\n2", server.sql(&database, "SELECT x FROM t ORDER BY x").unwrap());
        let dir = server.dir.clone();
        drop(server);
        assert!(!dir.exists(), "{} was left behind", dir.display());
    }
}
