//! Records of `__consumer_offsets` as Apache Kafka's own classes wrote them (`golden/group-records.txt`, made by
//! `scripts/GroupRecordGoldens.java`): they are read, written back to the same bytes, and refused when cut or extended.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

use bytes::Bytes;
use kafka_wire::{
    group_record::{GroupRecordKey, GroupRecordValue, record_type},
    group_records::*,
};

struct Golden {
    name: &'static str,
    version: i16,
    key: Bytes,
    value: Bytes,
}

fn goldens() -> Vec<Golden> {
    include_str!("golden/group-records.txt").lines().map(golden).collect()
}

fn golden(line: &'static str) -> Golden {
    let words: Vec<&'static str> = line.split(' ').collect();
    let bytes = |hex: &str| {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    Golden {
        name: words[0],
        version: words[1].parse().unwrap(),
        key: bytes(words[2]),
        value: bytes(words[3]),
    }
}

/// Both parts of a record, read and written again; `None` if one cannot be read.
fn rewritten(golden: &Golden, key: &Bytes, value: &Bytes) -> Option<(Vec<u8>, Vec<u8>)> {
    fn through<K: GroupRecordKey>(key: &Bytes, value: &Bytes, version: i16) -> Option<(Vec<u8>, Vec<u8>)> {
        let (key, value) = (K::from_bytes(key).ok()?, K::Value::from_bytes(value).ok()?);
        Some((key.to_bytes().unwrap(), value.to_bytes(version).unwrap()))
    }
    let through = match golden.name {
        "LegacyOffsetCommit" => through::<LegacyOffsetCommitKey>,
        "OffsetCommit" => through::<OffsetCommitKey>,
        "GroupMetadata" => through::<GroupMetadataKey>,
        "ConsumerGroupMetadata" => through::<ConsumerGroupMetadataKey>,
        "ConsumerGroupPartitionMetadata" => through::<ConsumerGroupPartitionMetadataKey>,
        "ConsumerGroupMemberMetadata" => through::<ConsumerGroupMemberMetadataKey>,
        "ConsumerGroupTargetAssignmentMetadata" => through::<ConsumerGroupTargetAssignmentMetadataKey>,
        "ConsumerGroupTargetAssignmentMember" => through::<ConsumerGroupTargetAssignmentMemberKey>,
        "ConsumerGroupCurrentMemberAssignment" => through::<ConsumerGroupCurrentMemberAssignmentKey>,
        "ConsumerGroupRegularExpression" => through::<ConsumerGroupRegularExpressionKey>,
        other => panic!("{other} has no type"),
    };
    through(key, value, golden.version)
}

#[test]
fn every_record_is_read_and_written_back_to_the_same_bytes() {
    for golden in goldens() {
        let written = rewritten(&golden, &golden.key, &golden.value);
        assert_eq!(written, Some((golden.key.to_vec(), golden.value.to_vec())), "{}", golden.name);
    }
}

#[test]
fn what_is_cut_or_extended_is_refused() {
    for golden in goldens() {
        for length in 0..golden.value.len() {
            assert_eq!(
                rewritten(&golden, &golden.key, &golden.value.slice(..length)),
                None,
                "{}",
                golden.name
            );
        }
        for length in 0..golden.key.len() {
            assert_eq!(
                rewritten(&golden, &golden.key.slice(..length), &golden.value),
                None,
                "{}",
                golden.name
            );
        }
        let longer = |bytes: &Bytes| [bytes, &[0_u8][..]].concat().into();
        assert_eq!(rewritten(&golden, &longer(&golden.key), &golden.value), None, "{}", golden.name);
        assert_eq!(rewritten(&golden, &golden.key, &longer(&golden.value)), None, "{}", golden.name);
    }
}

#[test]
fn a_key_says_what_it_is() {
    let key = GroupMetadataKey { group: "g".to_owned() }.to_bytes().unwrap();
    assert_eq!(record_type(&key), Some(GroupMetadataKey::TYPE));
    assert!(ConsumerGroupMetadataKey::from_bytes(&key.into()).is_err());
    assert_eq!(record_type(&[0]), None);
}

#[test]
fn a_value_of_the_future_is_refused() {
    assert!(OffsetCommitValue::from_bytes(&Bytes::from_static(&[0, 5, 0])).is_err());
    assert!(OffsetCommitValue::default().to_bytes(5).is_err());
}
