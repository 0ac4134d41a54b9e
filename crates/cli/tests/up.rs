//! `dmq up` as its user meets it: what it prints, what it keeps, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test: what fails here fails it"
)]

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use common::config::{BrokerConfig, ClusterConfig, MetadataNodeConfig};
use local_cluster::{ports::ReservedPort, wait_for};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
};

/// For everything that should take a second at most.
const DEADLINE: Duration = Duration::from_secs(60);

/// A directory with a `services.json` on ports of its own: three metadata nodes, two brokers.
struct Site {
    directory: tempfile::TempDir,
    ports: Vec<ReservedPort>,
}

impl Site {
    fn new() -> Self {
        let ports: Vec<ReservedPort> = (0..7).map(|_| ReservedPort::find().unwrap()).collect();
        let site = Self { directory: tempfile::tempdir().unwrap(), ports };
        let mut config = ClusterConfig::local(0, 0);
        config.metadata_nodes = (1..=3).map(|id| MetadataNodeConfig::local(id, site.port(id - 1))).collect();
        config.brokers = (0..2)
            .map(|n| {
                let ports = (site.port(3 + 2 * n), site.port(4 + 2 * n));
                BrokerConfig::local(101 + i32::try_from(n).unwrap(), ports.0, Some(ports.1))
            })
            .collect();
        std::fs::write(site.services(), config.to_json()).unwrap();
        site
    }

    fn port(&self, index: u64) -> u16 {
        self.ports[usize::try_from(index).unwrap()].number()
    }

    fn services(&self) -> PathBuf {
        self.path().join("services.json")
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmq"));
        command
            .args(["up", "-o", "json", "--services"])
            .arg(self.services())
            .arg("--data-dir")
            .arg(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts the cluster and waits until it says that it is ready.
    async fn up(&self) -> Up {
        let mut child = self.command().spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut text = String::new();
        let read = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                text.push_str(&line);
                if line == "}" {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("ready in time");
        let view = match serde_json::from_str(&text) {
            Ok(view) => view,
            Err(error) => {
                let output = child.wait_with_output().await.unwrap();
                panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
            }
        };
        Up { child, view }
    }
}

/// A running `dmq up` and what it printed.
struct Up {
    child: Child,
    view: Value,
}

impl Up {
    fn pid_of(&self, name: &str) -> u32 {
        let mut all =
            ["metadataNodes", "brokers"].iter().flat_map(|kind| self.view[kind].as_array().unwrap());
        let process = all.find(|process| process["name"] == name).unwrap();
        process["pid"].as_u64().unwrap().try_into().unwrap()
    }

    fn pids(&self) -> Vec<u32> {
        ["metadata-1", "metadata-2", "metadata-3", "broker-101", "broker-102"]
            .map(|name| self.pid_of(name))
            .to_vec()
    }

    /// Ctrl-C; how it ended and what it said on stderr.
    async fn interrupt(mut self) -> (ExitStatus, String) {
        signal("INT", self.child.id().unwrap());
        let mut stderr = self.child.stderr.take().unwrap();
        let mut said = String::new();
        let ended = async {
            stderr.read_to_string(&mut said).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(DEADLINE, ended).await.expect("an end in time");
        (status, said)
    }
}

fn signal(name: &str, pid: u32) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Whether the process is there, and not merely waiting to be buried.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

async fn all_gone(pids: &[u32]) {
    let check = async || match pids.iter().find(|pid| runs(**pid)) {
        Some(pid) => Err(format!("{pid} runs")),
        None => Ok(()),
    };
    wait_for("the end of all processes", DEADLINE, check).await.unwrap();
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn ctrl_c_stops_everything_and_the_data_is_there_again() {
    let site = Site::new();
    let up = site.up().await;
    let url = up.view["metadataNodes"][0]["url"].as_str().unwrap().to_owned();
    let topics = format!("{url}/api/v1/metadata/topics?redirect=true");
    let body = r#"{"topicName": "orders", "numPartitions": 3, "replicationFactor": 2}"#;
    let request = reqwest::Client::new().post(topics).header("content-type", "application/json").body(body);
    assert_eq!(request.send().await.unwrap().status(), 201);
    // A second one on the same directory would write the same files.
    let second = site.command().output().await.unwrap();
    assert_eq!(second.status.code(), Some(3), "{}", said(&second));
    assert!(said(&second).contains("another `dmq up` (pid "), "{}", said(&second));
    let pids = up.pids();
    let (status, text) = up.interrupt().await;
    assert_eq!(status.code(), Some(0), "{text}");
    all_gone(&pids).await;

    let up = site.up().await;
    let topic = reqwest::get(format!("{url}/api/v1/metadata/topics/orders")).await.unwrap();
    assert_eq!(topic.status(), 200);
    assert_eq!(up.interrupt().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_process_that_ends_is_reported_and_the_exit_code_tells() {
    let site = Site::new();
    let up = site.up().await;
    let killed = up.pid_of("broker-102");
    signal("KILL", killed);
    all_gone(&[killed]).await;
    let others: Vec<u32> = up.pids().into_iter().filter(|pid| *pid != killed).collect();
    let (status, text) = up.interrupt().await;
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("broker-102 ended with SIGKILL"), "{text}");
    all_gone(&others).await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_parent_not_even_what_is_stopped() {
    let site = Site::new();
    let mut up = site.up().await;
    signal("STOP", up.pid_of("metadata-2"));
    let pids = up.pids();
    signal("KILL", up.child.id().unwrap());
    up.child.wait().await.unwrap();
    all_gone(&pids).await;
}

#[tokio::test]
async fn what_cannot_be_started_is_said_before_anything_is() {
    let site = Site::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", site.port(1))).unwrap();
    let output = site.command().output().await.unwrap();
    assert_eq!(output.status.code(), Some(3));
    let expected = format!("metadata-2 cannot listen on localhost:{}: the port is in use", site.port(1));
    assert!(said(&output).contains(&expected), "{}", said(&output));
    drop(taken);

    let text = std::fs::read_to_string(site.services()).unwrap();
    std::fs::write(
        site.services(),
        text.replace("sqlite:data/metadata-2/raft.db", "postgres://me:${DMQ_TEST_NO_SUCH}@db/x"),
    )
    .unwrap();
    let output = site.command().output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output)
            .contains("metadata node 2: the database URL needs the environment variable DMQ_TEST_NO_SUCH"),
        "{}",
        said(&output)
    );

    std::fs::write(site.services(), text.replace("\"id\": 102", "\"id\": 101")).unwrap();
    let output = site.command().output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("services.storage-services[1].id: id 101 is already"),
        "{}",
        said(&output)
    );
    let left: Vec<_> = std::fs::read_dir(site.path().join("data")).unwrap().filter_map(Result::ok).collect();
    assert!(left.iter().all(|entry| entry.path().is_file()), "no process ran: {left:?}");
}

#[tokio::test]
async fn each_metadata_node_gets_a_postgres_database_and_a_throw_away_one_is_dropped() {
    let server = testkit::postgres::PostgresServer::shared();
    let names =
        || server.sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE '%metadata%'").unwrap();
    let site = Site::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmq"));
    command.args(["up", "-o", "json", "--ephemeral", "--services"]).arg(site.services());
    command.args(["--postgres", &server.tcp_url("postgres")]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = async { while lines.next_line().await.unwrap().is_some_and(|line| line != "}") {} };
    tokio::time::timeout(DEADLINE, ready).await.expect("ready in time");
    assert_eq!(names().lines().filter(|name| name.starts_with("dmq_ephemeral_")).count(), 3, "{}", names());
    let up = Up { child, view: Value::Null };
    let (status, text) = up.interrupt().await;
    assert_eq!(status.code(), Some(0), "{text}");
    assert_eq!(names(), "");
}
