//! Rules that one call shows.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

mod support;

use common::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, Partition, PartitionEpoch, PartitionId};
use replica::{
    Ack, Acks, Assignment, Effects, EpochEnd, FetchAnswer, Fetched, Follower, FollowerFetch, Isolation,
    IsrAnswer, Leader, Positions, ProduceRefused, Replica, ReplicaLog, RoleChange, Settings, Step,
    WrongEpoch,
};
use support::MemoryLog;

const SETTINGS: Settings = Settings {
    min_insync_replicas: 1,
    replica_lag_time_max_ms: 10_000,
    session_timeout_ms: 3_000,
    committed_may_be_lost: false,
};

fn assignment(leader: i32, leader_epoch: i32, partition_epoch: i32, isr: &[i32]) -> Assignment {
    let partition = Partition {
        id: PartitionId(0),
        leader: Some(BrokerId(leader)).filter(|id| id.0 > 0),
        leader_epoch: LeaderEpoch(leader_epoch),
        partition_epoch: PartitionEpoch(partition_epoch),
        replicas: [1, 2, 3].map(BrokerId).to_vec(),
        isr: isr.iter().copied().map(BrokerId).collect(),
        ..Partition::default()
    };
    let online = [1, 2, 3].map(|id| (BrokerId(id), BrokerEpoch(i64::from(id) + 10))).into();
    Assignment { partition, online }
}

/// Broker 1, which leads in epoch 5 from time 0 on.
fn leader(isr: &[i32], log: &MemoryLog, high_watermark: i64) -> (Leader, Effects) {
    Leader::elected(BrokerId(1), SETTINGS, assignment(1, 5, 0, isr), log, Offset(high_watermark), 0)
}

fn fetch(broker: i32, offset: i64, last: i32) -> FollowerFetch {
    FollowerFetch {
        broker_id: BrokerId(broker),
        broker_epoch: BrokerEpoch(i64::from(broker) + 10),
        leader_epoch: LeaderEpoch(5),
        fetch_offset: Offset(offset),
        last_fetched_epoch: Some(LeaderEpoch(last)).filter(|epoch| epoch.0 >= 0),
        log_start: Offset(0),
        high_watermark: Offset(0),
    }
}

fn read(leader: &mut Leader, fetch: &FollowerFetch, log: &MemoryLog, now_ms: i64) -> Effects {
    match leader.follower_fetched(fetch, log, now_ms) {
        Ok(Fetched::Read { effects, .. }) => effects,
        other => panic!("{other:?}"),
    }
}

fn wanted(effects: &Effects) -> Option<Vec<i32>> {
    let proposal = effects.proposal.as_ref()?;
    Some(proposal.new_isr.iter().map(|member| member.broker_id.0).collect())
}

#[test]
fn a_high_watermark_that_does_not_fit_the_log_is_put_right() {
    let mut log = MemoryLog::of(&[0, 0, 0, 0]);
    log.start_at(Offset(2));
    assert_eq!(leader(&[1, 2], &log, 9).0.high_watermark(), Offset(4));
    assert_eq!(leader(&[1, 2], &log, 0).0.high_watermark(), Offset(2));
    let follower = |high_watermark| {
        Follower::new(SETTINGS, &assignment(2, 5, 0, &[2]), &log, Offset(high_watermark)).high_watermark()
    };
    assert_eq!([follower(9), follower(0), follower(3)], [Offset(4), Offset(2), Offset(3)]);
}

#[test]
fn a_single_replica_commits_what_its_disk_has() {
    let mut log = MemoryLog::of(&[0, 0]);
    let (mut leader, effects) = leader(&[1], &log, 0);
    assert_eq!(effects.high_watermark, Some(Offset(2)));
    assert!(effects.became_ready);
    log.append((LeaderEpoch(5), 1));
    assert_eq!(leader.log_changed(&log, 0), Effects::default());
    log.confirm();
    assert_eq!(leader.log_changed(&log, 0).high_watermark, Some(Offset(3)));
    assert_eq!((leader.ack(Offset(2)), leader.ack(Offset(3))), (Ack::Committed, Ack::Waiting));
}

#[test]
fn min_insync_replicas_is_never_more_than_there_are() {
    let log = MemoryLog::of(&[0]);
    let settings = Settings { min_insync_replicas: 2, ..SETTINGS };
    let mut alone = assignment(1, 5, 0, &[1]);
    alone.partition.replicas = vec![BrokerId(1)];
    let (leader, effects) = Leader::elected(BrokerId(1), settings, alone, &log, Offset(0), 0);
    assert_eq!(effects.high_watermark, Some(Offset(1)));
    assert_eq!(leader.min_insync_replicas(), 1);
    assert_eq!(leader.check_produce(Acks::All, 0), Ok(()));
}

#[test]
fn too_small_an_isr_refuses_only_those_who_want_all_of_it() {
    let log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1], &log, 0);
    leader.set_settings(Settings { min_insync_replicas: 2, ..SETTINGS });
    assert_eq!(leader.check_produce(Acks::None, 0), Ok(()));
    assert_eq!(leader.check_produce(Acks::Leader, 0), Ok(()));
    let refused = leader.check_produce(Acks::All, 0);
    assert!(matches!(refused, Err(ProduceRefused::NotEnoughReplicas(error)) if error.needed == 2));
    assert_eq!((leader.ack(Offset(0)), leader.ack(Offset(1))), (Ack::Committed, Ack::TooFewReplicas));
}

#[test]
fn a_member_that_never_fetched_in_this_epoch_holds_everything() {
    let log = MemoryLog::of(&[0, 0]);
    let (mut leader, _) = leader(&[1, 2, 3], &log, 0);
    assert_eq!(read(&mut leader, &fetch(2, 2, 0), &log, 0).high_watermark, None);
    assert_eq!(read(&mut leader, &fetch(3, 1, 0), &log, 0).high_watermark, Some(Offset(1)));
    assert_eq!(read(&mut leader, &fetch(3, 2, 0), &log, 0).high_watermark, Some(Offset(2)));
}

#[test]
fn whoever_keeps_up_is_waited_for_before_it_joins() {
    let mut log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1], &log, 0);
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 1, 0), &log, 0)), Some(vec![1, 2]));
    // Refused, so it is not in the ISR; but it could join any time.
    let proposal = leader.proposal().cloned().unwrap();
    assert_eq!(leader.isr_answered(&proposal, IsrAnswer::Refused, &log, 0), Effects::default());
    log.append((LeaderEpoch(5), 1));
    log.confirm();
    assert_eq!(leader.log_changed(&log, 0).high_watermark, None);
    assert_eq!(read(&mut leader, &fetch(2, 2, 5), &log, 10).high_watermark, Some(Offset(2)));
}

#[test]
fn whoever_lacks_something_from_before_the_election_does_not_join() {
    let log = MemoryLog::of(&[0, 0, 0]);
    let settings = Settings { min_insync_replicas: 2, ..SETTINGS };
    let elected = assignment(1, 5, 0, &[1]);
    let (mut leader, _) = Leader::elected(BrokerId(1), settings, elected, &log, Offset(1), 0);
    // At the high watermark, which stands still; and it got all that there was at its last fetch.
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 2, 0), &log, 0)), None);
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 3, 0), &log, 0)), Some(vec![1, 2]));
}

#[test]
fn whoever_was_thrown_out_needs_it_too_however_lately_it_kept_up() {
    let log = MemoryLog::of(&[0, 0, 0]);
    let (mut leader, _) = leader(&[1, 2, 3], &log, 1);
    let effects = leader.update(assignment(1, 5, 1, &[1, 3]), &log, 0);
    assert_eq!(effects, Effects::default());
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 2, 0), &log, 0)), None);
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 3, 0), &log, 0)), Some(vec![1, 2, 3]));
}

#[test]
fn whoever_is_not_the_registration_that_is_online_does_not_join() {
    let log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1], &log, 0);
    let reborn = FollowerFetch { broker_epoch: BrokerEpoch(40), ..fetch(2, 1, 0) };
    assert_eq!(wanted(&read(&mut leader, &reborn, &log, 0)), None);
    let mut known = assignment(1, 5, 0, &[1]);
    known.online.insert(BrokerId(2), BrokerEpoch(40));
    assert_eq!(wanted(&leader.update(known, &log, 0)), Some(vec![1, 2]));

    let (mut leader, _) = self::leader(&[1], &log, 0);
    let mut without = assignment(1, 5, 0, &[1]);
    without.online.remove(&BrokerId(2));
    assert_eq!(leader.update(without, &log, 0), Effects::default());
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 1, 0), &log, 0)), None);
}

#[test]
fn only_whoever_lags_for_too_long_leaves() {
    let mut log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1, 2, 3], &log, 1);
    log.append((LeaderEpoch(5), 1));
    log.confirm();
    // 2 had everything that there was at its fetch before; 3 never asks.
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 1, 0), &log, 4_000)), None);
    log.append((LeaderEpoch(5), 2));
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 2, 5), &log, 8_000)), None);
    assert_eq!(wanted(&leader.tick(&log, 10_000)), None);
    assert_eq!(wanted(&leader.tick(&log, 10_001)), Some(vec![1, 2]));
    let states: Vec<_> = leader.followers().map(|(_, state)| state.caught_up_ms).collect();
    assert_eq!(states, [Some(4_000), Some(0)]);
    assert_eq!([leader.lag(BrokerId(2), &log), leader.lag(BrokerId(3), &log)], [Some(1), None]);
}

/// What a dead follower lacks is told as long as nobody knows better.
#[test]
fn the_lag_of_a_follower_that_left_is_still_known() {
    let mut log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1, 2], &log, 1);
    assert_eq!(wanted(&read(&mut leader, &fetch(2, 1, 0), &log, 0)), None);
    assert_eq!(leader.update(assignment(1, 5, 1, &[1]), &log, 0).proposal, None);
    log.append((LeaderEpoch(5), 1));
    assert_eq!(leader.lag(BrokerId(2), &log), Some(1));
}

#[test]
fn one_change_is_asked_for_at_a_time_and_a_refused_one_later_again() {
    let log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1], &log, 0);
    let first = read(&mut leader, &fetch(2, 1, 0), &log, 0).proposal.unwrap();
    assert_eq!(wanted(&read(&mut leader, &fetch(3, 1, 0), &log, 0)), None);
    assert_eq!(wanted(&leader.isr_answered(&first, IsrAnswer::Refused, &log, 5)), None);
    assert_eq!(wanted(&leader.tick(&log, 1_004)), None);
    assert_eq!(wanted(&leader.tick(&log, 1_005)), Some(vec![1, 2, 3]));
    // The answer to the first comes once more.
    let done = IsrAnswer::Committed(assignment(1, 5, 1, &[1, 2]).partition);
    assert_eq!(leader.isr_answered(&first, done, &log, 1_006), Effects::default());
    assert_eq!(leader.isr(), [BrokerId(1)]);
}

#[test]
fn an_answer_of_another_leader_epoch_leaves_the_change_in_doubt() {
    let log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1], &log, 0);
    let asked = read(&mut leader, &fetch(2, 1, 0), &log, 0).proposal.unwrap();
    let other = IsrAnswer::Committed(assignment(3, 6, 1, &[1, 2]).partition);
    assert_eq!(leader.isr_answered(&asked, other, &log, 0), Effects::default());
    assert_eq!((leader.proposal(), leader.isr()), (None, [BrokerId(1)].as_slice()));
    assert_eq!(wanted(&leader.tick(&log, 5_000)), None);
}

#[test]
fn an_answer_that_is_no_newer_changes_nothing() {
    let log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1], &log, 0);
    let asked = read(&mut leader, &fetch(2, 1, 0), &log, 0).proposal.unwrap();
    let same = IsrAnswer::Committed(assignment(1, 5, 0, &[1, 2]).partition);
    assert_eq!(leader.isr_answered(&asked, same, &log, 0), Effects::default());
    assert_eq!(leader.isr(), [BrokerId(1)]);
    assert_eq!(wanted(&leader.tick(&log, 1_000)), Some(vec![1, 2]), "not at once");
}

#[test]
fn requests_of_other_epochs_are_refused() {
    let log = MemoryLog::of(&[]);
    let (leader, _) = leader(&[1], &log, 0);
    let (asked, current) = (LeaderEpoch(4), LeaderEpoch(5));
    assert_eq!(leader.check_epoch(Some(asked)), Err(WrongEpoch::Fenced { asked, current }));
    let asked = LeaderEpoch(6);
    assert_eq!(leader.check_epoch(Some(asked)), Err(WrongEpoch::Unknown { asked, current }));
    assert_eq!((leader.check_epoch(Some(current)), leader.check_epoch(None)), (Ok(()), Ok(())));
    assert_eq!(follower(0, &log).check_epoch(Some(asked)), Err(WrongEpoch::Unknown { asked, current }));
}

#[test]
fn older_metadata_change_nothing() {
    let log = MemoryLog::of(&[0]);
    let mut newer = assignment(1, 5, 4, &[1, 2]);
    newer.partition.partition_epoch = PartitionEpoch(4);
    let (mut replica, _) = Replica::new(BrokerId(1), SETTINGS, newer, &log, Offset(0), 0);
    let older = assignment(2, 4, 3, &[2]);
    let nothing = (RoleChange::None, Effects::default());
    assert_eq!(replica.update(BrokerId(1), SETTINGS, older, &log, 0), nothing);
    let same_epoch = assignment(1, 5, 3, &[1]);
    assert_eq!(replica.update(BrokerId(1), SETTINGS, same_epoch.clone(), &log, 0), nothing);
    let leader = replica.as_leader().unwrap();
    let mut same_epoch = same_epoch;
    same_epoch.online.remove(&BrokerId(3));
    assert_eq!(leader.update(same_epoch, &log, 0), Effects::default());
    let third = read(leader, &fetch(3, 1, 0), &log, 0);
    assert_eq!(wanted(&third), Some(vec![1, 2, 3]), "it was ONLINE by then");
    assert_eq!(leader.isr(), [1, 2].map(BrokerId));
    assert_eq!(leader.partition_epoch(), PartitionEpoch(4));
}

#[test]
fn another_epoch_forgets_what_followers_said() {
    let log = MemoryLog::of(&[0]);
    let first = assignment(1, 5, 0, &[1, 2]);
    let (mut replica, _) = Replica::new(BrokerId(1), SETTINGS, first, &log, Offset(0), 0);
    let _ = read(replica.as_leader().unwrap(), &fetch(2, 1, 0), &log, 0);
    let (change, _) = replica.update(BrokerId(1), SETTINGS, assignment(1, 6, 1, &[1, 2]), &log, 0);
    assert_eq!(change, RoleChange::Elected);
    let leader = replica.as_leader().unwrap();
    assert!(leader.followers().all(|(_, state)| state.log_end.is_none()));
    assert!(leader.follower_fetched(&fetch(2, 1, 0), &log, 0).is_err(), "it asks in the former epoch");
}

#[test]
fn roles_follow_the_metadata() {
    let log = MemoryLog::of(&[0]);
    let me = BrokerId(1);
    let (mut replica, _) = Replica::new(me, SETTINGS, assignment(2, 5, 0, &[1, 2]), &log, Offset(1), 0);
    let mut learn = |assignment| replica.update(me, SETTINGS, assignment, &log, 0).0;
    assert_eq!(learn(assignment(2, 5, 1, &[2])), RoleChange::None);
    assert_eq!(learn(assignment(0, 6, 2, &[2])), RoleChange::NewLeader);
    assert_eq!(learn(assignment(1, 7, 3, &[1])), RoleChange::Elected);
    assert_eq!(learn(assignment(1, 7, 4, &[1, 2])), RoleChange::None);
    assert_eq!(learn(assignment(3, 8, 5, &[1, 3])), RoleChange::Deposed);
    assert_eq!(replica.high_watermark(), Offset(1), "what is committed stays so");
    assert_eq!(replica.leader_epoch(), LeaderEpoch(8));
}

#[test]
fn a_log_that_goes_another_way_is_found_by_epoch_and_by_end() {
    let log = MemoryLog::of(&[0, 0, 2, 2, 4]);
    let (mut leader, _) = leader(&[1, 2], &log, 0);
    let diverged =
        |leader: &mut Leader, offset, last| match leader.follower_fetched(&fetch(2, offset, last), &log, 0) {
            Ok(Fetched::Diverged(end)) => Some((end.epoch.0, end.end.0)),
            Ok(Fetched::Read { .. }) => None,
            Err(error) => panic!("{error}"),
        };
    assert_eq!(diverged(&mut leader, 2, 0), None);
    assert_eq!(diverged(&mut leader, 3, 0), Some((0, 2)), "longer than here");
    assert_eq!(diverged(&mut leader, 2, 1), Some((0, 2)), "an epoch that is not here");
    assert_eq!(diverged(&mut leader, 3, 3), Some((2, 4)), "an epoch that is not here, and shorter");
    assert_eq!(diverged(&mut leader, 5, 4), None);
    assert_eq!(diverged(&mut leader, 6, 4), Some((4, 5)));
    assert_eq!(leader.followers().next().unwrap().1.log_end, Some(Offset(5)), "only what fits counts");
    let beyond = fetch(2, 6, -1);
    assert!(leader.follower_fetched(&beyond, &log, 0).is_err(), "nothing to compare, and beyond the end");
}

#[test]
fn an_epoch_ends_where_the_leader_was_elected_even_if_nothing_was_written_since() {
    let (leader, _) = leader(&[1], &MemoryLog::of(&[]), 0);
    let end = |epoch| leader.end_of_epoch(LeaderEpoch(epoch), &MemoryLog::of(&[])).map(|end| end.end);
    assert_eq!([end(3), end(5), end(6)], [Some(Offset(0)), Some(Offset(0)), None]);
}

/// Broker 2, which follows broker 1 in epoch 5.
fn follower(high_watermark: i64, log: &MemoryLog) -> Follower {
    Follower::new(SETTINGS, &assignment(1, 5, 0, &[1, 2]), log, Offset(high_watermark))
}

#[test]
fn a_follower_cuts_to_the_last_epoch_that_both_have() {
    let log = MemoryLog::of(&[0, 0, 1, 3, 3]);
    let mut follower = follower(1, &log);
    let mut cut = |epoch, end| {
        let asked = follower.next_fetch(&log).unwrap();
        let end = EpochEnd { epoch: LeaderEpoch(epoch), end: Offset(end) };
        follower.fetched(&asked, &FetchAnswer::Diverged(end), &log)
    };
    assert_eq!(cut(3, 4), Step::Truncate { to: Offset(4) }, "the same epoch, shorter there");
    assert_eq!(
        cut(2, 9),
        Step::Truncate { to: Offset(3) },
        "an epoch that is not here: behind the one before"
    );
    assert_eq!(cut(1, 9), Step::Truncate { to: Offset(3) }, "longer there");
    assert_eq!(cut(0, 1), Step::Truncate { to: Offset(1) });
    assert_eq!(cut(3, 5), Step::Nothing, "that is no divergence");
    assert_eq!(cut(0, 0), Step::CommittedLost { to: Offset(0) });
}

#[test]
fn the_high_watermark_goes_back_with_the_log_and_only_with_it() {
    let mut log = MemoryLog::of(&[0, 0, 1]);
    let mut follower = follower(3, &log);
    follower.set_settings(Settings { committed_may_be_lost: true, ..SETTINGS });
    assert_eq!(follower.appended(Offset(1), Offset(0), &log).high_watermark, None);
    assert_eq!(follower.high_watermark(), Offset(3), "a new leader knows less");
    let asked = follower.next_fetch(&log).unwrap();
    let end = EpochEnd { epoch: LeaderEpoch(0), end: Offset(2) };
    assert_eq!(follower.fetched(&asked, &FetchAnswer::Diverged(end), &log), Step::Truncate { to: Offset(2) });
    assert_eq!(follower.high_watermark(), Offset(2), "before anybody can look");
    log.truncate(Offset(1));
    follower.truncated(&log);
    assert_eq!(follower.high_watermark(), Offset(1), "a batch lay across");
    assert_eq!(follower.appended(Offset(9), Offset(0), &log).high_watermark, None, "not above the own end");
}

#[test]
fn a_log_start_that_moves_takes_the_high_watermark_along() {
    let mut log = MemoryLog::of(&[0, 0, 0]);
    let mut follower = follower(0, &log);
    let progress = follower.appended(Offset(2), Offset(3), &log);
    assert_eq!((progress.high_watermark, progress.log_start), (Some(Offset(2)), Some(Offset(2))));
    log.start_at(Offset(3));
    assert_eq!(follower.appended(Offset(2), Offset(0), &log).high_watermark, Some(Offset(3)));
    let (mut leader, _) = leader(&[1, 2], &MemoryLog::of(&[0, 0, 0]), 0);
    let _ = leader.log_changed(&log, 0);
    assert_eq!(leader.positions(&log).log_start(), Offset(3));
}

#[test]
fn only_an_answer_to_what_would_be_asked_now_counts() {
    let mut log = MemoryLog::of(&[0]);
    let mut follower = follower(0, &log);
    let asked = follower.next_fetch(&log).unwrap();
    let answer = FetchAnswer::Records { high_watermark: Offset(0), log_start: Offset(0) };
    assert_eq!(follower.fetched(&asked, &answer, &log), Step::Append);
    log.append((LeaderEpoch(5), 1));
    assert_eq!(follower.next_fetch(&log), None, "it would claim what is not safe");
    assert_eq!(follower.fetched(&asked, &answer, &log), Step::Nothing, "the log went on");
    log.truncate(Offset(1));
    assert!(follower.update(&assignment(1, 6, 1, &[1, 2])));
    assert_eq!(follower.fetched(&asked, &answer, &log), Step::Nothing, "another epoch");
    assert!(!follower.update(&assignment(3, 7, 0, &[3])), "older metadata");
}

#[test]
fn only_whoever_is_behind_or_has_nothing_begins_anew() {
    let log = MemoryLog::of(&[0, 0]);
    let begin = |start| {
        let mut follower = follower(0, &log);
        let asked = follower.next_fetch(&log).unwrap();
        follower.fetched(&asked, &FetchAnswer::OutOfRange { log_start: Offset(start) }, &log)
    };
    assert_eq!(begin(3), Step::Reset { to: Offset(3) });
    assert_eq!(begin(2), Step::Nothing);
    assert_eq!(begin(0), Step::Nothing);
    let mut empty = MemoryLog::of(&[0, 0]);
    empty.start_at(Offset(2));
    let mut follower = follower(0, &empty);
    let asked = follower.next_fetch(&empty).unwrap();
    assert_eq!(asked.last_fetched_epoch, None);
    let answer = FetchAnswer::OutOfRange { log_start: Offset(1) };
    assert_eq!(follower.fetched(&asked, &answer, &empty), Step::CommittedLost { to: Offset(1) });
    follower.set_settings(Settings { committed_may_be_lost: true, ..SETTINGS });
    assert_eq!(follower.fetched(&asked, &answer, &empty), Step::Reset { to: Offset(1) });
}

#[test]
fn followers_are_told_what_is_committed() {
    let log = MemoryLog::of(&[0]);
    let (mut leader, _) = leader(&[1, 2], &log, 0);
    let is_news = |leader: &mut Leader, fetch| match leader.follower_fetched(&fetch, &log, 0) {
        Ok(Fetched::Read { is_news, .. }) => is_news,
        other => panic!("{other:?}"),
    };
    assert!(!is_news(&mut leader, fetch(3, 1, 0)), "nothing is committed yet");
    assert!(is_news(&mut leader, fetch(2, 1, 0)), "its fetch made it so, and it does not know");
    assert!(is_news(&mut leader, fetch(3, 1, 0)));
    let knows = FollowerFetch { high_watermark: Offset(1), ..fetch(3, 1, 0) };
    assert!(!is_news(&mut leader, knows));
}

#[test]
fn an_older_claim_that_took_longer_takes_nothing_back() {
    let log = MemoryLog::of(&[0, 0]);
    let (mut leader, _) = leader(&[1, 2], &log, 0);
    assert_eq!(read(&mut leader, &fetch(2, 2, 0), &log, 0).high_watermark, Some(Offset(2)));
    assert_eq!(read(&mut leader, &fetch(2, 0, -1), &log, 0), Effects::default());
    assert_eq!(leader.followers().next().unwrap().1.log_end, Some(Offset(2)));
    // Another registration is another process: it has what it asks from.
    let reborn = FollowerFetch { broker_epoch: BrokerEpoch(40), ..fetch(2, 0, -1) };
    assert_eq!(wanted(&read(&mut leader, &reborn, &log, 0)), Some(vec![1]));
}

#[test]
fn deleted_is_what_all_that_are_online_deleted() {
    let mut log = MemoryLog::of(&[0, 0, 0]);
    let (mut leader, _) = leader(&[1, 2], &log, 3);
    log.start_at(Offset(2));
    let _ = leader.log_changed(&log, 0);
    assert_eq!(leader.low_watermark(&log), Offset(0));
    for (broker, start) in [(2, 1), (3, 2)] {
        let deleted = FollowerFetch { log_start: Offset(start), ..fetch(broker, 3, 0) };
        let _ = read(&mut leader, &deleted, &log, 0);
    }
    assert_eq!(leader.low_watermark(&log), Offset(1));
    let mut without = assignment(1, 5, 0, &[1, 2]);
    without.online.remove(&BrokerId(2));
    let _ = leader.update(without, &log, 0);
    assert_eq!(leader.low_watermark(&log), Offset(2));
}

#[test]
fn read_committed_ends_at_the_first_undecided_transaction() {
    let mut log = MemoryLog::of(&[0, 0, 0]);
    let readable = |log: &MemoryLog, isolation| Positions::of(log, Offset(2)).readable(isolation);
    assert_eq!(readable(&log, Isolation::ReadCommitted), Offset(2));
    log.undecided = Some(Offset(1));
    assert_eq!(readable(&log, Isolation::ReadCommitted), Offset(1));
    assert_eq!(readable(&log, Isolation::ReadUncommitted), Offset(2));
    log.undecided = Some(Offset(0));
    log.start_at(Offset(1));
    assert_eq!(readable(&log, Isolation::ReadCommitted), Offset(1), "it began in what was deleted");
}

#[test]
#[should_panic(expected = "positions out of order: log start 0, high watermark 3, log end 2")]
fn positions_out_of_order_stop_everything() {
    let _ = Positions::of(&MemoryLog::of(&[0, 0]), Offset(3));
}

#[test]
fn the_latest_offset_is_not_known_before_the_election_is_behind() {
    let log = MemoryLog::of(&[0, 0]);
    let (mut leader, effects) = leader(&[1, 2], &log, 1);
    assert!(!effects.became_ready);
    let error = leader.latest_offset(Isolation::ReadUncommitted, &log).unwrap_err();
    assert_eq!((error.high_watermark, error.epoch_start), (Offset(1), Offset(2)));
    assert!(read(&mut leader, &fetch(2, 2, 0), &log, 0).became_ready);
    assert_eq!(leader.latest_offset(Isolation::ReadUncommitted, &log), Ok(Offset(2)));
    assert_eq!(log.log_end(), Offset(2));
}
