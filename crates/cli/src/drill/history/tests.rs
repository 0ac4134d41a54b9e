//! The checker finds what it must find: each test is a cluster that broke its word in one way.

use std::time::Duration;

use common::{ClusterId, MetadataVersion, TopicName};
use http_api::TopicInfo;
use uuid::Uuid;

use super::*;

const ID: TopicId = TopicId(Uuid::from_u128(1));

fn record(topic: &str, write: Write, outcome: Outcome) -> Record {
    let now = Instant::now();
    Record { topic: topic.into(), write, node: String::new(), begun: now, ended: now, outcome }
}

fn topic(name: &str, id: TopicId, value: Option<u64>) -> TopicInfo {
    TopicInfo {
        topic_name: TopicName::new(name).unwrap(),
        topic_id: id,
        num_partitions: 0,
        replication_factor: 1,
        configs: value.map(|value| (REGISTER.to_owned(), value.to_string())).into_iter().collect(),
        partitions: Vec::new(),
    }
}

fn image(topics: Vec<TopicInfo>) -> ClusterImage {
    ClusterImage {
        broker_configs: http_api::broker_configs::AllBrokerConfigs::default(),
        group_configs: BTreeMap::new(),
        feature_level: 1,
        cluster_id: ClusterId("c".into()),
        version: MetadataVersion(1),
        full: true,
        controller_leader_id: None,
        controller_info: None,
        brokers: Vec::new(),
        total_partitions: 0,
        topics,
        active_metadata_nodes: Vec::new(),
    }
}

fn check(records: Vec<Record>, topics: Vec<TopicInfo>) -> Findings {
    History(records).check(&BTreeMap::from([(NodeId(1), image(topics))]))
}

#[test]
fn what_was_acknowledged_must_be_there() {
    let created = || record("t", Write::Create, Outcome::Acknowledged(ID));
    assert!(check(vec![created()], vec![topic("t", ID, None)]).is_empty());
    assert_eq!(check(vec![created()], vec![]).lost.len(), 1);
    let other = TopicId(Uuid::from_u128(2));
    assert_eq!(
        check(vec![created()], vec![topic("t", other, None)]).lost.len(),
        1,
        "another topic of that name"
    );
}

#[test]
fn what_was_refused_must_not_be_there() {
    let refused = || record("t", Write::Create, Outcome::Refused("503 NOT_CONTROLLER".into()));
    assert!(check(vec![refused()], vec![]).is_empty());
    assert_eq!(check(vec![refused()], vec![topic("t", ID, None)]).invented.len(), 1);
}

#[test]
fn an_unknown_write_may_be_there_or_not() {
    let unknown = || record("t", Write::Create, Outcome::Unknown);
    assert!(check(vec![unknown()], vec![]).is_empty());
    assert!(check(vec![unknown()], vec![topic("t", ID, None)]).is_empty());
}

#[test]
fn a_register_never_goes_back_behind_the_last_acknowledged_value() {
    let records = || {
        vec![
            record("t", Write::Create, Outcome::Acknowledged(ID)),
            record("t", Write::Set(1), Outcome::Acknowledged(ID)),
            record("t", Write::Set(2), Outcome::Acknowledged(ID)),
            record("t", Write::Set(3), Outcome::Unknown),
        ]
    };
    let with = |value| check(records(), vec![topic("t", ID, value)]);
    assert!(with(Some(2)).is_empty());
    assert!(with(Some(3)).is_empty());
    assert_eq!(with(Some(1)).lost.len(), 1);
    assert_eq!(with(None).lost.len(), 1);
    assert_eq!(with(Some(4)).invented.len(), 1);
}

#[test]
fn what_was_deleted_must_not_be_there() {
    let records = |deletion| {
        vec![record("t", Write::Create, Outcome::Acknowledged(ID)), record("t", Write::Delete, deletion)]
    };
    let there = || vec![topic("t", ID, None)];
    let deleted = || records(Outcome::Acknowledged(ID));
    assert!(check(deleted(), vec![]).is_empty());
    assert_eq!(check(deleted(), there()).invented.len(), 1);
    assert!(check(records(Outcome::Unknown), vec![]).is_empty());
    assert!(check(records(Outcome::Unknown), there()).is_empty());
    let refused = || records(Outcome::Refused("503 NOT_CONTROLLER".into()));
    assert_eq!(check(refused(), vec![]).lost.len(), 1);
    assert!(check(refused(), there()).is_empty());
}

#[test]
fn nodes_that_differ_at_one_version_are_found() {
    let images = BTreeMap::from([
        (NodeId(1), image(vec![topic("t", ID, None)])),
        (NodeId(2), image(vec![topic("t", ID, Some(7))])),
    ]);
    let records =
        vec![record("t", Write::Create, Outcome::Unknown), record("t", Write::Set(7), Outcome::Unknown)];
    assert_eq!(History(records).check(&images).diverged.len(), 1);
}

#[test]
fn a_retry_under_its_key_that_exists_already_was_applied_twice() {
    let refused = record("t", Write::Create, Outcome::Refused("409 TOPIC_ALREADY_EXISTS".into()));
    assert_eq!(check(vec![refused], vec![topic("t", ID, None)]).repeated.len(), 1);
}

#[test]
fn only_attempts_begun_after_the_fault_end_the_outage() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let ack = |begun, ended| Record {
        begun: at(begun),
        ended: at(ended),
        ..record("t", Write::Set(1), Outcome::Acknowledged(ID))
    };
    let history = History(vec![ack(0, 5), ack(9, 12), ack(90, 95), ack(100, 110)]);
    assert_eq!(history.first_acknowledged(at(10), None), Some(at(95)));
    assert_eq!(history.first_acknowledged(at(10), Some("")), None);
    assert_eq!(history.longest_gap(at(10)), Some(Duration::from_millis(83)));
}
