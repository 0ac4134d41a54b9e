//! The checker against groups that broke their word.

use std::time::Duration;

use super::*;

/// Times are milliseconds after one moment.
struct Told {
    zero: Instant,
    history: GroupHistory,
}

impl Told {
    fn new() -> Self {
        Self { zero: Instant::now(), history: GroupHistory::default() }
    }

    fn at(&self, ms: u64) -> Instant {
        self.zero + Duration::from_millis(ms)
    }

    fn owns(&mut self, member: &str, epoch: i32, from: u64, until: Option<u64>) -> &mut Self {
        let (from, until) = (self.at(from), until.map(|until| self.at(until)));
        let (member, partition) = (member.to_owned(), PartitionId(0));
        self.history.owned.push(Owned { member, epoch, inherits: false, partition, from, until });
        self
    }

    fn notes(&mut self, by: &str, is_commit: bool, offset: i64, begun: u64, ended: u64) -> &mut Self {
        let (begun, ended, partition) = (self.at(begun), self.at(ended), PartitionId(0));
        let noted = Noted { partition, offset: Offset(offset), by: by.to_owned(), is_commit, begun, ended };
        self.history.noted.push(noted);
        self
    }
}

#[test]
fn one_after_the_other_is_well() {
    let mut told = Told::new();
    told.owns("a", 1, 0, Some(10)).owns("b", 2, 10, Some(20)).owns("a", 3, 25, None);
    assert_eq!((told.history.shared(), told.history.given_twice()), (vec![], vec![]));
}

#[test]
fn two_at_once_are_found() {
    let mut told = Told::new();
    told.owns("a", 1, 0, Some(11)).owns("b", 2, 10, Some(20));
    assert_eq!(
        told.history.shared(),
        ["partition 0 was with a (epoch 1) and with b (epoch 2) for 1 ms at least"]
    );
    let mut told = Told::new();
    told.owns("a", 1, 0, None).owns("b", 2, 10, Some(20)).owns("c", 2, 30, None);
    assert_eq!(told.history.shared().len(), 2, "a keeps it for good");
    assert_eq!(told.history.given_twice(), ["generation 2 gave partition 0 to b and to c"]);
}

#[test]
fn a_static_member_gets_again_what_its_former_self_had() {
    let mut told = Told::new();
    told.owns("a", 1, 0, Some(10)).owns("a2", 1, 20, None);
    told.history.owned[1].inherits = true;
    assert_eq!(told.history.given_twice(), Vec::<String>::new());
}

#[test]
fn what_is_committed_is_told_from_then_on() {
    let mut told = Told::new();
    // The second asked before the commit was answered: either is right.
    told.notes("a", true, 5, 0, 10).notes("reader", false, 4, 9, 12).notes("b", false, 5, 10, 15);
    assert_eq!(told.history.went_back(), Vec::<String>::new());
    told.notes("b", false, 4, 20, 25).notes("reader", false, -1, 30, 31);
    assert_eq!(
        told.history.went_back(),
        [
            "b was told offset 4 of partition 0, and a committed 5 10 ms before",
            "reader was told offset -1 of partition 0, and a committed 5 20 ms before"
        ]
    );
}

#[test]
fn what_one_was_told_all_are_told_from_then_on() {
    let mut told = Told::new();
    told.notes("reader", false, 7, 0, 10).notes("a", false, 6, 11, 12);
    assert_eq!(told.history.went_back().len(), 1);
}

#[test]
fn ranges_that_touch_are_one_and_gaps_are_found() {
    let mut history = GroupHistory::default();
    let partition = PartitionId(3);
    for (from, next) in [(10, 20), (0, 5), (30, 40), (18, 25), (5, 6)] {
        history.consume(partition, Offset(from), Offset(next), 1);
    }
    let gaps = |begin: i64, end: i64| history.passed_over(partition, Offset(begin), Offset(end));
    let gap = |from, next| (Offset(from), Offset(next));
    assert_eq!(gaps(0, 45), [gap(6, 10), gap(25, 30), gap(40, 45)]);
    assert_eq!(gaps(0, 8), [gap(6, 8)]);
    assert_eq!(gaps(10, 25), []);
    assert_eq!(
        history.passed_over(PartitionId(9), Offset(0), Offset(1)),
        [gap(0, 1)],
        "nobody read it at all"
    );
    history.consume(partition, Offset(6), Offset(30), 1);
    assert_eq!(history.passed_over(partition, Offset(0), Offset(40)), []);
}

#[test]
fn what_a_member_has_ends_when_it_gives_it_up() {
    let mut told = Told::new();
    told.owns("a", 1, 0, None);
    let now = told.at(5);
    told.history.end("b", None, now);
    told.history.end("a", Some(&BTreeSet::from([PartitionId(1)])), now);
    assert_eq!(told.history.has("a"), BTreeSet::from([PartitionId(0)]));
    told.history.end("a", None, now);
    assert_eq!(told.history.has("a"), BTreeSet::new());
    assert_eq!(told.history.owned[0].until, Some(now));
}
