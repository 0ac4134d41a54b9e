//! Every record comes back as it was.

use bytes::Bytes;
use common::{Offset, TopicId, TopicName};
use coordinator::{
    GroupId, Record,
    api::{Protocol, TopicPartitions},
    records::*,
};
use uuid::Uuid;

use super::*;

fn topic() -> TopicPartitions {
    TopicPartitions { topic_id: TopicId(Uuid::from_u128(7)), partitions: vec![0, 3] }
}

fn offset(expire_timestamp_ms: Option<i64>, topic_id: Option<TopicId>) -> Record {
    Record::OffsetCommit {
        group_id: "g".into(),
        topic: TopicName::new("orders").unwrap(),
        partition: 3,
        value: Some(OffsetCommitValue {
            offset: Offset(42),
            leader_epoch: if expire_timestamp_ms.is_some() { -1 } else { 5 },
            metadata: "mine".into(),
            commit_timestamp_ms: 1_700_000_000_123,
            expire_timestamp_ms,
            topic_id,
        }),
    }
}

fn group() -> Record {
    let member = GroupMetadataMember {
        member_id: "m".into(),
        group_instance_id: Some("i".into()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        subscription: Bytes::from_static(b"s"),
        assignment: Bytes::from_static(b"a"),
    };
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 7,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        current_state_timestamp_ms: 5,
        members: vec![member],
    };
    Record::GroupMetadata { group_id: "g".into(), value: Some(value) }
}

fn member(classic: bool) -> Record {
    let protocols = vec![Protocol { name: "range".into(), metadata: Bytes::from_static(b"x") }];
    let classic_member_metadata =
        classic.then_some(ClassicMemberMetadata { session_timeout_ms: 10, supported_protocols: protocols });
    let value = ConsumerGroupMemberMetadataValue {
        instance_id: None,
        rack_id: Some("r".into()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: vec!["orders".into()],
        subscribed_topic_regex: None,
        rebalance_timeout_ms: 9,
        server_assignor: Some("uniform".into()),
        classic_member_metadata,
    };
    Record::ConsumerGroupMemberMetadata { group_id: "g".into(), member_id: "m".into(), value: Some(value) }
}

fn of_consumer_groups() -> Vec<Record> {
    let (group_id, member_id) = (GroupId::from("g"), coordinator::MemberId::from("m"));
    let current = CurrentMemberAssignmentValue {
        member_epoch: 5,
        previous_member_epoch: 4,
        state: 1,
        assigned_partitions: vec![topic()],
        partitions_pending_revocation: vec![],
    };
    let expression = RegularExpressionValue { topics: vec!["orders".into()], version: 9, timestamp_ms: 10 };
    vec![
        Record::ConsumerGroupMetadata {
            group_id: group_id.clone(),
            value: Some(ConsumerGroupMetadataValue { epoch: 3, metadata_hash: -1 }),
        },
        Record::ConsumerGroupTargetAssignmentMetadata {
            group_id: group_id.clone(),
            assignment_epoch: Some(3),
        },
        Record::ConsumerGroupTargetAssignmentMember {
            group_id: group_id.clone(),
            member_id: member_id.clone(),
            partitions: Some(vec![topic()]),
        },
        Record::ConsumerGroupCurrentMemberAssignment {
            group_id: group_id.clone(),
            member_id,
            value: Some(current),
        },
        Record::ConsumerGroupRegularExpression {
            group_id: group_id.clone(),
            expression: "o.*".into(),
            value: Some(expression),
        },
        Record::GroupMetadata { group_id, value: None },
    ]
}

#[test]
fn what_is_written_is_read() {
    let mut records = vec![
        offset(None, None),
        offset(None, Some(TopicId(Uuid::from_u128(7)))),
        offset(Some(5), None),
        group(),
        member(false),
        member(true),
    ];
    records.extend(of_consumer_groups());
    for record in records {
        let (key, value) = encode(record.clone()).unwrap();
        assert_eq!(decode(&key, value.as_deref()), Ok(Some(record)));
    }
}

#[test]
fn what_newer_brokers_wrote_is_told_from_what_is_broken() {
    assert_eq!(decode(&[0, 99, 1], None), Err(BadRecord::Unknown(99)));
    assert_eq!(decode(&[0], None), Err(BadRecord::NoKey));
    let (key, _) = encode(group()).unwrap();
    assert!(decode(&key, Some(&[0, 77])).unwrap_err().is_of_the_future());
    assert!(!decode(&key, Some(&[0, 3, 1])).unwrap_err().is_of_the_future());
}
