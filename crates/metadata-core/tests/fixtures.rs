//! The JSON forms that are persisted or sent, compared with golden files.
//!
//! What is in a Raft log stays readable for ever, so a difference here is a break of compatibility, unless a variant
//! or an optional field is new. `UPDATE_FIXTURES=1 cargo test -p metadata-core --test fixtures` records them anew;
//! review the difference. Older forms may be kept as further files in the same directories: all files there must be readable.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod samples;

use std::{collections::BTreeSet, env, fmt::Debug, fs, path::PathBuf};

use common::{BrokerId, ClusterId, MetadataVersion};
use metadata_core::{Command, Proposal, RequestId, State};
use samples::Sample;
use serde::{Serialize, de::DeserializeOwned};

fn directory(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures", name].iter().collect()
}

/// Compares a value's JSON with a file, or writes the file.
fn check_file(directory_name: &str, file: &str, value: &impl Serialize) {
    let path = directory(directory_name).join(file);
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if env::var_os("UPDATE_FIXTURES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{directory_name}/{file} differs: see the head of this test");
}

fn file_name(variant: &str, special: &str) -> String {
    if special.is_empty() { format!("{variant}.json") } else { format!("{variant}.{special}.json") }
}

/// Checks that every variant has a sample, and every sample its file.
fn check<T: Serialize>(
    directory_name: &str,
    samples: &[Sample<T>],
    variants: &[&str],
    name_of: fn(&T) -> &'static str,
) {
    let sampled: BTreeSet<_> = samples.iter().map(|(_, value)| name_of(value)).collect();
    assert_eq!(sampled, variants.iter().copied().collect(), "{directory_name}: a variant has no sample");
    for (special, value) in samples {
        check_file(directory_name, &file_name(name_of(value), special), value);
    }
}

/// Checks that samples come back from their JSON, and that every file of the directory can still be read.
fn check_readable<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    directory_name: &str,
    samples: &[Sample<T>],
) {
    for (_, value) in samples {
        let json = serde_json::to_string(value).unwrap();
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value);
    }
    for entry in fs::read_dir(directory(directory_name)).unwrap() {
        let path = entry.unwrap().path();
        let read = serde_json::from_str::<T>(&fs::read_to_string(&path).unwrap());
        assert!(read.is_ok(), "{} cannot be read: {read:?}", path.display());
    }
}

#[test]
fn commands() {
    let samples = samples::commands();
    check("commands", &samples, samples::COMMANDS, samples::command_name);
    check_readable("commands", &samples);
}

#[test]
fn events() {
    let samples = samples::events();
    check("events", &samples, samples::EVENTS, samples::event_name);
    check_readable("events", &samples);
}

#[test]
fn outcomes() {
    let samples = samples::outcomes();
    check("outcomes", &samples, samples::OUTCOMES, samples::outcome_name);
    check_readable("outcomes", &samples);
}

#[test]
fn rejections() {
    let samples = samples::rejections();
    check("rejections", &samples, samples::REJECTIONS, samples::rejection_name);
    check_readable("rejections", &samples);
    for (_, rejection) in samples {
        assert!(!rejection.to_string().contains('{'), "shown to people: {rejection}");
    }
}

#[test]
fn snapshot_records() {
    let samples = samples::records();
    check("records", &samples, samples::RECORDS, samples::record_name);
    check_readable("records", &samples);
}

/// Only written, for history.
#[test]
fn what_events_replaced() {
    check("befores", &samples::befores(), samples::BEFORES, samples::before_name);
}

#[test]
fn proposals() {
    let proposal = |request_id| Proposal {
        time_ms: 1_760_000_000_000,
        author: "rest:127.0.0.1".to_owned(),
        request_id,
        command: Command::RemoveBroker { broker_id: BrokerId(101) },
    };
    let keyed = proposal(Some(RequestId::from_u128(0x1b4e_28ba_2fa1_41d2_883f_0016_d3cc_a427)));
    let samples = [("", keyed), ("minimal", proposal(None))];
    check("proposals", &samples, &["Proposal"], |_| "Proposal");
    check_readable("proposals", &samples);
}

/// A field that this build does not know may change what a command means: it must not be dropped.
#[test]
fn unknown_fields_of_commands_and_records_are_refused() {
    fn refuses<T: Serialize + DeserializeOwned>(samples: &[Sample<T>]) {
        for (_, value) in samples {
            let mut json = serde_json::to_value(value).unwrap();
            json.as_object_mut().unwrap().insert("novelty".to_owned(), true.into());
            assert!(serde_json::from_value::<T>(json).is_err());
        }
    }
    refuses(&samples::commands());
    refuses(&samples::records());
}

/// Nodes of different builds compare digests, and a snapshot is checked against the digest of its writer.
#[test]
fn the_digest_of_a_known_state() {
    let mut state = State::new(ClusterId("demo".to_owned()));
    let mut digests = vec![format!("{:016x}", state.digest())];
    for (version, (_, event)) in (1..).zip(samples::events()) {
        state.evolve(MetadataVersion(version), &event);
        digests.push(format!("{:016x}", state.digest()));
    }
    assert_eq!(digests.iter().collect::<BTreeSet<_>>().len(), digests.len());
    check_file("", "digests.json", &digests);
}
