//! Consumer groups under random members, of both protocols, with lost answers, silence, restarts, failovers, and topics that
//! change. At every moment no partition is with two members of the group; and in the end, when all behave, every partition is
//! with one, and nobody has more than one more than another.
//!
//! `PROPTEST_CASES=20000 cargo test -p coordinator --release --test random_consumer` is the long form.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use common::{Offset, TopicId, TopicName};
use coordinator::{
    GroupError, GroupId, GroupState, InstanceId, MemberId, MigrationPolicy, Reply, Settings,
    api::{
        ConsumerGroupDescribe, ConsumerGroupHeartbeat, DescribeGroup, Heartbeat, JoinGroup, LeaveGroup,
        LeavingMember, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic, OffsetFetch, Protocol,
        SyncGroup, TopicPartitions,
    },
};
use proptest::prelude::*;
use support::{Bench, subscription, topics};
use uuid::Uuid;

const CLIENTS: usize = 6;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Consumer,
    /// Classic, keeps what it has while it joins.
    Cooperative,
    /// Classic, gives everything up before it joins.
    Eager,
}

#[derive(Debug, Clone)]
enum Step {
    Go {
        client: usize,
        loses_the_answer: bool,
    },
    /// It gives up what it was told to give up.
    Revoke(usize),
    Leave(usize),
    /// It says goodbye by a heartbeat, if that is how it speaks; a static member will be back.
    SayGoodbye(usize),
    Commit(usize),
    /// The process dies and begins anew, with another protocol perhaps.
    Restart(usize, Speech),
    Wait(i64),
    Partitions(i32),
    /// The other topic is created or deleted. It never comes back, but others of its name do.
    OtherTopic,
    FailOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..CLIENTS;
    let protocol =
        prop_oneof![2 => Just(Speech::Consumer), 1 => Just(Speech::Cooperative), 1 => Just(Speech::Eager)];
    let step = prop_oneof![
        14 => client.clone().prop_map(|client| Step::Go { client, loses_the_answer: false }),
        2 => client.clone().prop_map(|client| Step::Go { client, loses_the_answer: true }),
        6 => client.clone().prop_map(Step::Revoke),
        1 => client.clone().prop_map(Step::Leave),
        1 => client.clone().prop_map(Step::SayGoodbye),
        2 => client.clone().prop_map(Step::Commit),
        2 => (client, protocol).prop_map(|(client, protocol)| Step::Restart(client, protocol)),
        3 => prop_oneof![0..4_000_i64, 5_000..50_000_i64].prop_map(Step::Wait),
        1 => (1..12).prop_map(Step::Partitions),
        1 => Just(Step::OtherTopic),
        1 => Just(Step::FailOver),
    ];
    prop::collection::vec(step, 1..120)
}

type Partition = (TopicId, i32);

/// The id of topic `t`.
const T: TopicId = TopicId(Uuid::from_u128(1));

#[derive(Debug, Clone)]
struct Client {
    protocol: Speech,
    member_id: MemberId,
    epoch: i32,
    /// The protocol that it was told with its generation.
    name: String,
    /// What it works on.
    has: BTreeSet<Partition>,
    /// What it was told to have; it works on nothing else once it has given the rest up.
    is_to_have: BTreeSet<Partition>,
    /// It begins anew with its next heartbeat or join.
    joins: bool,
    /// Has joined by the classic protocol and has to fetch its share.
    syncs: bool,
    waits: bool,
    /// The last answer was lost: it says everything again, if it is one of those who do.
    says_all: bool,
    /// What it said last that it has, and was answered.
    said: BTreeSet<Partition>,
}

impl Client {
    fn new(protocol: Speech) -> Self {
        Self {
            protocol,
            member_id: MemberId::default(),
            epoch: 0,
            name: String::new(),
            has: BTreeSet::new(),
            is_to_have: BTreeSet::new(),
            joins: true,
            syncs: false,
            waits: false,
            says_all: true,
            said: BTreeSet::new(),
        }
    }

    /// It is no member any more: what it worked on is lost to it.
    fn lose_all(&mut self) {
        self.has.clear();
        self.is_to_have.clear();
        (self.epoch, self.joins, self.syncs, self.says_all) = (0, true, false, true);
    }

    fn give_up(&mut self) {
        self.has.retain(|partition| self.is_to_have.contains(partition));
    }

    fn take(&mut self, partitions: BTreeSet<Partition>) {
        self.is_to_have = partitions;
        if self.has.is_subset(&self.is_to_have) {
            self.has.clone_from(&self.is_to_have);
        }
    }
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    tokens: BTreeMap<coordinator::Token, (usize, bool)>,
    fresh: u128,
    /// Of topic `t`, whose id is number 1.
    partitions: i32,
    /// The id of topic `u`, while it is there.
    other: Option<TopicId>,
    /// The last offset that was accepted.
    committed: i64,
}

/// Of topic `u`.
const OTHER_PARTITIONS: i32 = 3;

impl World {
    fn new() -> Self {
        let settings = Settings {
            group_initial_rebalance_delay_ms: 100,
            group_consumer_migration_policy: MigrationPolicy::Bidirectional,
            ..Settings::default()
        };
        let mut world = Self {
            bench: Bench::new(settings),
            clients: vec![Client::new(Speech::Consumer); CLIENTS],
            tokens: BTreeMap::new(),
            fresh: 1,
            partitions: 4,
            other: None,
            committed: 0,
        };
        world.set_topics();
        world
    }

    fn set_topics(&mut self) {
        let t = ("t", 1, self.partitions);
        let u = self.other.map(|id| ("u", id.0.as_u128(), OTHER_PARTITIONS));
        let replies = self.bench.set_topics(topics(&[t].into_iter().chain(u).collect::<Vec<_>>()));
        self.receive(replies);
    }

    /// What a client reads.
    fn reads(client: usize) -> &'static [&'static str] {
        if client % 3 == 1 { &["t", "u"] } else { &["t"] }
    }

    /// Those of its partitions that have a name, in the classic protocol.
    fn named(&self, partitions: &BTreeSet<Partition>) -> Vec<(&'static str, i32)> {
        let name = |id: TopicId| match id {
            T => Some("t"),
            id => (Some(id) == self.other).then_some("u"),
        };
        partitions.iter().filter_map(|(id, number)| Some((name(*id)?, *number))).collect()
    }

    fn fresh(&mut self) -> Uuid {
        self.fresh += 1;
        Uuid::from_u128(self.fresh)
    }

    /// The last two are static members.
    fn instance_id(client: usize) -> Option<InstanceId> {
        (client + 2 >= CLIENTS).then(|| InstanceId::from(format!("i{client}")))
    }

    /// Whether a client that got no answer repeats its heartbeat as it was (librdkafka).
    fn repeats(client: usize) -> bool {
        client.is_multiple_of(2)
    }

    /// What a client can do. They do not all like the same best.
    fn protocols(client: usize, metadata: &bytes::Bytes) -> Vec<Protocol> {
        let names = if client.is_multiple_of(3) { ["p", "q"] } else { ["q", "p"] };
        names.map(|name| Protocol { name: name.into(), metadata: metadata.clone() }).into()
    }

    fn go(&mut self, client: usize, sees_the_answer: bool) {
        if self.clients[client].waits {
            return;
        }
        match self.clients[client].protocol {
            Speech::Consumer => self.beat(client, sees_the_answer),
            Speech::Cooperative | Speech::Eager => self.go_classic(client, sees_the_answer),
        }
    }

    fn send(&mut self, client: usize, request: impl Into<coordinator::Request>, sees_the_answer: bool) {
        let (token, replies) = self.bench.send(request);
        self.tokens.insert(token, (client, sees_the_answer));
        self.clients[client].waits = sees_the_answer;
        self.clients[client].says_all = !sees_the_answer;
        self.receive(replies);
    }

    fn receive(&mut self, replies: Vec<(coordinator::Token, Reply)>) {
        for (token, reply) in replies {
            if let Some((client, true)) = self.tokens.remove(&token) {
                self.clients[client].waits = false;
                self.answered(client, reply);
            }
        }
    }

    fn beat(&mut self, client: usize, sees_the_answer: bool) {
        if self.clients[client].member_id.is_empty() {
            self.clients[client].member_id = self.fresh().to_string().into();
        }
        let state = &self.clients[client];
        let says_all = state.joins || state.says_all && !Self::repeats(client);
        // It says what it has when it has given up what it was to give up; some do so only if that is something else than before.
        let is_done = state.has == state.is_to_have;
        let is_news = !Self::repeats(client) || state.has != state.said;
        let owned = (says_all || is_done && is_news).then(|| to_wire(&state.has));
        if owned.is_some() && sees_the_answer {
            self.clients[client].said = state.has.clone();
        }
        let state = &self.clients[client];
        let request = ConsumerGroupHeartbeat {
            group_id: "g".into(),
            member_id: state.member_id.clone(),
            member_epoch: if state.joins { 0 } else { state.epoch },
            instance_id: Self::instance_id(client),
            rack_id: None,
            rebalance_timeout_ms: says_all.then_some(20_000),
            subscribed_topic_names: says_all
                .then(|| Self::reads(client).iter().map(|name| (*name).to_owned()).collect()),
            subscribed_topic_regex: None,
            server_assignor: (client == 0).then(|| "uniform".to_owned()),
            topic_partitions: owned,
            client_id: format!("c{client}"),
            client_host: "/h".into(),
            fresh_id: Uuid::nil(),
        };
        self.send(client, request, sees_the_answer);
    }

    fn go_classic(&mut self, client: usize, sees_the_answer: bool) {
        let state = self.clients[client].clone();
        let group_id = GroupId::from("g");
        let group_instance_id = Self::instance_id(client);
        if state.joins {
            if state.protocol == Speech::Eager {
                self.clients[client].has.clear();
                self.clients[client].is_to_have.clear();
            }
            let metadata = subscription(Self::reads(client), &self.named(&self.clients[client].has));
            let join = JoinGroup {
                group_id,
                member_id: state.member_id,
                group_instance_id,
                client_id: format!("c{client}"),
                client_host: "/h".into(),
                session_timeout_ms: 10_000,
                rebalance_timeout_ms: 20_000,
                protocol_type: "consumer".into(),
                protocols: Self::protocols(client, &metadata),
                require_known_member_id: client.is_multiple_of(2),
                supports_skip_assignment: true,
                fresh_id: self.fresh(),
            };
            self.send(client, join, sees_the_answer);
        } else if state.syncs {
            let sync = SyncGroup {
                group_id,
                member_id: state.member_id,
                group_instance_id,
                generation_id: state.epoch,
                protocol_type: Some("consumer".into()),
                protocol_name: Some(state.name),
                assignments: self.shares(client),
            };
            self.send(client, sync, sees_the_answer);
        } else {
            let heartbeat = Heartbeat {
                group_id,
                member_id: state.member_id,
                group_instance_id,
                generation_id: state.epoch,
            };
            self.send(client, heartbeat, sees_the_answer);
        }
    }

    /// What a leader of a classic group assigns: it takes only what nobody of the group has, as cooperative ones do.
    fn shares(&self, leader: usize) -> Vec<(MemberId, bytes::Bytes)> {
        let mut free: BTreeSet<i32> = (0..self.partitions).collect();
        let mut shares: BTreeMap<MemberId, Vec<(&str, i32)>> = BTreeMap::new();
        for client in self.clients.iter().filter(|client| client.protocol != Speech::Consumer) {
            let share = shares.entry(client.member_id.clone()).or_default();
            for (name, number) in self.named(&client.has) {
                if name == "t" {
                    free.remove(&number);
                }
                share.push((name, number));
            }
        }
        // What is free of the other topic is left to whoever makes a consumer group of this one.
        let own = shares.entry(self.clients[leader].member_id.clone()).or_default();
        own.extend(free.into_iter().map(|number| ("t", number)));
        shares.into_iter().map(|(id, share)| (id, support::share(&share))).collect()
    }

    fn answered(&mut self, client: usize, reply: Reply) {
        let other = self.other;
        let state = &mut self.clients[client];
        let error = match reply {
            Reply::ConsumerGroupHeartbeat(Ok(answer)) => {
                (state.epoch, state.joins) = (answer.member_epoch, false);
                if let Some(assignment) = answer.assignment {
                    state.take(of_wire(&assignment));
                }
                return;
            }
            Reply::JoinGroup(Ok(joined)) => {
                (state.member_id, state.epoch) = (joined.member_id, joined.generation_id);
                state.name = joined.protocol_name;
                (state.joins, state.syncs) = (false, true);
                return;
            }
            Reply::JoinGroup(Err(refused)) if refused.error == GroupError::MemberIdRequired => {
                state.member_id = refused.member_id;
                return;
            }
            Reply::SyncGroup(Ok(synced)) => {
                state.syncs = false;
                let share = partitions_of(&synced.assignment, other);
                // It gives up at once what is not its own any more, and then has to join again to say so.
                state.joins = !state.has.is_subset(&share);
                state.is_to_have.clone_from(&share);
                state.has = share;
                return;
            }
            Reply::Heartbeat(Ok(())) => return,
            Reply::JoinGroup(Err(refused)) => refused.error,
            Reply::ConsumerGroupHeartbeat(Err(error))
            | Reply::SyncGroup(Err(error))
            | Reply::Heartbeat(Err(error)) => error,
            other => unreachable!("{other:?}"),
        };
        match error {
            GroupError::RebalanceInProgress => (state.joins, state.syncs) = (true, false),
            GroupError::UnreleasedInstanceId => state.lose_all(),
            GroupError::FencedMemberEpoch { .. } | GroupError::IllegalGeneration { .. } => state.lose_all(),
            GroupError::UnknownMemberId => {
                state.lose_all();
                state.member_id = MemberId::default();
            }
            GroupError::FencedInstanceId => panic!("client {client} is fenced, and nobody took its place"),
            other => panic!("client {client} cannot have done that: {other}"),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Go { client, loses_the_answer } => self.go(client, !loses_the_answer),
            Step::Revoke(client) => self.clients[client].give_up(),
            Step::Leave(client) => {
                let member_id = self.clients[client].member_id.clone();
                let member = LeavingMember { member_id, group_instance_id: None };
                self.send(client, LeaveGroup { group_id: "g".into(), members: vec![member] }, false);
                self.restart(client, self.clients[client].protocol);
            }
            Step::SayGoodbye(client) => self.say_goodbye(client),
            Step::Commit(client) => self.commit(client),
            Step::Restart(client, protocol) => self.restart(client, protocol),
            Step::Wait(ms) => {
                let replies = self.bench.wait(ms);
                self.receive(replies);
            }
            Step::Partitions(partitions) => {
                self.partitions = self.partitions.max(partitions);
                self.set_topics();
            }
            Step::OtherTopic => {
                self.other = if self.other.is_some() { None } else { Some(TopicId(self.fresh())) };
                self.set_topics();
            }
            Step::FailOver => {
                self.bench.fail_over();
                self.tokens.clear();
                for client in &mut self.clients {
                    (client.says_all, client.waits) = (true, false);
                }
            }
        }
        self.bench.check_log();
        self.check_owners();
        self.check_offset();
    }

    fn restart(&mut self, client: usize, protocol: Speech) {
        self.clients[client] = Client::new(protocol);
        self.tokens.retain(|_, (asked, _)| *asked != client);
    }

    fn say_goodbye(&mut self, client: usize) {
        let state = &self.clients[client];
        if state.protocol != Speech::Consumer || state.joins {
            return;
        }
        let instance_id = Self::instance_id(client);
        let request = ConsumerGroupHeartbeat {
            member_epoch: if instance_id.is_some() { -2 } else { -1 },
            instance_id,
            ..support::heartbeat(state.member_id.as_str(), state.epoch, &[])
        };
        self.send(client, request, false);
        self.restart(client, Speech::Consumer);
    }

    /// Only who is in the group may commit, in the epoch that it is in; and what it commits is there.
    fn commit(&mut self, client: usize) {
        let state = &self.clients[client];
        if state.joins || state.member_id.is_empty() {
            return;
        }
        let (member_id, epoch) = (state.member_id.clone(), state.epoch);
        let partition = OffsetCommitPartition {
            partition: 0,
            offset: Offset(self.committed + 1),
            leader_epoch: -1,
            metadata: String::new(),
        };
        let name = TopicName::new("t").unwrap();
        let reply = self.bench.ask(OffsetCommit {
            group_id: "g".into(),
            member_id: member_id.clone(),
            group_instance_id: None,
            generation_id_or_member_epoch: epoch,
            supports_member_epochs: true,
            retention_time_ms: None,
            topics: vec![OffsetCommitTopic { name, topic_id: Some(T), partitions: vec![partition] }],
        });
        if reply.is_err() {
            return;
        }
        self.committed += 1;
        let epoch_there = match self.bench.ask(ConsumerGroupDescribe { group_id: "g".into() }) {
            Ok(group) => {
                let found = group.members.into_iter().find(|member| member.member_id == member_id);
                found.map(|member| member.member_epoch)
            }
            Err(_) => {
                let group = self.bench.ask(DescribeGroup { group_id: "g".into() }).unwrap();
                let is_there = group.members.iter().any(|member| member.member_id == member_id);
                is_there.then_some(group.generation_id)
            }
        };
        assert_eq!(epoch_there, Some(epoch), "client {client} commits");
    }

    /// What was committed last is there.
    fn check_offset(&mut self) {
        let fetched = self.bench.ask(OffsetFetch {
            group_id: "g".into(),
            member_id: None,
            member_epoch: -1,
            topics: None,
            require_stable: true,
        });
        let found =
            fetched.unwrap().first().map(|topic| topic.partitions[0].result.clone().unwrap().unwrap());
        assert_eq!(found.map_or(0, |committed| committed.offset.0), self.committed);
    }

    /// No partition is with two members of the group, by what the coordinator says and by what they work on.
    fn check_owners(&mut self) {
        let Ok(group) = self.bench.ask(ConsumerGroupDescribe { group_id: "g".into() }) else { return };
        let mut assigned = BTreeSet::new();
        let mut worked_on = BTreeSet::new();
        for member in &group.members {
            for partition in of_wire(&member.assignment) {
                assert!(assigned.insert(partition), "{partition:?} is assigned twice: {group:#?}");
            }
            for client in self.clients.iter().filter(|client| client.member_id == member.member_id) {
                for partition in &client.has {
                    let is_first = worked_on.insert(*partition);
                    assert!(is_first, "{partition:?} is with two: {:#?} {group:#?}", self.clients);
                }
            }
        }
    }

    /// Everybody behaves from now on.
    fn heal(&mut self) {
        for _ in 0..60 {
            for client in 0..CLIENTS {
                self.clients[client].give_up();
                self.go(client, true);
            }
            let replies = self.bench.wait(2_000);
            self.receive(replies);
            self.check_owners();
        }
        let group = self.bench.ask(DescribeGroup { group_id: "g".into() }).unwrap();
        assert_eq!(group.state, GroupState::Stable, "{group:?} {:#?}", self.clients);
        assert_eq!(group.members.len(), CLIENTS);
        let is_consumer = group.group_type == coordinator::GroupType::Consumer;
        let all: Vec<Partition> = self.clients.iter().flat_map(|client| client.has.clone()).collect();
        let mut expected: BTreeSet<Partition> = (0..self.partitions).map(|number| (T, number)).collect();
        // In a classic group it is for the members to see that there is another topic.
        let other = self.other.filter(|_| is_consumer);
        expected
            .extend(other.into_iter().flat_map(|id| (0..OTHER_PARTITIONS).map(move |number| (id, number))));
        let found: BTreeSet<Partition> =
            all.iter().copied().filter(|(id, _)| is_consumer || *id == T).collect();
        assert_eq!(found, expected, "{:#?}", self.clients);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{:#?}", self.clients);
        if is_consumer && other.is_none() {
            let counts = || self.clients.iter().map(|client| client.has.len());
            assert!(counts().max().unwrap() <= counts().min().unwrap() + 1, "{:#?}", self.clients);
        }
    }
}

fn to_wire(partitions: &BTreeSet<Partition>) -> Vec<TopicPartitions> {
    let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
    for (topic_id, number) in partitions {
        topics.entry(*topic_id).or_default().push(*number);
    }
    topics.into_iter().map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions }).collect()
}

fn of_wire(topics: &[TopicPartitions]) -> BTreeSet<Partition> {
    let each = |topic: &TopicPartitions| {
        let topic_id = topic.topic_id;
        topic.partitions.clone().into_iter().map(move |number| (topic_id, number))
    };
    topics.iter().flat_map(each).collect()
}

/// Of a share. All names in it have one letter.
fn partitions_of(share: &[u8], other: Option<TopicId>) -> BTreeSet<Partition> {
    if share.is_empty() {
        return BTreeSet::new();
    }
    let i32_at = |at: usize| i32::from_be_bytes(share[at..at + 4].try_into().unwrap());
    let mut partitions = BTreeSet::new();
    let mut at = 6;
    for _ in 0..i32_at(2) {
        let id = if share[at + 2] == b't' { Some(T) } else { other };
        let count = i32_at(at + 3);
        at += 7;
        for _ in 0..count {
            partitions.extend(id.map(|id| (id, i32_at(at))));
            at += 4;
        }
    }
    partitions
}

proptest! {
    #[test]
    fn no_partition_is_with_two_members(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.heal();
    }
}
