//! `cargo xtask kafka-messages`: the Rust messages of `crates/kafka-wire/src/messages`, from Kafka's own schemas.
//!
//! Kafka describes each message in a JSON file, and Maven Central's `kafka-clients` jar holds them all. Only the code
//! made from them is in the tree: building needs neither the jar nor this command. Another Kafka version or another
//! API is a change of the two constants below, one run, and a review of the difference.

mod api;
mod jar;
mod schema;
mod structs;
mod versions;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use api::Api;

/// The Kafka release whose schemas are used.
const KAFKA_VERSION: &str = "4.3.0";

/// The APIs that get messages: what the broker serves, or will with consumer groups.
const APIS: &[&str] = &[
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "DeleteRecords",
    "InitProducerId",
    "OffsetForLeaderEpoch",
    "DescribeConfigs",
    "AlterConfigs",
    "DescribeLogDirs",
    "CreatePartitions",
    "DeleteGroups",
    "ElectLeaders",
    "IncrementalAlterConfigs",
    "AlterPartitionReassignments",
    "ListPartitionReassignments",
    "OffsetDelete",
    "DescribeQuorum",
    "UpdateFeatures",
    "DescribeCluster",
    "DescribeProducers",
    "ConsumerGroupHeartbeat",
    "ConsumerGroupDescribe",
    "DescribeTopicPartitions",
];

/// Writes the messages into the tree, or with `check` only compares.
///
/// # Errors
/// If the jar cannot be had, a schema uses what the generator does not know, or (with `check`) the tree differs.
pub fn run(root: &Path, check: bool) -> Result<(), String> {
    let jar = jar::fetch(root, KAFKA_VERSION)?;
    let mut apis = Vec::new();
    for name in APIS {
        let request = schema::parse(&jar::read(&jar, &format!("common/message/{name}Request.json"))?)?;
        let response = schema::parse(&jar::read(&jar, &format!("common/message/{name}Response.json"))?)?;
        apis.push(Api::new(name, request, response)?);
    }
    apis.sort_by_key(|api| api.key);
    let dir = root.join("crates/kafka-wire/src/messages");
    let mut differing = Vec::new();
    for (name, text) in files(&apis)? {
        let path = dir.join(&name);
        let text = format_rust(root, &text)?;
        if fs::read_to_string(&path).is_ok_and(|current| current == text) {
            continue;
        }
        differing.push(name);
        if !check {
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    match differing.as_slice() {
        [] => println!("the messages of {} APIs are as Kafka {KAFKA_VERSION} has them", apis.len()),
        names if check => return Err(format!("not as generated: {}", names.join(", "))),
        names => println!("written: {}", names.join(", ")),
    }
    Ok(())
}

/// The generated files by name.
fn files(apis: &[Api]) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    for api in apis {
        files.insert(format!("{}.rs", api.module), api.file(KAFKA_VERSION)?);
    }
    files.insert("mod.rs".to_owned(), api::modules(apis, KAFKA_VERSION));
    files.insert("table.rs".to_owned(), api::table(apis, KAFKA_VERSION));
    Ok(files)
}

fn format_rust(root: &Path, text: &str) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("rustfmt: {error}");
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path", "rustfmt.toml"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut stdin) = rustfmt.stdin.take() {
        stdin.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    }
    let output = rustfmt.wait_with_output().map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(&error))
}
