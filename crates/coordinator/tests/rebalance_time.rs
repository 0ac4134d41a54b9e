//! How long rebalances of consumer groups take, by the intervals that members are told: simulated members, each of which does what
//! it is told, over a network whose trips take a while.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use coordinator::{
    Settings,
    api::{ConsumerGroupHeartbeat, ConsumerGroupHeartbeatAnswer},
};
use proptest::prelude::*;
use support::{Bench, heartbeat, topics};

/// The longest trip from a member to the coordinator, or back, in ms.
const TRIP_MAX_MS: i64 = 20;

/// How many trips there are at most between two moments of a rebalance that are an interval each: a member asks, hears, says that it has
/// given something up; another one asks, and hears.
const TRIPS: i64 = 8;

/// What a member is told in a group of up to 400 that is changing, in ms.
const BUSY_MS: i64 = 200;

/// After how long a group that does not change is left alone, in ms.
const USUAL_MS: i64 = 5_000;

#[derive(Default)]
struct Member {
    epoch: i32,
    has: BTreeSet<i32>,
    /// What the coordinator was told that it has.
    told: BTreeSet<i32>,
}

enum Event {
    Speaks,
    IsHeard(ConsumerGroupHeartbeat),
    Hears(ConsumerGroupHeartbeatAnswer),
}

struct Simulation {
    bench: Bench,
    partitions: usize,
    members: Vec<Member>,
    /// By when, and then as they came up.
    events: BTreeMap<(i64, u64), (usize, Event)>,
    numbers: u64,
    trips: u64,
    heartbeats: i64,
}

impl Simulation {
    fn new(partitions: i32, seed: u64) -> Self {
        let mut bench = Bench::new(Settings::default());
        bench.set_topics(topics(&[("t", 1, partitions)]));
        let partitions = partitions.try_into().unwrap();
        let (members, events) = (Vec::new(), BTreeMap::new());
        Self { bench, partitions, members, events, numbers: 0, trips: seed, heartbeats: 0 }
    }

    fn joins(&mut self, at_ms: i64) {
        self.members.push(Member::default());
        self.happens(at_ms, self.members.len() - 1, Event::Speaks);
    }

    fn happens(&mut self, at_ms: i64, member: usize, event: Event) {
        self.numbers += 1;
        self.events.insert((at_ms, self.numbers), (member, event));
    }

    /// Another one each time, and the same ones in each run.
    fn trip_ms(&mut self) -> i64 {
        self.trips =
            self.trips.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + i64::try_from(self.trips >> 33).unwrap() % TRIP_MAX_MS
    }

    /// One event; when it was.
    fn step(&mut self) -> i64 {
        let ((now_ms, _), (member, event)) = self.events.pop_first().unwrap();
        match event {
            Event::Speaks => self.speak(now_ms, member),
            Event::IsHeard(request) => {
                self.heartbeats += 1;
                self.bench.wait(now_ms - self.bench.now_ms);
                let answer = self.bench.ask(request).unwrap();
                let trip_ms = self.trip_ms();
                self.happens(now_ms + trip_ms, member, Event::Hears(answer));
            }
            Event::Hears(answer) => self.hear(now_ms, member, answer),
        }
        now_ms
    }

    fn speak(&mut self, now_ms: i64, member: usize) {
        let speaker = &mut self.members[member];
        speaker.told.clone_from(&speaker.has);
        let has: Vec<i32> = speaker.has.iter().copied().collect();
        let request = heartbeat(&format!("m{member:03}"), speaker.epoch, &has);
        let trip_ms = self.trip_ms();
        self.happens(now_ms + trip_ms, member, Event::IsHeard(request));
    }

    /// Does what it is told, and speaks at once if it has something to tell.
    fn hear(&mut self, now_ms: i64, member: usize, answer: ConsumerGroupHeartbeatAnswer) {
        let listener = &mut self.members[member];
        listener.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            let target: BTreeSet<i32> = assignment.into_iter().flat_map(|topic| topic.partitions).collect();
            if listener.has.is_subset(&target) {
                listener.has = target;
            } else {
                listener.has.retain(|partition| target.contains(partition));
            }
        }
        let pause_ms =
            if listener.has == listener.told { i64::from(answer.heartbeat_interval_ms) } else { 0 };
        self.happens(now_ms + pause_ms, member, Event::Speaks);
    }

    /// Whether everybody has its share.
    fn is_settled(&self) -> bool {
        let least = self.partitions / self.members.len();
        let mut shares = self.members.iter().map(|member| member.has.len());
        let all: BTreeSet<i32> = self.members.iter().flat_map(|member| member.has.iter().copied()).collect();
        all.len() == self.partitions && shares.all(|share| share == least || share == least + 1)
    }

    /// Lets everything happen until everybody has its share: when that is.
    fn settle(&mut self) -> i64 {
        let deadline_ms = self.bench.now_ms + 60_000;
        loop {
            let now_ms = self.step();
            if self.is_settled() {
                return now_ms;
            }
            assert!(now_ms < deadline_ms, "it never settles");
        }
    }

    /// Lets everything happen until a moment.
    fn run_until(&mut self, until_ms: i64) {
        while self.events.first_key_value().is_some_and(|((at_ms, _), _)| *at_ms <= until_ms) {
            self.step();
        }
    }

    /// One more member joins a group that has not changed for long: how long until everybody has its share.
    fn one_more_joins_when_it_is_calm(&mut self) -> i64 {
        let settled_ms = self.settle();
        let joins_ms = settled_ms + 2 * USUAL_MS;
        self.run_until(joins_ms);
        self.joins(joins_ms);
        self.settle() - joins_ms
    }
}

#[test]
fn when_all_start_it_takes_two_short_intervals() {
    for seed in 0..3 {
        let mut simulation = Simulation::new(1_000, seed);
        (0..100).for_each(|_| simulation.joins(0));
        let took_ms = simulation.settle();
        assert!(took_ms <= 2 * BUSY_MS + TRIPS * TRIP_MAX_MS, "seed {seed}: {took_ms} ms");
    }
}

#[test]
fn a_member_that_joins_a_calm_group_has_its_share_within_a_second() {
    for seed in 0..3 {
        let mut simulation = Simulation::new(1_000, seed);
        (0..99).for_each(|_| simulation.joins(0));
        let took_ms = simulation.one_more_joins_when_it_is_calm();
        assert!(took_ms <= 500 + BUSY_MS + TRIPS * TRIP_MAX_MS, "seed {seed}: {took_ms} ms");
    }
}

#[test]
fn a_calm_coordinator_is_asked_no_more_often_than_it_likes() {
    for members in [4, 100, 600] {
        let mut simulation = Simulation::new(10, 0);
        (0..members).for_each(|_| simulation.joins(0));
        let settled_ms = simulation.settle();
        simulation.run_until(settled_ms + 2 * USUAL_MS);
        simulation.heartbeats = 0;
        simulation.run_until(settled_ms + 4 * USUAL_MS);
        // All have begun at once: perhaps they are just about to speak when it ends.
        let most = 200 * 2 * USUAL_MS / 1_000 + members;
        assert!(simulation.heartbeats <= most, "{members}: {}", simulation.heartbeats);
        let least = members * 2 * USUAL_MS / (USUAL_MS + 2 * TRIP_MAX_MS);
        assert!(simulation.heartbeats >= least, "{members}: {}", simulation.heartbeats);
    }
}

proptest! {
    #[test]
    fn however_they_come_it_takes_two_short_intervals_from_the_last(
        joins_ms in prop::collection::vec(0..1_000_i64, 1..16),
        partitions in 1..40_i32,
        seed: u64,
    ) {
        let mut simulation = Simulation::new(partitions, seed);
        joins_ms.iter().for_each(|at_ms| simulation.joins(*at_ms));
        let last_ms = joins_ms.iter().copied().max().unwrap_or_default();
        // Everybody is there; before that, those that are may have settled among themselves.
        simulation.run_until(last_ms + TRIP_MAX_MS);
        let settled_ms = if simulation.is_settled() { last_ms } else { simulation.settle() };
        prop_assert!(settled_ms - last_ms <= 2 * BUSY_MS + TRIPS * TRIP_MAX_MS, "{} ms", settled_ms - last_ms);
    }
}
