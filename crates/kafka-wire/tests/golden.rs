//! Messages of every API and version as an independent codec wrote them (`golden/messages.txt`, made by
//! `scripts/kafka-goldens.py`): they are read, written back to the same bytes, and refused when cut.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_wire::{
    Message, Schema,
    messages::{MetadataRequest, SCHEMAS},
    schema::Body,
};

struct Golden {
    line: &'static str,
    schema: &'static Schema,
    body: &'static Body,
    version: i16,
    bytes: Bytes,
}

fn goldens() -> Vec<Golden> {
    include_str!("golden/messages.txt").lines().map(golden).collect()
}

fn golden(line: &'static str) -> Golden {
    let mut words = line.split(' ');
    let name = words.next().unwrap();
    let schema = SCHEMAS.iter().find(|schema| schema.name == name).unwrap();
    let version = words.next().unwrap().parse().unwrap();
    let body = match words.next().unwrap() {
        "request" => &schema.request,
        _ => &schema.response,
    };
    let hex = words.next().unwrap_or_default();
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    Golden { line, schema, body, version, bytes: bytes.collect() }
}

fn rewritten(golden: &Golden, bytes: &Bytes) -> Bytes {
    let frame = (golden.body.rewrite)(bytes, golden.version);
    let frame = frame.unwrap_or_else(|error| panic!("{}: {error}", golden.line));
    frame.unwrap_or_else(|error| panic!("{}: {error}", golden.line)).into_bytes().unwrap()
}

#[test]
fn every_message_is_read_and_written_back_to_the_same_bytes() {
    for golden in goldens() {
        assert_eq!(rewritten(&golden, &golden.bytes), golden.bytes, "{}", golden.line);
    }
}

#[test]
fn no_api_version_or_side_is_missing() {
    let have: BTreeSet<_> = goldens().iter().map(|golden| (golden.body.name, golden.version)).collect();
    for schema in SCHEMAS {
        for version in schema.versions.clone() {
            for body in [&schema.request, &schema.response] {
                assert!(have.contains(&(body.name, version)), "{} v{version}", body.name);
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error_that_names_the_message() {
    for golden in goldens() {
        for length in 0..golden.bytes.len() {
            let error = (golden.body.check)(&golden.bytes.slice(..length), golden.version).unwrap_err();
            assert_eq!((error.message, error.version), (golden.body.name, golden.version));
        }
    }
}

#[test]
fn bytes_after_the_end_are_left_alone() {
    for golden in goldens() {
        let longer = [&golden.bytes, &[0, 1, 2, 3][..]].concat().into();
        assert_eq!(rewritten(&golden, &longer), golden.bytes, "{}", golden.line);
    }
}

/// Three bytes of it are too many: an array count that was reserved for a number and then left out.
#[test]
fn the_metadata_request_of_librdkafka_2_16_for_all_topics_is_read() {
    let body = Bytes::from_static(&[0, 0, 0, 0, 1, 0, 0]);
    let request = MetadataRequest::from_body(&body, 13).unwrap();
    assert_eq!(request.topics, None);
}

/// Messages that have tagged fields of their own, so that the goldens may not end with an empty list of them.
const WITH_TAGS: &[&str] = &["ProduceResponse", "FetchRequest", "FetchResponse", "ApiVersionsResponse"];

#[test]
fn unknown_tagged_fields_are_skipped() {
    for golden in goldens() {
        if golden.version < golden.schema.flexible_since || WITH_TAGS.contains(&golden.body.name) {
            continue;
        }
        let (none, fields) = golden.bytes.split_last().unwrap();
        assert_eq!(*none, 0);
        let two_tags: &[u8] = &[2, 99, 0, 100, 3, 7, 7, 7];
        assert_eq!(rewritten(&golden, &[fields, two_tags].concat().into()), golden.bytes, "{}", golden.line);
    }
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    for golden in goldens() {
        for version in [-1, *golden.schema.versions.start() - 1, *golden.schema.versions.end() + 1, i16::MAX]
        {
            let error = (golden.body.check)(&golden.bytes, version).unwrap_err();
            assert!(error.to_string().contains("field ApiVersion: version is outside of"), "{error}");
        }
    }
}
