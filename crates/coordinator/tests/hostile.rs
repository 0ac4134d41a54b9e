//! What a client can say to keep a coordinator from everything else. Nothing here looks at the time: should the work grow with
//! the square of what is said again, these tests take minutes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

mod support;

use coordinator::{
    GroupId, GroupState, MemberId, Reply, Settings,
    api::{DescribeGroup, JoinGroup, LeaveGroup, LeavingMember, Protocol, SyncGroup},
};
use support::{Bench, heartbeat, subscription, topics};
use uuid::Uuid;

/// Names in one request of about a MB.
const MANY: usize = 100_000;

fn join(number: u128, protocols: Vec<Protocol>) -> JoinGroup {
    JoinGroup {
        group_id: GroupId::from("g"),
        member_id: MemberId::default(),
        group_instance_id: None,
        client_id: "c".to_owned(),
        client_host: "/h".to_owned(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols,
        require_known_member_id: false,
        supports_skip_assignment: true,
        fresh_id: Uuid::from_u128(number),
    }
}

/// Different names, the last of which is one that everybody has.
fn many_protocols(tag: &str) -> Vec<Protocol> {
    let metadata = subscription(&["t"], &[]);
    let names = (0..MANY).map(|number| format!("{tag}{number}"));
    let mut protocols: Vec<Protocol> =
        names.map(|name| Protocol { name, metadata: bytes::Bytes::new() }).collect();
    protocols[0].metadata = metadata.clone();
    protocols.push(Protocol { name: "range".to_owned(), metadata });
    protocols
}

#[test]
fn a_member_of_a_classic_group_may_know_very_many_protocols() {
    let mut bench = Bench::new(Settings { group_initial_rebalance_delay_ms: 0, ..Settings::default() });
    bench.send(join(1, many_protocols("a")));
    bench.send(join(2, many_protocols("b")));
    let replies = bench.wait(0);
    let joined = replies.iter().filter_map(|(_, reply)| match reply {
        Reply::JoinGroup(Ok(joined)) => Some(joined.protocol_name.as_str()),
        _ => None,
    });
    assert_eq!(joined.collect::<Vec<_>>(), ["range", "range"]);
}

#[test]
fn a_member_of_a_consumer_group_may_know_very_many_protocols() {
    let settings = Settings { record_bytes_max: 100 << 20, ..Settings::default() };
    let mut bench = Bench::new(settings);
    bench.set_topics(topics(&[("t", 1, 4)]));
    bench.send(heartbeat("m", 0, &[]));
    for (number, tag) in [(1, "a"), (2, "b")] {
        let (_, replies) = bench.send(join(number, many_protocols(tag)));
        assert!(
            matches!(&replies[0].1, Reply::JoinGroup(Ok(joined)) if joined.protocol_name == format!("{tag}0"))
        );
    }
}

#[test]
fn static_members_that_never_come_do_not_keep_the_coordinator_awake() {
    let mut bench = Bench::new(Settings { group_initial_rebalance_delay_ms: 0, ..Settings::default() });
    let protocols = || vec![Protocol { name: "range".to_owned(), metadata: subscription(&["t"], &[]) }];
    let hasty = |number| JoinGroup { rebalance_timeout_ms: 1, ..join(number, protocols()) };
    bench.send(JoinGroup { group_instance_id: Some("i".into()), ..hasty(1) });
    bench.wait(0);
    bench.send(SyncGroup {
        group_id: "g".into(),
        member_id: format!("i-{}", Uuid::from_u128(1)).into(),
        group_instance_id: None,
        generation_id: 1,
        protocol_type: None,
        protocol_name: None,
        assignments: Vec::new(),
    });
    // Another one comes and goes: the generation without it is waited for until the session of the first has ended.
    bench.send(hasty(2));
    bench.wait(1);
    let member =
        LeavingMember { member_id: format!("c-{}", Uuid::from_u128(2)).into(), group_instance_id: None };
    let left = bench.ask(LeaveGroup { group_id: "g".into(), members: vec![member] });
    assert_eq!(left.unwrap()[0].result, Ok(()));
    let group = bench.ask(DescribeGroup { group_id: "g".into() }).unwrap();
    assert_eq!((group.state, group.members.len()), (GroupState::PreparingRebalance, 1));
    let mut ticks = 0;
    while let Some(due) = bench.coordinator.next_deadline().filter(|due| *due < 60_000) {
        bench.now_ms = due;
        bench.tick();
        ticks += 1;
    }
    assert!(ticks <= 100, "{ticks} times in a minute");
}
