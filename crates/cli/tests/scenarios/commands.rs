//! The commands for operators: data on stdout, talk on stderr, exit codes that mean something.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, ExitStatus, Stdio},
};

use serde_json::Value;
use testkit::{Cluster, Storage};

use crate::dmq;

/// How a command ended.
struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.exit, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

async fn run(metadata: &str, args: &[&str]) -> Ran {
    let mut command = Command::new(dmq());
    command.args(args).env("DMQ_METADATA", metadata);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran {
        exit: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_commands() {
    let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
    let metadata = cluster.observer().urls().join(",");
    topics(&metadata).await;
    settings_of_groups(&metadata).await;
    groups(&metadata).await;
    views(&metadata).await;

    let broker = cluster.local().members().into_iter().find(|member| member.name == "broker-103").unwrap();
    cluster.kill(&broker.name).await;
    testkit::eventually("the status tells that a broker is gone", testkit::cluster::DEADLINE, async || {
        match run(&metadata, &["cluster", "status"]).await {
            ran if ran.exit == 1 && ran.stdout.contains("broker 103 is OFFLINE") => Ok(()),
            ran => Err(format!("exit code {}: {}", ran.exit, ran.stdout)),
        }
    })
    .await;
}

async fn topics(metadata: &str) {
    let args = ["topic", "create", "orders", "-p", "4", "-c", "retention.ms=60000", "-o", "json"];
    let created = run(metadata, &args).await;
    assert_eq!(created.json()["numPartitions"], 4);
    assert_eq!(created.json()["replicationFactor"], 3);
    assert!(created.stderr.contains("created topic `orders`"), "{}", created.stderr);

    let again = run(metadata, &["topic", "create", "orders"]).await;
    assert_eq!((again.exit, again.stdout.as_str()), (1, ""));
    assert!(again.stderr.contains("TOPIC_ALREADY_EXISTS"), "{}", again.stderr);

    let list = run(metadata, &["topic", "list"]).await;
    assert!(list.stdout.starts_with("TOPIC ") && list.stdout.contains("orders"), "{}", list.stdout);
    let altered =
        run(metadata, &["topic", "alter", "orders", "-p", "6", "--reset", "retention.ms", "-o", "json"]);
    let altered = altered.await.json();
    assert_eq!((&altered["numPartitions"], &altered["configs"]), (&6.into(), &serde_json::json!({})));
    assert_eq!(run(metadata, &["topic", "alter", "orders"]).await.exit, 2);
    testkit::eventually("replicas and offsets of six partitions", testkit::cluster::DEADLINE, async || {
        let described = run(metadata, &["topic", "describe", "orders"]).await.stdout;
        let parts: Vec<usize> = described.split("\n\n").map(|part| part.lines().count()).collect();
        if parts == [8, 7] { Ok(()) } else { Err(described) }
    })
    .await;
    leaders_and_replicas(metadata).await;
    assert_eq!(run(metadata, &["topic", "delete", "orders"]).await.exit, 0);
    assert_eq!(run(metadata, &["topic", "describe", "orders"]).await.exit, 1);
}

/// Other preferred leaders, which need no data to be moved.
async fn leaders_and_replicas(metadata: &str) {
    let described = run(metadata, &["topic", "describe", "orders", "-o", "json"]).await.json();
    let mut replicas: Vec<i64> = described["partitions"][0]["replicas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_i64().unwrap())
        .collect();
    replicas.rotate_left(1);
    let ids = replicas.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let moved = run(metadata, &["topic", "reassign", &format!("orders:0={ids}"), "-o", "json"]).await.json();
    assert_eq!(moved["results"][0]["state"]["replicas"], serde_json::json!(replicas));
    assert_eq!(run(metadata, &["topic", "reassignments", "-o", "json"]).await.json(), serde_json::json!([]));
    let elected = run(metadata, &["topic", "elect", "orders:0", "-o", "json"]).await.json();
    assert_eq!(elected["results"][0]["leader"], replicas[0]);
    let unclean = run(metadata, &["topic", "elect", "orders", "--unclean"]).await;
    assert!(unclean.stdout.contains("NOT_NEEDED"), "{}", unclean.stdout);
    let cancelled = run(metadata, &["topic", "cancel-reassign", "orders:0"]).await;
    assert_eq!(cancelled.exit, 1);
    assert!(cancelled.stdout.contains("NO_REASSIGNMENT_IN_PROGRESS"), "{}", cancelled.stdout);
    assert_eq!(run(metadata, &["topic", "reassign", "orders=101"]).await.exit, 2);
}

async fn settings_of_groups(metadata: &str) {
    let config = async |args: &[&str]| run(metadata, &[&["group", "config", "billing"], args].concat()).await;
    assert_eq!(config(&[]).await.stdout, "nothing is set\n");
    let session = "consumer.session.timeout.ms";
    let set = config(&["-c", &format!("{session}=50000"), "-o", "json"]).await.json();
    assert_eq!((&set["groupId"], &set["configs"][session]), (&"billing".into(), &"50000".into()));
    assert!(config(&[]).await.stdout.contains(session));
    let refused = config(&["-c", &format!("{session}=1")]).await;
    assert_eq!((refused.exit, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("must be at least 45000"), "{}", refused.stderr);
    assert_eq!(config(&["--reset", session]).await.stdout, "nothing is set\n");
}

/// A group from its first offset to its end.
async fn groups(metadata: &str) {
    assert_eq!(run(metadata, &["topic", "create", "jobs", "-p", "2"]).await.exit, 0);
    let reset = ["group", "reset", "billing", "--to", "earliest", "--topic", "jobs"];
    testkit::eventually("where the group would go on is shown", testkit::cluster::DEADLINE, async || {
        match run(metadata, &reset).await {
            ran if ran.exit == 0 => {
                assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
                assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
                Ok(())
            }
            // The partitions may have no leaders yet.
            ran => Err(ran.stderr),
        }
    })
    .await;
    assert_eq!(run(metadata, &["group", "describe", "billing"]).await.exit, 1);
    assert_eq!(run(metadata, &[&reset[..], &["--execute"]].concat()).await.exit, 0);
    let listed = run(metadata, &["group", "list", "--prefix", "bill", "-o", "json"]).await.json();
    assert_eq!(listed[0]["groupId"], "billing");
    let described = run(metadata, &["group", "describe", "billing"]).await;
    assert!(described.stdout.starts_with("group billing  no members for "), "{}", described.stdout);
    let (first, ended) = watch_once(metadata, "billing").await;
    assert!(first.starts_with("group billing  no members for "), "no codes for a screen: {first:?}");
    assert!(ended.success(), "{ended}");
    assert_eq!(run(metadata, &["group", "delete", "billing"]).await.exit, 0);
    let again = run(metadata, &["group", "delete", "billing"]).await;
    assert_eq!(again.exit, 1);
    assert!(again.stderr.contains("UNKNOWN_GROUP"), "{}", again.stderr);
}

/// Watches a group until the first line is there, as `head -1` does. That line, and how the command ended then.
async fn watch_once(metadata: &str, group: &str) -> (String, ExitStatus) {
    let mut command = Command::new(dmq());
    command
        .args(["group", "describe", group, "--watch"])
        .env("DMQ_METADATA", metadata)
        .stdout(Stdio::piped());
    let watch = move || {
        let mut child = command.spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        (first, child.wait().unwrap())
    };
    tokio::task::spawn_blocking(watch).await.unwrap()
}

async fn views(metadata: &str) {
    let history = run(metadata, &["metadata", "history", "--topic", "orders", "-o", "json"]).await.json();
    let kinds: Vec<&str> = history.as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"TOPIC_DELETED"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"TOPIC_CREATED"), "{kinds:?}");
    assert!(run(metadata, &["metadata", "history"]).await.stdout.contains("BROKER_REGISTERED"));

    let brokers = run(metadata, &["broker", "list", "-o", "json"]).await.json();
    assert_eq!(brokers.as_array().unwrap().len(), 3);
    let broker = run(metadata, &["broker", "describe", "101"]).await;
    assert!(broker.stdout.contains("follows controller"), "{}", broker.stdout);

    let nodes = run(metadata, &["raft", "status", "-o", "json"]).await.json();
    let leaders = nodes.as_array().unwrap().iter().filter(|node| node["status"]["isLeader"] == true).count();
    assert_eq!(leaders, 1, "{nodes}");
    assert_eq!(
        run(metadata, &["raft", "members", "list", "-o", "json"]).await.json().as_array().unwrap().len(),
        3
    );
    let log = run(metadata, &["raft", "log", "--from", "1", "--limit", "5", "-o", "json"]).await.json();
    assert_eq!(log[0]["index"], 1);
    let moved = run(metadata, &["raft", "members", "transfer"]).await;
    assert_eq!(moved.exit, 0, "{}", moved.stderr);

    // The new leader is known to all nodes a moment later.
    testkit::eventually("a cluster that is well again", testkit::cluster::DEADLINE, async || {
        match run(metadata, &["cluster", "status"]).await {
            status if status.exit == 0 => Ok(()),
            status => Err(status.stdout),
        }
    })
    .await;
    let nobody = run("http://127.0.0.1:1", &["topic", "list", "--timeout", "1"]).await;
    assert_eq!((nobody.exit, nobody.stdout.as_str()), (4, ""));
    assert_eq!(run(metadata, &["topic", "list", "--no-such-flag"]).await.exit, 2);
}
