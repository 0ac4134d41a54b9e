//! `cargo xtask kafka-messages`: the Rust messages of `crates/kafka-wire/src/messages`, from Kafka's own schemas.
//!
//! Kafka describes each message in a JSON file, and Maven Central's `kafka-clients` jar holds them all; the records of
//! `__consumer_offsets` are described in the same way in `kafka-group-coordinator`. Only the code made from them is in
//! the tree: building needs neither the jars nor this command. Fields that only we know are added (`own_fields.rs`). Another Kafka version, another API or record is a change
//! of a constant in `lists.rs`, one run, and a review of the difference.

mod api;
mod jar;
mod lists;
mod own_fields;
mod record;
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
use lists::{APIS, GROUP_RECORDS, KAFKA_VERSION};
use record::GroupRecord;

/// Writes the messages into the tree, or with `check` only compares.
///
/// # Errors
/// If a jar cannot be had, a schema uses what the generator does not know, or (with `check`) the tree differs.
pub fn run(root: &Path, check: bool) -> Result<(), String> {
    let (apis, records) = read_schemas(root)?;
    let mut differing = Vec::new();
    for (name, text) in files(&apis, &records)? {
        let path = root.join("crates/kafka-wire/src").join(&name);
        let text = format_rust(root, &text)?;
        if fs::read_to_string(&path).is_ok_and(|current| current == text) {
            continue;
        }
        differing.push(name);
        if !check {
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    let (apis, records) = (apis.len(), records.len());
    match differing.as_slice() {
        [] => println!(
            "the messages of {apis} APIs and {records} records are as Kafka {KAFKA_VERSION} has them"
        ),
        names if check => return Err(format!("not as generated: {}", names.join(", "))),
        names => println!("written: {}", names.join(", ")),
    }
    Ok(())
}

/// Everything that is in the two lists, in order of the numbers.
fn read_schemas(root: &Path) -> Result<(Vec<Api>, Vec<GroupRecord>), String> {
    let read =
        |jar: &Path, name: &str| schema::parse(&jar::read(jar, &format!("common/message/{name}.json"))?);
    let jar = jar::fetch(root, "kafka-clients", KAFKA_VERSION)?;
    let apis = APIS.iter().map(|name| {
        let (request, mut response) =
            (read(&jar, &format!("{name}Request"))?, read(&jar, &format!("{name}Response"))?);
        own_fields::add(&mut response)?;
        Api::new(name, request, response)
    });
    let mut apis: Vec<Api> = apis.collect::<Result<_, _>>()?;
    apis.sort_by_key(|api| api.key);
    let jar = jar::fetch(root, "kafka-group-coordinator", KAFKA_VERSION)?;
    let records = GROUP_RECORDS.iter().map(|name| {
        let (key, value) = (read(&jar, &format!("{name}Key"))?, read(&jar, &format!("{name}Value"))?);
        GroupRecord::new(name, key, value)
    });
    let mut records: Vec<GroupRecord> = records.collect::<Result<_, _>>()?;
    records.sort_by_key(|record| record.number);
    Ok((apis, records))
}

/// The generated files by their paths in the crate's `src`.
fn files(apis: &[Api], records: &[GroupRecord]) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    for api in apis {
        files.insert(format!("messages/{}.rs", api.module), api.file(KAFKA_VERSION)?);
    }
    files.insert("messages/mod.rs".to_owned(), api::modules(apis, KAFKA_VERSION));
    files.insert("messages/table.rs".to_owned(), api::table(apis, KAFKA_VERSION));
    for record in records {
        files.insert(format!("group_records/{}.rs", record.module), record.file(KAFKA_VERSION)?);
    }
    files.insert("group_records/mod.rs".to_owned(), record::modules(records, KAFKA_VERSION));
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
