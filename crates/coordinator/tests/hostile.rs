//! What a client can say to keep a coordinator from everything else. Nothing here looks at the time: should the work grow with
//! the square of what is said again, these tests take minutes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

mod support;

use coordinator::{
    GroupId, MemberId, Reply, Settings,
    api::{JoinGroup, Protocol},
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
