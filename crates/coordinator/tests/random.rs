//! Random members, lost replies, timeouts and failovers. At every moment the log holds everything that was promised, nobody
//! is answered twice, whoever is told of a generation is in it, and nobody is fenced whose place nobody took; and in the end
//! every group is stable again.
//!
//! `PROPTEST_CASES=20000 cargo test -p coordinator --release --test random` is the long form.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use common::{Offset, TopicName};
use coordinator::{
    GroupError, GroupId, GroupState, InstanceId, MemberId, Reply, Request, Settings, Token,
    api::{
        DescribeGroup, Heartbeat, JoinGroup, LeaveGroup, LeavingMember, OffsetCommit, OffsetCommitPartition,
        OffsetCommitTopic, OffsetFetch, Protocol, SyncGroup,
    },
};
use proptest::prelude::*;
use support::{Bench, subscription, topics};
use uuid::Uuid;

const CLIENTS: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    /// A client does what is next for it.
    Go(usize),
    /// It does, and never sees the answer.
    Lose(usize),
    Heartbeat(usize),
    Commit(usize),
    Leave(usize),
    /// It starts anew, under its instance id if it has one.
    Restart(usize),
    Wait(i64),
    FailOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..CLIENTS;
    let step = prop_oneof![
        12 => client.clone().prop_map(Step::Go),
        2 => client.clone().prop_map(Step::Lose),
        4 => client.clone().prop_map(Step::Heartbeat),
        2 => client.clone().prop_map(Step::Commit),
        1 => client.clone().prop_map(Step::Leave),
        1 => client.prop_map(Step::Restart),
        3 => prop_oneof![0..2_000_i64, 5_000..70_000_i64].prop_map(Step::Wait),
        1 => Just(Step::FailOver),
    ];
    prop::collection::vec(step, 1..150)
}

#[derive(Debug, Clone, Default)]
struct Client {
    member_id: MemberId,
    generation_id: i32,
    /// Joined, and the others of the generation if it leads.
    joined: Option<Vec<MemberId>>,
    is_synced: bool,
    waits_for: Option<Token>,
    /// Raised by each restart: answers to former lives are never seen.
    life: u32,
}

impl Client {
    fn next_life(&self) -> Self {
        Self { life: self.life + 1, ..Self::default() }
    }
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    /// Who asked, in which life; none: it will not see the answer.
    asked: BTreeMap<Token, (usize, Option<u32>)>,
    /// Who was told to be in which generation: one client per member id.
    generations: BTreeMap<i32, BTreeSet<MemberId>>,
    committed: i64,
    fresh: u128,
}

impl World {
    fn new() -> Self {
        let settings = Settings { group_initial_rebalance_delay_ms: 500, ..Settings::default() };
        let mut bench = Bench::new(settings);
        bench.set_topics(topics(&[("t", 1, 4)]));
        Self {
            bench,
            clients: vec![Client::default(); CLIENTS],
            asked: BTreeMap::new(),
            generations: BTreeMap::new(),
            committed: 0,
            fresh: 0,
        }
    }

    /// The last two clients are static members.
    fn instance_id(client: usize) -> Option<InstanceId> {
        (client + 2 >= CLIENTS).then(|| InstanceId::from(format!("i{client}")))
    }

    fn send(&mut self, client: usize, request: impl Into<Request>, sees_the_answer: bool) {
        let (token, replies) = self.bench.send(request);
        let life = self.clients[client].life;
        self.asked.insert(token, (client, sees_the_answer.then_some(life)));
        self.clients[client].waits_for = sees_the_answer.then_some(token);
        self.receive(replies);
    }

    fn receive(&mut self, replies: Vec<(Token, Reply)>) {
        for (token, reply) in replies {
            let (client, life) = self.asked.remove(&token).expect("one answer to one request");
            if life == Some(self.clients[client].life) {
                if self.clients[client].waits_for == Some(token) {
                    self.clients[client].waits_for = None;
                }
                self.answered(client, reply);
            }
        }
    }

    fn answered(&mut self, client: usize, reply: Reply) {
        let state = &mut self.clients[client];
        let error = match reply {
            Reply::JoinGroup(Ok(joined)) => {
                assert!(joined.generation_id >= 1);
                assert!(joined.is_leader() || joined.members.is_empty());
                self.generations.entry(joined.generation_id).or_default().insert(joined.member_id.clone());
                state.member_id = joined.member_id.clone();
                state.generation_id = joined.generation_id;
                state.is_synced = false;
                let members = joined.members.into_iter().map(|member| member.member_id).collect();
                state.joined = Some(members);
                None
            }
            Reply::JoinGroup(Err(refused)) => {
                if refused.error == GroupError::MemberIdRequired {
                    state.member_id = refused.member_id;
                    return;
                }
                Some(refused.error)
            }
            Reply::SyncGroup(Ok(synced)) => {
                state.is_synced = true;
                // The share says whose it is, and of which generation.
                let expected = format!("{}/{}", state.generation_id, state.member_id);
                let share = String::from_utf8(synced.assignment.to_vec()).unwrap();
                assert!(share.is_empty() || is_share_of(&share, state), "{share} instead of {expected}");
                None
            }
            Reply::SyncGroup(Err(error)) | Reply::Heartbeat(Err(error)) => Some(error),
            Reply::OffsetCommit(Err(error)) => Some(error),
            _ => None,
        };
        // Its instance id is its own, and what it was told in former lives it has forgotten.
        let is_known = !state.member_id.is_empty();
        assert!(!is_known || error != Some(GroupError::FencedInstanceId), "{client} is fenced by itself");
        match error {
            None => {}
            Some(GroupError::UnknownMemberId | GroupError::FencedInstanceId) => {
                *state = Client { waits_for: state.waits_for, life: state.life, ..Client::default() };
            }
            Some(_) => {
                state.joined = None;
                state.is_synced = false;
            }
        }
    }

    /// What is next: join, then sync, then heartbeat.
    fn go(&mut self, client: usize, sees_the_answer: bool) {
        let state = self.clients[client].clone();
        if state.waits_for.is_some() {
            return;
        }
        let group_id = GroupId::from("g");
        match &state.joined {
            None => {
                self.fresh += 1;
                let names = [["range", "sticky"], ["sticky", "range"]][client % 2];
                let protocols =
                    names.map(|name| Protocol { name: name.into(), metadata: subscription(&["t"], &[]) });
                let join = JoinGroup {
                    group_id,
                    member_id: state.member_id,
                    group_instance_id: Self::instance_id(client),
                    client_id: format!("c{client}"),
                    client_host: "/h".into(),
                    session_timeout_ms: 10_000,
                    rebalance_timeout_ms: 30_000,
                    protocol_type: "consumer".into(),
                    protocols: protocols.into(),
                    require_known_member_id: client != 0,
                    supports_skip_assignment: client.is_multiple_of(2),
                    fresh_id: Uuid::from_u128(self.fresh),
                };
                self.send(client, join, sees_the_answer);
            }
            Some(members) if !state.is_synced => {
                let share = |member: &MemberId| {
                    (member.clone(), Bytes::from(format!("{}/{member}", state.generation_id)))
                };
                let sync = SyncGroup {
                    group_id,
                    member_id: state.member_id.clone(),
                    group_instance_id: Self::instance_id(client),
                    generation_id: state.generation_id,
                    protocol_type: Some("consumer".into()),
                    protocol_name: None,
                    assignments: members.iter().map(share).collect(),
                };
                self.send(client, sync, sees_the_answer);
            }
            Some(_) => self.heartbeat(client, sees_the_answer),
        }
    }

    fn heartbeat(&mut self, client: usize, sees_the_answer: bool) {
        let state = self.clients[client].clone();
        let heartbeat = Heartbeat {
            group_id: "g".into(),
            member_id: state.member_id,
            group_instance_id: Self::instance_id(client),
            generation_id: state.generation_id,
        };
        // It goes over the wire beside a join that waits.
        let waits_for = state.waits_for;
        self.send(client, heartbeat, sees_the_answer);
        self.clients[client].waits_for = self.clients[client].waits_for.or(waits_for);
        self.clients[client].waits_for =
            self.clients[client].waits_for.filter(|t| self.asked.contains_key(t));
    }

    fn commit(&mut self, client: usize) {
        let state = self.clients[client].clone();
        if state.joined.is_none() || state.waits_for.is_some() {
            return;
        }
        let offset = Offset(self.committed + 1);
        let partition =
            OffsetCommitPartition { partition: 0, offset, leader_epoch: 1, metadata: String::new() };
        let topic = OffsetCommitTopic {
            name: TopicName::new("t").unwrap(),
            topic_id: None,
            partitions: vec![partition],
        };
        let reply = self.bench.ask(OffsetCommit {
            group_id: "g".into(),
            member_id: state.member_id,
            group_instance_id: Self::instance_id(client),
            generation_id_or_member_epoch: state.generation_id,
            supports_member_epochs: true,
            retention_time_ms: None,
            topics: vec![topic],
        });
        if reply.is_ok() {
            self.committed = offset.0;
            let group = self.bench.ask(DescribeGroup { group_id: "g".into() }).unwrap();
            let is_member =
                group.members.iter().any(|member| member.member_id == self.clients[client].member_id);
            assert!(is_member, "{client} commits, and is not in the group: {group:?}");
            assert_eq!(group.generation_id, self.clients[client].generation_id, "{client} commits");
        }
        self.answered(client, Reply::OffsetCommit(reply));
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Go(client) => self.go(client, true),
            Step::Lose(client) => self.go(client, false),
            Step::Heartbeat(client) => self.heartbeat(client, true),
            Step::Commit(client) => self.commit(client),
            Step::Leave(client) => {
                let member = LeavingMember {
                    member_id: self.clients[client].member_id.clone(),
                    group_instance_id: Self::instance_id(client),
                };
                self.send(client, LeaveGroup { group_id: "g".into(), members: vec![member] }, false);
                self.clients[client] = self.clients[client].next_life();
            }
            Step::Restart(client) => self.clients[client] = self.clients[client].next_life(),
            Step::Wait(ms) => {
                let replies = self.bench.wait(ms);
                self.receive(replies);
            }
            Step::FailOver => {
                self.bench.fail_over();
                self.asked.clear();
                for client in &mut self.clients {
                    client.waits_for = None;
                    client.joined = None;
                }
            }
        }
        self.bench.check_log();
        self.check_offset();
    }

    /// The last offset that was accepted is there.
    fn check_offset(&mut self) {
        let topics = self.bench.ask(OffsetFetch {
            group_id: "g".into(),
            member_id: None,
            member_epoch: -1,
            topics: None,
            require_stable: true,
        });
        let found = topics.unwrap().first().map(|topic| topic.partitions[0].result.clone().unwrap().unwrap());
        assert_eq!(found.map_or(0, |committed| committed.offset.0), self.committed);
    }

    /// Everybody behaves from now on: soon all are stable, each with its share.
    fn heal(&mut self) {
        for _ in 0..400 {
            for client in 0..CLIENTS {
                self.go(client, true);
            }
            let replies = self.bench.wait(500);
            self.receive(replies);
        }
        let group = self.bench.ask(DescribeGroup { group_id: "g".into() }).unwrap();
        assert_eq!(group.state, GroupState::Stable, "{group:?}");
        assert_eq!(group.members.len(), CLIENTS, "{group:?}");
        assert!(group.members.iter().all(|member| !member.assignment.is_empty()), "{group:?}");
        assert!(self.clients.iter().all(|client| client.is_synced));
    }
}

/// A static member keeps the share of the generation that it had under another member id.
fn is_share_of(share: &str, client: &Client) -> bool {
    let (generation, member_id) = share.split_once('/').unwrap();
    let name = |id: &str| id.split_once('-').map(|(name, _)| name.to_owned());
    generation == client.generation_id.to_string() && name(member_id) == name(client.member_id.as_str())
}

proptest! {
    #[test]
    fn whatever_happens(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.heal();
    }
}
