//! How soon members of a consumer group are told to come again.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod support;

use std::sync::Arc;

use coordinator::{GroupSettings, Settings};
use support::{Bench, heartbeat, topics};

const USUAL_MS: i32 = 5_000;
const CALM_MS: i32 = 500;
const BUSY_MS: i32 = 200;

/// A coordinator of a topic with two partitions.
fn bench(settings: Settings) -> Bench {
    let mut bench = Bench::new(settings);
    bench.set_topics(topics(&[("t", 1, 2)]));
    bench
}

/// What a member is told that joins, or has these partitions.
fn interval_ms(bench: &mut Bench, now_ms: i64, member: &str, epoch: i32, has: &[i32]) -> i32 {
    bench.now_ms = now_ms;
    bench.ask(heartbeat(member, epoch, has)).unwrap().heartbeat_interval_ms
}

#[test]
fn members_come_soon_while_their_group_changes_and_less_often_once_it_has_settled() {
    let mut bench = bench(Settings::default());
    let mut interval_ms =
        |now_ms, member, epoch, has: &[i32]| interval_ms(&mut bench, now_ms, member, epoch, has);
    assert_eq!(interval_ms(0, "a", 0, &[]), BUSY_MS, "others may start along with it");
    assert_eq!(interval_ms(4_999, "a", 1, &[0, 1]), BUSY_MS);
    assert_eq!(interval_ms(5_000, "a", 1, &[0, 1]), CALM_MS, "nobody came for the longest interval");
    assert_eq!(interval_ms(60_000, "b", 0, &[]), BUSY_MS);
    assert_eq!(interval_ms(66_000, "a", 1, &[0, 1]), BUSY_MS, "it is to give a partition up");
    assert_eq!(interval_ms(66_000, "b", 2, &[]), BUSY_MS, "it waits for that, however long");
    assert_eq!(interval_ms(66_010, "a", 1, &[0]), CALM_MS, "it has, and the group changed long ago");
    assert_eq!(interval_ms(66_200, "b", 2, &[]), CALM_MS, "it has what it waited for");
}

#[test]
fn members_of_a_large_group_come_less_often() {
    let mut bench = bench(Settings::default());
    let told: Vec<i32> =
        (0..1_000).map(|number| interval_ms(&mut bench, 0, &format!("m{number}"), 0, &[])).collect();
    assert_eq!((told[0], told[399], told[999]), (200, 200, 500), "while it changes");
    // The first two have the partitions, and the last member's epoch is the group's.
    assert_eq!(interval_ms(&mut bench, 6_000, "m999", 1_000, &[]), USUAL_MS, "and when it does not");
}

#[test]
fn all_members_of_a_coordinator_count_and_the_settings_have_the_last_word() {
    let calm_ms = |settings, others| {
        let mut bench = bench(settings);
        for number in 0..others {
            let mut other = heartbeat("m", 0, &[]);
            other.group_id = format!("g{number}").into();
            bench.ask(other).unwrap();
        }
        interval_ms(&mut bench, 0, "a", 0, &[]);
        interval_ms(&mut bench, 6_000, "a", 1, &[0, 1])
    };
    let told = [0, 199, 399, 999, 1_999].map(|others| calm_ms(Settings::default(), others));
    // The coordinator has a timer of its own, which counts like a member.
    assert_eq!(told, [CALM_MS, 1_005, 2_005, USUAL_MS, USUAL_MS]);
    let with = |shortest_ms, longest_ms| Settings {
        group_consumer_min_heartbeat_interval_ms: shortest_ms,
        group_consumer_heartbeat_interval_ms: longest_ms,
        ..Settings::default()
    };
    let told = [(500, 300), (100, 1_000), (5_000, 5_000)]
        .map(|(shortest, longest)| calm_ms(with(shortest, longest), 0));
    assert_eq!(told, [300, 100, 5_000], "the longest one wins");
}

/// What a group sets holds for the members it has from their next heartbeat on, and for no other group.
#[test]
fn a_running_group_goes_by_its_own_settings_at_once() {
    let mut bench = bench(Settings::default());
    interval_ms(&mut bench, 0, "a", 0, &[]);
    assert_eq!(interval_ms(&mut bench, 6_000, "a", 1, &[0, 1]), CALM_MS);
    let own = |session_ms, interval_ms| GroupSettings {
        consumer_session_timeout_ms: session_ms,
        consumer_heartbeat_interval_ms: interval_ms,
    };
    let set = |group: &str, own| Settings {
        of_groups: Arc::new([(group.into(), own)].into()),
        ..Settings::default()
    };
    bench.coordinator.set_settings(set("other", own(Some(9_000), Some(7_000))));
    assert_eq!(interval_ms(&mut bench, 7_000, "a", 1, &[0, 1]), CALM_MS);
    bench.coordinator.set_settings(set("g", own(Some(9_000), None)));
    assert_eq!(interval_ms(&mut bench, 8_000, "a", 1, &[0, 1]), CALM_MS);
    assert_eq!(bench.coordinator.next_deadline(), Some(17_000), "the session is shorter");
    bench.coordinator.set_settings(set("g", own(None, Some(7_000))));
    assert_eq!(interval_ms(&mut bench, 9_000, "a", 1, &[0, 1]), 7_000);
    assert_eq!(bench.coordinator.next_deadline(), Some(54_000), "the session is as long as others'");
    bench.coordinator.set_settings(Settings::default());
    assert_eq!(interval_ms(&mut bench, 10_000, "a", 1, &[0, 1]), CALM_MS);
}
