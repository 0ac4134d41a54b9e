//! The checker finds what it must find: each test is a history in which brokers broke their word in one way.

use super::*;

const P: PartitionId = PartitionId(0);

fn id(number: u64) -> RecordId {
    RecordId { writer: 1, number }
}

fn sent(number: u64, outcome: Outcome) -> Sent {
    let now = Instant::now();
    Sent { id: id(number), partition: P, begun: now, ended: now, outcome }
}

fn acked(number: u64, offset: i64) -> Sent {
    sent(number, Outcome::Acknowledged(Some(Offset(offset))))
}

/// Record numbers at offsets from 0 on.
fn log(numbers: &[u64]) -> Vec<Stored> {
    let stored =
        |(offset, number): (usize, &u64)| Stored { offset: Offset(offset as i64), id: Some(id(*number)) };
    numbers.iter().enumerate().map(stored).collect()
}

fn shown(stored: &[Stored]) -> Vec<Shown> {
    let now = Instant::now();
    stored.iter().map(|stored| Shown { stored: *stored, begun: now, at: now }).collect()
}

fn verdict(sent: Vec<Sent>, stored: Vec<Stored>, shown: Vec<Shown>) -> PartitionVerdict {
    let (stored, shown) = (BTreeMap::from([(P, stored)]), BTreeMap::from([(P, shown)]));
    RecordHistory { sent, shown, stored }.check().remove(&P).unwrap()
}

/// How many findings there are: lost, duplicated, reordered, invented, retracted.
fn counts(verdict: &PartitionVerdict) -> [usize; 5] {
    verdict.findings().map(|(_, findings)| findings.len())
}

#[test]
fn a_promise_that_is_kept_has_no_findings() {
    let all = vec![acked(0, 0), acked(1, 1), acked(2, 2)];
    let verdict = verdict(all, log(&[0, 1, 2]), shown(&log(&[0, 1, 2])));
    assert!(verdict.is_kept(), "{verdict:?}");
    assert_eq!((verdict.acknowledged, verdict.shown), (3, 3));
}

#[test]
fn an_acknowledged_record_that_is_gone_is_lost() {
    assert_eq!(counts(&verdict(vec![acked(0, 0), acked(1, 1)], log(&[0]), vec![])), [1, 0, 0, 0, 0]);
    let nowhere = sent(0, Outcome::Acknowledged(None));
    assert_eq!(counts(&verdict(vec![nowhere], vec![], vec![])), [1, 0, 0, 0, 0]);
}

#[test]
fn a_log_that_is_gone_altogether_is_lost_too() {
    let history = RecordHistory { sent: vec![acked(0, 0)], ..RecordHistory::default() };
    assert_eq!(history.check().get(&P).map(counts), Some([1, 0, 0, 0, 0]));
}

#[test]
fn an_acknowledged_record_must_be_where_it_was_said_to_be() {
    assert_eq!(counts(&verdict(vec![acked(0, 1), acked(1, 0)], log(&[0, 1]), vec![])), [2, 0, 0, 0, 0]);
}

#[test]
fn a_record_that_is_there_twice_is_duplicated_whatever_was_said_of_it() {
    assert_eq!(counts(&verdict(vec![acked(0, 0)], log(&[0, 0]), vec![])), [0, 1, 0, 0, 0]);
    let unknown = sent(0, Outcome::Unknown("x".into()));
    assert_eq!(counts(&verdict(vec![unknown], log(&[0, 0]), vec![])), [0, 1, 0, 0, 0]);
}

#[test]
fn a_record_behind_a_later_one_of_its_writer_is_reordered() {
    let all = vec![acked(0, 1), acked(1, 0)];
    assert_eq!(counts(&verdict(all, log(&[1, 0]), vec![])), [0, 0, 1, 0, 0]);
    // Writers do not wait for each other.
    let mut other = acked(0, 1);
    other.id.writer = 2;
    let stored =
        vec![Stored { offset: Offset(0), id: Some(id(5)) }, Stored { offset: Offset(1), id: Some(other.id) }];
    assert!(verdict(vec![acked(5, 0), other], stored, vec![]).is_kept());
}

#[test]
fn what_was_refused_or_never_sent_must_not_be_there() {
    let refused = sent(0, Outcome::Refused("x".into()));
    assert_eq!(counts(&verdict(vec![refused.clone()], log(&[0]), vec![])), [0, 0, 0, 1, 0]);
    assert!(verdict(vec![refused], vec![], vec![]).is_kept());
    assert_eq!(counts(&verdict(vec![], log(&[7]), vec![])), [0, 0, 0, 1, 0]);
    let foreign = vec![Stored { offset: Offset(0), id: None }];
    assert_eq!(counts(&verdict(vec![], foreign, vec![])), [0, 0, 0, 1, 0]);
}

#[test]
fn a_record_in_another_partition_is_lost_in_one_and_invented_in_the_other() {
    let other = PartitionId(1);
    let history = RecordHistory {
        sent: vec![acked(0, 0)],
        stored: BTreeMap::from([(P, vec![]), (other, log(&[0]))]),
        shown: BTreeMap::new(),
    };
    let verdicts = history.check();
    assert_eq!(verdicts.get(&P).map(counts), Some([1, 0, 0, 0, 0]));
    assert_eq!(verdicts.get(&other).map(counts), Some([0, 0, 0, 1, 0]));
}

#[test]
fn an_unknown_record_may_be_there_or_not() {
    let unknown = || sent(0, Outcome::Unknown("x".into()));
    assert!(verdict(vec![unknown()], vec![], vec![]).is_kept());
    assert!(verdict(vec![unknown()], log(&[0]), vec![]).is_kept());
}

#[test]
fn a_log_with_a_gap_has_lost_something() {
    let mut stored = log(&[0, 1]);
    stored[1].offset = Offset(5);
    assert_eq!(counts(&verdict(vec![acked(0, 0), acked(1, 5)], stored, vec![])), [1, 0, 0, 0, 0]);
}

#[test]
fn what_a_consumer_was_shown_must_stand() {
    let all = || vec![acked(0, 0), acked(1, 1)];
    let stored = log(&[0, 1]);
    assert_eq!(counts(&verdict(all(), stored.clone(), shown(&log(&[0, 1, 2])))), [0, 0, 0, 0, 1], "cut off");
    assert_eq!(counts(&verdict(all(), stored, shown(&log(&[1])))), [0, 0, 0, 0, 1], "replaced");
}

#[test]
fn a_consumer_must_be_shown_every_offset_once() {
    let all = || vec![acked(0, 0), acked(1, 1), acked(2, 2)];
    let stored = log(&[0, 1, 2]);
    let twice = shown(&[stored[0], stored[1], stored[0], stored[1], stored[2]]);
    assert_eq!(counts(&verdict(all(), stored.clone(), twice)), [0, 2, 0, 0, 0]);
    let skipped = shown(&[stored[0], stored[2]]);
    assert_eq!(counts(&verdict(all(), stored, skipped)), [1, 0, 0, 0, 0]);
}

#[test]
fn outages_count_only_records_sent_after_the_fault() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let ack = |number, begun, ended| Sent { begun: at(begun), ended: at(ended), ..acked(number, 0) };
    let history =
        RecordHistory { sent: vec![ack(0, 0, 5), ack(1, 9, 12), ack(2, 90, 95)], ..RecordHistory::default() };
    let since = Mark { at: at(10), sent: 0, shown: BTreeMap::new() };
    assert_eq!(history.all_acknowledged(&[P], &since), Some(at(95)));
    assert_eq!(history.all_acknowledged(&[P, PartitionId(1)], &since), None);
    assert_eq!(history.longest_silence(at(10)), Some(Duration::from_millis(83)));
}
