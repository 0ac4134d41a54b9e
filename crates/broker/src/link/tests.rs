//! The rules of "How a broker follows the controller", one by one, with time as a number.

use client::{CallError, Controller, DiscoveryError, HttpError, LeaderHint};
use common::{BrokerEpoch, BrokerId, BrokerStatus, MetadataVersion, NodeId, Term};
use http_api::{
    ControllerInfo, ErrorCode, HeartbeatRequest, HeartbeatResponse, MetadataPush, Problem,
    RegisterBrokerResponse, UpdateType,
};

use super::*;

const ME: BrokerId = BrokerId(101);

/// A link and a clock.
struct Bench {
    link: Link,
    now: Time,
}

fn ms(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn url(node: u64) -> String {
    format!("http://node-{node}")
}

fn controller(node: u64, term: u64) -> Controller {
    Controller { id: NodeId(node), url: url(node), term: Term(term) }
}

fn push(update_type: UpdateType, node: u64, term: u64, version: u64) -> MetadataPush {
    MetadataPush {
        update_type,
        version: MetadataVersion(version),
        controller_id: NodeId(node),
        controller_url: url(node),
        controller_term: Term(term),
        timestamp: 0,
    }
}

fn heartbeat_ok(node: u64, term: u64, version: u64, broker_status: BrokerStatus) -> Answer {
    Answer::Heartbeat(Ok(HeartbeatResponse {
        success: true,
        metadata_version: MetadataVersion(version),
        controller_id: NodeId(node),
        controller_term: Term(term),
        broker_status,
        timestamp: 0,
    }))
}

fn registered(node: u64, term: u64, epoch: i64, version: u64) -> Answer {
    Answer::Registered(Ok(RegisterBrokerResponse {
        broker_id: ME,
        broker_epoch: BrokerEpoch(epoch),
        metadata_version: MetadataVersion(version),
        controller_info: ControllerInfo {
            controller_id: NodeId(node),
            controller_url: url(node),
            controller_term: Term(term),
            timestamp: 0,
        },
    }))
}

fn pulled(version: u64, led_partitions: usize) -> Answer {
    Answer::Pulled(Ok(Pulled { version: MetadataVersion(version), led_partitions }))
}

fn nobody() -> Answer {
    Answer::Discovered(Err(DiscoveryError { answers: vec!["nobody".into()] }))
}

fn no_answer() -> CallError {
    CallError::NoAnswer(HttpError::Timeout { url: url(1), timeout_ms: 1000 })
}

fn problem(code: ErrorCode) -> CallError {
    CallError::Problem(Box::new(Problem::new(code, "said the controller")))
}

fn not_controller(asked: u64, leader: Option<u64>) -> CallError {
    let leader = leader.map(|node| LeaderHint { id: Some(NodeId(node)), url: url(node) });
    CallError::NotController { url: url(asked), leader }
}

impl Bench {
    fn new() -> Self {
        let config = LinkConfig {
            broker_id: ME,
            heartbeat_interval: ms(500),
            session_timeout: ms(3_000),
            request_timeout: ms(1_000),
            metadata_refresh: ms(120_000),
            shutdown_timeout: ms(5_000),
        };
        Self { link: Link::new(config, 7), now: Time::ZERO }
    }

    /// Registered at node 1 in term 1 under epoch 9, with metadata of version 10.
    fn following() -> Self {
        let mut bench = Self::new();
        let job = bench.expect(&Action::Discover);
        bench.answer(job, Answer::Discovered(Ok(controller(1, 1))));
        let job = bench.expect(&Action::Register { url: url(1) });
        bench.answer(job, registered(1, 1, 9, 10));
        let job = bench.expect(&Action::Pull { url: url(1), since: None });
        bench.answer(job, pulled(10, 0));
        bench.nothing();
        bench
    }

    fn answer(&mut self, job: JobId, answer: Answer) {
        self.link.answer(self.now, job, answer);
    }

    /// The next job, without any time passing.
    fn job(&mut self) -> Job {
        self.link.poll(self.now).expect("there is something to do now")
    }

    fn expect(&mut self, action: &Action) -> JobId {
        let job = self.job();
        assert_eq!(&job.action, action);
        job.id
    }

    fn nothing(&mut self) {
        assert_eq!(self.link.poll(self.now), None);
    }

    /// Lets time pass until the link has something to do.
    fn sleep(&mut self) -> Time {
        self.nothing();
        let deadline = self.link.deadline().expect("the link waits for a time");
        let slept = deadline.saturating_sub(self.now);
        self.now = self.now.max(deadline);
        slept
    }

    fn expect_heartbeat(&mut self, node: u64) -> (JobId, HeartbeatRequest) {
        let job = self.job();
        match job.action {
            Action::Heartbeat { url: asked, request } if asked == url(node) => (job.id, request),
            other => panic!("a heartbeat to node {node} was expected, not {other:?}"),
        }
    }

    /// One heartbeat at its time that is answered so.
    fn heartbeat(&mut self, node: u64, answer: Answer) {
        self.sleep();
        let (job, _) = self.expect_heartbeat(node);
        self.answer(job, answer);
    }

    fn phase(&self) -> &Phase {
        self.link.phase()
    }

    fn end(&self) -> &End {
        self.link.ended().expect("the link ended")
    }
}

#[test]
fn discovery_backs_off_1_2_4_8_seconds_with_jitter_for_ever() {
    let mut bench = Bench::new();
    for most in [1_000, 2_000, 4_000, 8_000, 8_000, 8_000] {
        let job = bench.expect(&Action::Discover);
        bench.answer(job, nobody());
        let slept = bench.sleep();
        assert!(
            slept >= ms(most / 2) && slept <= ms(most),
            "{slept:?} is not within half of {most} ms and it"
        );
    }
}

#[test]
fn two_brokers_do_not_come_back_together() {
    let pause = |seed| {
        let mut bench = Bench::new();
        bench.link = Link::new(bench.link.config, seed);
        let job = bench.expect(&Action::Discover);
        bench.answer(job, nobody());
        bench.sleep()
    };
    assert_ne!(pause(1), pause(2));
    assert_eq!(pause(1), pause(1));
}

#[test]
fn registers_then_pulls_everything_then_heartbeats() {
    let mut bench = Bench::following();
    let slept = bench.sleep();
    assert!(slept <= ms(500), "{slept:?}");
    let (job, request) = bench.expect_heartbeat(1);
    assert_eq!(request.broker_epoch, BrokerEpoch(9));
    assert_eq!(request.metadata_version, Some(MetadataVersion(10)));
    assert!(!request.want_shutdown);
    bench.answer(job, heartbeat_ok(1, 1, 10, BrokerStatus::Online));
    assert_eq!(bench.link.status().broker_status, Some(BrokerStatus::Online));
}

#[test]
fn a_slow_pull_does_not_delay_heartbeats() {
    let mut bench = Bench::new();
    let job = bench.expect(&Action::Discover);
    bench.answer(job, Answer::Discovered(Ok(controller(1, 1))));
    let job = bench.expect(&Action::Register { url: url(1) });
    bench.answer(job, registered(1, 1, 9, 10));
    let pull = bench.expect(&Action::Pull { url: url(1), since: None });
    for _ in 0..5 {
        bench.heartbeat(1, heartbeat_ok(1, 1, 12, BrokerStatus::Online));
    }
    bench.answer(pull, pulled(11, 0));
    // 12 was heard of meanwhile.
    bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(11)) });
}

#[test]
fn heartbeats_keep_to_the_schedule_however_long_answers_take() {
    let mut bench = Bench::following();
    bench.sleep();
    let first = bench.now;
    for beat in 0..10 {
        assert_eq!(bench.now, first + ms(500) * beat);
        let (job, _) = bench.expect_heartbeat(1);
        bench.now += ms(37);
        bench.answer(job, heartbeat_ok(1, 1, 10, BrokerStatus::Online));
        bench.sleep();
    }
    // After a long pause of the process: one heartbeat, no burst.
    bench.now += ms(10_000);
    let (job, _) = bench.expect_heartbeat(1);
    bench.answer(job, heartbeat_ok(1, 1, 10, BrokerStatus::Online));
    assert_eq!(bench.sleep(), ms(500));
}

#[test]
fn a_newer_version_is_pulled_from_the_own_one_on() {
    let mut bench = Bench::following();
    bench.heartbeat(1, heartbeat_ok(1, 1, 15, BrokerStatus::Online));
    let job = bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(10)) });
    // A bump during the pull does not start a second one...
    assert!(bench.link.push(bench.now, &push(UpdateType::MetadataChanged, 1, 1, 16)));
    bench.nothing();
    bench.answer(job, pulled(15, 0));
    // ...but is pulled afterwards.
    let job = bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(15)) });
    bench.answer(job, pulled(16, 0));
    bench.nothing();
}

#[test]
fn deltas_that_do_not_fit_are_followed_by_a_full_image() {
    let mut bench = Bench::following();
    bench.heartbeat(1, heartbeat_ok(1, 1, 15, BrokerStatus::Online));
    let gap = || Answer::Pulled(Err(PullFailure::Gap { detail: "from 12".into() }));
    let job = bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(10)) });
    bench.answer(job, gap());
    let job = bench.expect(&Action::Pull { url: url(1), since: None });
    bench.answer(job, gap());
    bench.nothing();
    assert!(bench.sleep() >= ms(50));
}

#[test]
fn failed_pulls_back_off_and_heartbeats_go_on() {
    let mut bench = Bench::following();
    assert!(bench.link.push(bench.now, &push(UpdateType::MetadataChanged, 1, 1, 11)));
    let mut pulls = 0;
    let begin = bench.now;
    while bench.now < begin + ms(30_000) {
        let job = bench.job();
        match job.action {
            Action::Pull { .. } => {
                pulls += 1;
                bench.answer(job.id, Answer::Pulled(Err(PullFailure::Failed { detail: "no".into() })));
            }
            Action::Heartbeat { .. } => {
                bench.answer(job.id, heartbeat_ok(1, 1, 11, BrokerStatus::Online));
            }
            other => panic!("{other:?}"),
        }
        bench.sleep();
    }
    assert!((8..20).contains(&pulls), "{pulls} pulls in 30 s");
    assert_eq!(bench.link.status().consecutive_failures, 0);
}

#[test]
fn metadata_is_pulled_anyway_once_in_a_while() {
    let mut bench = Bench::following();
    let pull = loop {
        bench.sleep();
        let job = bench.job();
        match job.action {
            Action::Heartbeat { .. } => {
                bench.answer(job.id, heartbeat_ok(1, 1, 10, BrokerStatus::Online));
            }
            other => break other,
        }
    };
    assert_eq!(pull, Action::Pull { url: url(1), since: Some(MetadataVersion(10)) });
    assert!(bench.now >= ms(60_000) && bench.now <= ms(120_000), "at {:?}", bench.now);
}

#[test]
fn a_503_that_names_the_leader_is_followed_at_once() {
    let mut bench = Bench::following();
    bench.heartbeat(1, Answer::Heartbeat(Err(not_controller(1, Some(2)))));
    let (job, request) = bench.expect_heartbeat(2);
    assert_eq!(request.broker_epoch, BrokerEpoch(9), "no new registration is needed");
    bench.answer(job, heartbeat_ok(2, 2, 10, BrokerStatus::Online));
    assert_eq!(bench.link.status().controller, Some(controller(2, 2)));
    assert_eq!(bench.link.status().rediscoveries, 0);
}

#[test]
fn nodes_that_name_each_other_are_not_followed_for_ever() {
    let mut bench = Bench::following();
    bench.heartbeat(1, Answer::Heartbeat(Err(not_controller(1, Some(2)))));
    let (job, _) = bench.expect_heartbeat(2);
    bench.answer(job, Answer::Heartbeat(Err(not_controller(2, Some(1)))));
    let (job, _) = bench.expect_heartbeat(1);
    bench.answer(job, Answer::Heartbeat(Err(not_controller(1, Some(2)))));
    bench.expect(&Action::Discover);
}

#[test]
fn three_failures_in_a_row_and_the_controller_is_looked_for_anew() {
    let mut bench = Bench::following();
    bench.heartbeat(1, Answer::Heartbeat(Err(no_answer())));
    bench.heartbeat(1, Answer::Heartbeat(Err(not_controller(1, None))));
    // A success in between: it starts over.
    bench.heartbeat(1, heartbeat_ok(1, 1, 10, BrokerStatus::Online));
    for _ in 0..3 {
        bench.heartbeat(1, Answer::Heartbeat(Err(no_answer())));
    }
    let job = bench.expect(&Action::Discover);
    assert_eq!(bench.link.status().rediscoveries, 1);
    assert_eq!(bench.link.status().consecutive_failures, 3);
    assert_eq!(bench.link.status().controller, None);
    // Found again: the registration still holds.
    bench.answer(job, Answer::Discovered(Ok(controller(3, 4))));
    let (job, _) = bench.expect_heartbeat(3);
    bench.answer(job, heartbeat_ok(3, 4, 10, BrokerStatus::Online));
    assert_eq!(bench.link.status().consecutive_failures, 0);
}

#[test]
fn a_controller_of_a_lower_term_is_not_believed() {
    let mut bench = Bench::following();
    assert!(bench.link.push(bench.now, &push(UpdateType::ControllerChanged, 2, 5, 10)));
    let (job, _) = bench.expect_heartbeat(2);
    // Neither its heartbeats...
    bench.answer(job, heartbeat_ok(2, 4, 99, BrokerStatus::Offline));
    assert_eq!(bench.link.status().consecutive_failures, 1);
    assert_eq!(bench.link.status().known_version, MetadataVersion(10));
    assert_eq!(bench.link.status().broker_status, Some(BrokerStatus::Online));
    for _ in 0..2 {
        bench.heartbeat(2, Answer::Heartbeat(Err(no_answer())));
    }
    // ...nor what discovery finds...
    let job = bench.expect(&Action::Discover);
    bench.answer(job, Answer::Discovered(Ok(controller(1, 4))));
    assert!(matches!(bench.phase(), Phase::Discovering { failed_rounds: 1, .. }));
    // ...nor its pushes.
    assert!(!bench.link.push(bench.now, &push(UpdateType::ControllerChanged, 1, 4, 50)));
    assert_eq!(bench.link.status().known_version, MetadataVersion(10));
    // The controller of the term that was seen may be found again.
    bench.sleep();
    let job = bench.expect(&Action::Discover);
    bench.answer(job, Answer::Discovered(Ok(controller(2, 5))));
    bench.expect_heartbeat(2);
}

#[test]
fn controller_changed_switches_at_once_and_the_late_answer_of_the_former_is_ignored() {
    let mut bench = Bench::following();
    bench.sleep();
    let (late, _) = bench.expect_heartbeat(1);
    assert!(bench.link.push(bench.now, &push(UpdateType::ControllerChanged, 2, 2, 10)));
    assert!(!bench.link.is_under_way(late));
    let (job, _) = bench.expect_heartbeat(2);
    bench.answer(late, Answer::Heartbeat(Err(problem(ErrorCode::StaleBrokerEpoch))));
    assert_eq!(bench.link.status().controller, Some(controller(2, 2)));
    assert_eq!(bench.link.status().consecutive_failures, 0);
    bench.answer(job, heartbeat_ok(2, 2, 10, BrokerStatus::Online));
}

#[test]
fn late_and_repeated_pushes_are_acknowledged_and_change_nothing() {
    let mut bench = Bench::following();
    assert!(bench.link.push(bench.now, &push(UpdateType::ControllerChanged, 2, 7, 20)));
    let before = bench.link.clone();
    for (update_type, node, term, version) in [
        (UpdateType::ControllerChanged, 2, 7, 20),
        (UpdateType::ControllerChanged, 1, 6, 21),
        (UpdateType::MetadataChanged, 1, 6, 99),
        (UpdateType::MetadataChanged, 2, 7, 20),
        (UpdateType::MetadataChanged, 2, 7, 3),
        // Two controllers in one term cannot be.
        (UpdateType::ControllerChanged, 3, 7, 20),
    ] {
        assert!(!bench.link.push(bench.now, &push(update_type, node, term, version)));
        assert_eq!(bench.link.status(), before.status());
        assert_eq!(bench.link.phase(), before.phase());
    }
}

#[test]
fn pushes_in_any_order_leave_the_highest_term_and_version() {
    let pushes = [(1, 1, 11), (2, 2, 12), (3, 3, 13), (3, 3, 14), (2, 4, 15)];
    // All orders of five pushes, by Heap's algorithm.
    let mut order = [0, 1, 2, 3, 4];
    let mut counters = [0; 5];
    let check = |order: &[usize; 5]| {
        let mut bench = Bench::following();
        for &position in order {
            let (node, term, version) = pushes[position];
            bench.link.push(bench.now, &push(UpdateType::ControllerChanged, node, term, version));
        }
        let status = bench.link.status();
        assert_eq!(status.term, Term(4));
        assert_eq!(status.controller, Some(controller(2, 4)));
        // A version is only believed from the newest term seen so far; the newest one is always among those.
        assert_eq!(status.known_version, MetadataVersion(15));
    };
    check(&order);
    let mut i = 0;
    while i < 5 {
        if counters[i] < i {
            order.swap(if i % 2 == 0 { 0 } else { counters[i] }, i);
            check(&order);
            counters[i] += 1;
            i = 0;
        } else {
            counters[i] = 0;
            i += 1;
        }
    }
}

#[test]
fn a_push_ends_discovery() {
    let mut bench = Bench::new();
    let late = bench.expect(&Action::Discover);
    assert!(bench.link.push(bench.now, &push(UpdateType::ControllerChanged, 2, 3, 1)));
    let job = bench.expect(&Action::Register { url: url(2) });
    bench.answer(late, Answer::Discovered(Ok(controller(1, 2))));
    bench.answer(job, registered(2, 3, 4, 1));
    assert!(matches!(bench.phase(), Phase::Following { .. }));
}

#[test]
fn the_leader_of_a_term_corrects_a_hint() {
    let mut bench = Bench::following();
    assert!(bench.link.push(bench.now, &push(UpdateType::ControllerChanged, 2, 2, 10)));
    let (job, _) = bench.expect_heartbeat(2);
    bench.answer(job, Answer::Heartbeat(Err(not_controller(2, Some(3)))));
    bench.expect_heartbeat(3);
    assert!(bench.link.push(bench.now, &push(UpdateType::MetadataChanged, 2, 2, 10)));
    bench.expect_heartbeat(2);
}

#[test]
fn unknown_broker_registers_again_and_keeps_the_metadata() {
    let mut bench = Bench::following();
    bench.heartbeat(1, Answer::Heartbeat(Err(problem(ErrorCode::UnknownBroker))));
    let job = bench.expect(&Action::Register { url: url(1) });
    bench.answer(job, registered(1, 1, 30, 31));
    bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(10)) });
    bench.sleep();
    let (_, request) = bench.expect_heartbeat(1);
    assert_eq!(request.broker_epoch, BrokerEpoch(30));
}

#[test]
fn fenced_by_a_newer_process_it_ends_and_never_takes_the_id_back() {
    let mut bench = Bench::following();
    bench.heartbeat(1, Answer::Heartbeat(Err(problem(ErrorCode::StaleBrokerEpoch))));
    let job = bench.expect(&Action::Register { url: url(1) });
    bench.answer(job, Answer::Registered(Err(problem(ErrorCode::DuplicateBrokerId))));
    assert!(matches!(bench.end(), End::Fenced { .. }));
    bench.nothing();
    assert_eq!(bench.link.deadline(), None);
}

#[test]
fn a_stale_epoch_without_another_process_is_healed_by_registering() {
    let mut bench = Bench::following();
    bench.heartbeat(1, Answer::Heartbeat(Err(problem(ErrorCode::StaleBrokerEpoch))));
    let job = bench.expect(&Action::Register { url: url(1) });
    bench.answer(job, registered(1, 1, 31, 10));
    assert!(matches!(bench.phase(), Phase::Following { .. }));
}

#[test]
fn at_the_start_the_former_process_is_waited_for_but_not_for_ever() {
    let mut bench = Bench::new();
    let job = bench.expect(&Action::Discover);
    bench.answer(job, Answer::Discovered(Ok(controller(1, 1))));
    while bench.link.ended().is_none() {
        let job = bench.expect(&Action::Register { url: url(1) });
        bench.answer(job, Answer::Registered(Err(problem(ErrorCode::DuplicateBrokerId))));
        if bench.link.ended().is_none() {
            assert!(bench.sleep() <= ms(200));
        }
    }
    assert!(matches!(bench.end(), End::DuplicateId { .. }));
    assert!(bench.now > ms(6_000) && bench.now < ms(7_000), "{:?}", bench.now);
}

#[test]
fn refusals_that_stay_refusals_end_the_broker() {
    for (code, is_end) in [
        (ErrorCode::InvalidRegistration, true),
        (ErrorCode::WrongCluster, true),
        (ErrorCode::Overloaded, false),
        (ErrorCode::Internal, false),
        (ErrorCode::CommitUnknown, false),
    ] {
        let mut bench = Bench::new();
        let job = bench.expect(&Action::Discover);
        bench.answer(job, Answer::Discovered(Ok(controller(1, 1))));
        let job = bench.expect(&Action::Register { url: url(1) });
        bench.answer(job, Answer::Registered(Err(problem(code))));
        assert_eq!(bench.link.ended().is_some(), is_end, "{code}");
    }
}

#[test]
fn failing_registrations_lead_back_to_discovery() {
    let mut bench = Bench::new();
    let job = bench.expect(&Action::Discover);
    bench.answer(job, Answer::Discovered(Ok(controller(1, 1))));
    for attempt in 0..3 {
        if attempt > 0 {
            assert!(bench.sleep() <= ms(200));
        }
        let job = bench.expect(&Action::Register { url: url(1) });
        bench.answer(job, Answer::Registered(Err(no_answer())));
    }
    bench.expect(&Action::Discover);
}

#[test]
fn the_metadata_of_another_cluster_ends_the_broker() {
    let mut bench = Bench::following();
    assert!(bench.link.push(bench.now, &push(UpdateType::MetadataChanged, 1, 1, 11)));
    let job = bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(10)) });
    bench.answer(job, Answer::Pulled(Err(PullFailure::WrongCluster { detail: "other".into() })));
    assert!(matches!(bench.end(), End::WrongCluster { .. }));
}

#[test]
fn leaving_hands_leaderships_over_first() {
    let mut bench = Bench::following();
    assert!(bench.link.push(bench.now, &push(UpdateType::MetadataChanged, 1, 1, 12)));
    let job = bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(10)) });
    bench.answer(job, pulled(12, 3));
    bench.link.leave(bench.now);
    let (job, request) = bench.expect_heartbeat(1);
    assert!(request.want_shutdown);
    // Not yet drained.
    bench.answer(job, heartbeat_ok(1, 1, 12, BrokerStatus::Online));
    assert!(bench.sleep() <= ms(50));
    let (job, _) = bench.expect_heartbeat(1);
    // Drained at version 14: the metadata of that moment has to be seen.
    bench.answer(job, heartbeat_ok(1, 1, 14, BrokerStatus::Draining));
    let pull = bench.expect(&Action::Pull { url: url(1), since: Some(MetadataVersion(12)) });
    assert_eq!(bench.link.ended(), None);
    bench.answer(pull, pulled(14, 0));
    assert_eq!(bench.end(), &End::Left { handed_over: true });
}

#[test]
fn leaving_survives_a_change_of_controller() {
    let mut bench = Bench::following();
    bench.link.leave(bench.now);
    let (job, _) = bench.expect_heartbeat(1);
    bench.answer(job, Answer::Heartbeat(Err(not_controller(1, Some(2)))));
    let (job, request) = bench.expect_heartbeat(2);
    assert!(request.want_shutdown);
    bench.answer(job, heartbeat_ok(2, 2, 10, BrokerStatus::Draining));
    assert_eq!(bench.end(), &End::Left { handed_over: true });
}

#[test]
fn leaving_does_not_wait_for_ever() {
    let mut bench = Bench::following();
    bench.link.leave(bench.now);
    while bench.link.ended().is_none() {
        if let Some(job) = bench.link.poll(bench.now) {
            bench.answer(job.id, heartbeat_ok(1, 1, 10, BrokerStatus::Online));
        } else if bench.link.ended().is_none() {
            bench.sleep();
        }
    }
    assert_eq!(bench.end(), &End::Left { handed_over: false });
    assert_eq!(bench.now, ms(5_000));
}

#[test]
fn leaving_is_quick_when_no_controller_answers() {
    let mut bench = Bench::new();
    bench.link.leave(bench.now);
    assert_eq!(bench.end(), &End::Left { handed_over: false });

    let mut bench = Bench::following();
    let begin = bench.now;
    bench.link.leave(bench.now);
    for _ in 0..3 {
        let (job, _) = bench.expect_heartbeat(1);
        bench.answer(job, Answer::Heartbeat(Err(no_answer())));
        if bench.link.ended().is_none() {
            bench.sleep();
        }
    }
    assert_eq!(bench.end(), &End::Left { handed_over: false });
    assert!(bench.now - begin <= ms(100));
}
