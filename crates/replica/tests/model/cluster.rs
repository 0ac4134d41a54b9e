//! What happens.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

use common::{BrokerEpoch, LeaderEpoch, Offset};
use replica::{
    Ack, Acks, Assignment, Effects, FetchAnswer, FetchPosition, FetchRefused, Fetched, FollowerFetch,
    IsrAnswer, IsrProposal, Replica, ReplicaLog, RoleChange, Settings,
};

use crate::{
    checks::Truth,
    controller::{BROKERS, Controller},
    support::{MemoryLog, Record},
};

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A producer sends records to a broker that it holds for the leader.
    Produce {
        node: u8,
        records: u8,
    },
    Flush {
        node: u8,
    },
    /// A follower sends a fetch.
    Fetch {
        node: u8,
    },
    /// A follower flushes, fetches and gets its answer, without a disturbance.
    Replicate {
        node: u8,
    },
    /// Every message arrives, and everybody knows the metadata.
    Settle,
    /// A message arrives.
    Deliver {
        message: u8,
    },
    /// A message arrives, and will once more.
    Repeat {
        message: u8,
    },
    Lose {
        message: u8,
    },
    /// A broker gets the metadata as they are now.
    Learn {
        node: u8,
    },
    Wait {
        seconds: u8,
    },
    /// A leader sends its proposal again.
    Propose {
        node: u8,
    },
    /// A process ends; of what was not flushed, some is lost.
    Crash {
        node: u8,
        kept: u8,
    },
    Start {
        node: u8,
    },
    /// A disk fails: the log takes no records.
    Break {
        node: u8,
    },
    /// A broker whose disk failed, or whose log is to be fetched anew, takes itself out of the ISR, as far as it knows the
    /// metadata.
    Leave {
        node: u8,
    },
    /// A log is found damaged; or, if it was before, is emptied as soon as it may be.
    Renew {
        node: u8,
    },
    /// The log was opened anew; of what was not flushed, some is lost.
    Mend {
        node: u8,
        kept: u8,
    },
    /// The controllers do not hear a broker any more; it does not know that.
    Fence {
        node: u8,
    },
    Unfence {
        node: u8,
    },
    Drain {
        node: u8,
    },
    ElectPreferred,
    /// Retention.
    DeleteOld {
        node: u8,
        records: u8,
    },
}

pub(crate) struct Node {
    pub(crate) log: MemoryLog,
    /// `None` while the process is down.
    pub(crate) replica: Option<Replica>,
    pub(crate) broker_epoch: BrokerEpoch,
    /// Noted before the last crash.
    noted: Offset,
    /// The metadata as it knows them.
    known: Assignment,
    /// Whether its log is to be fetched anew.
    renewing: bool,
    /// The leader epoch of its last fetch.
    fetched_in: Option<LeaderEpoch>,
    /// Key of the last proposal.
    key: u128,
    /// Records that a producer waits for, by their offset.
    waiting: Vec<(Offset, u64)>,
}

enum Message {
    Fetch { from: usize, asked: FetchPosition, broker_epoch: BrokerEpoch },
    Answer { to: usize, asked: FetchPosition, answer: FetchAnswer, records: Vec<Record> },
    Isr { from: usize, broker_epoch: BrokerEpoch, key: u128, proposal: IsrProposal },
    IsrAnswer { to: usize, proposal: IsrProposal, answer: IsrAnswer },
}

pub(crate) struct Cluster {
    pub(crate) controller: Controller,
    pub(crate) nodes: Vec<Node>,
    pub(crate) truth: Truth,
    pub(crate) settings: Settings,
    messages: Vec<Message>,
    now_ms: i64,
    values: u64,
    keys: u128,
}

impl Cluster {
    pub(crate) fn new(min_insync_replicas: usize) -> Self {
        let controller = Controller::new(min_insync_replicas);
        let node = |id: &common::BrokerId| Node {
            log: MemoryLog::default(),
            replica: None,
            broker_epoch: controller.assignment().online[id],
            noted: Offset(0),
            known: controller.assignment(),
            renewing: false,
            fetched_in: None,
            key: 0,
            waiting: Vec::new(),
        };
        let nodes: Vec<_> = BROKERS.iter().map(node).collect();
        let settings = Settings {
            min_insync_replicas,
            replica_lag_time_max_ms: 10_000,
            session_timeout_ms: 3_000,
            committed_may_be_lost: false,
        };
        let mut cluster = Self {
            controller,
            nodes,
            truth: Truth::default(),
            settings,
            messages: Vec::new(),
            now_ms: 0,
            values: 0,
            keys: 0,
        };
        (0..3).for_each(|at| cluster.begin(at));
        cluster
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Produce { node, records } => self.produce(node.into(), records),
            Step::Flush { node } => self.flush(node.into()),
            Step::Fetch { node } => self.fetch(node.into()),
            Step::Replicate { node } => self.replicate(node.into()),
            Step::Settle => self.settle(),
            Step::Deliver { message } => {
                if let Some(at) = self.message(message) {
                    let message = self.messages.swap_remove(at);
                    self.deliver(&message);
                }
            }
            Step::Repeat { message } => {
                if let Some(at) = self.message(message) {
                    let message = self.messages.swap_remove(at);
                    self.deliver(&message);
                    self.messages.push(message);
                }
            }
            Step::Lose { message } => {
                if let Some(at) = self.message(message) {
                    self.messages.swap_remove(at);
                }
            }
            Step::Learn { node } => self.learn(node.into()),
            Step::Wait { seconds } => self.wait(seconds),
            Step::Propose { node } => self.propose(node.into()),
            Step::Crash { node, kept } => self.crash(node.into(), kept),
            Step::Start { node } => self.start(node.into()),
            Step::Break { node } => {
                let node = &mut self.nodes[usize::from(node)];
                node.log.broken = node.replica.is_some();
            }
            Step::Leave { node } => self.leave(node.into()),
            Step::Renew { node } => self.renew(node.into()),
            Step::Mend { node, kept } => self.mend(node.into(), kept.into()),
            Step::Fence { node } => self.controller.fence(BROKERS[usize::from(node)]),
            Step::Unfence { node } => {
                if self.nodes[usize::from(node)].replica.is_some() {
                    self.controller.unfence(BROKERS[usize::from(node)]);
                }
            }
            Step::Drain { node } => self.controller.drain(BROKERS[usize::from(node)]),
            Step::ElectPreferred => self.controller.elect_preferred(),
            Step::DeleteOld { node, records } => self.delete_old(node.into(), records),
        }
    }

    /// Everybody is back, every message arrives: everything is replicated and acknowledged again.
    pub(crate) fn heal(&mut self) {
        self.messages.clear();
        for (at, id) in BROKERS.iter().enumerate() {
            self.mend(at, 0);
            self.start(at);
            self.controller.unfence(*id);
            if !self.controller.assignment().online.contains_key(id) {
                // It was draining: only a new process gets out of that.
                self.crash(at, 0);
                self.start(at);
            }
        }
        for _ in 0..30 {
            for at in 0..3 {
                self.propose(at);
                self.settle();
                if self.nodes[at].renewing {
                    self.renew(at);
                }
                self.replicate(at);
                self.check();
            }
            self.wait(1);
        }
        assert_eq!(self.controller.partition().isr.len(), 3, "someone stays out of the ISR");
        let end = self.nodes[0].log.log_end();
        for node in &self.nodes {
            assert_eq!(node.log.log_end(), end, "logs end at different offsets");
            assert_eq!(node.replica.as_ref().unwrap().high_watermark(), end, "something is not committed");
        }
        assert!(self.nodes.iter().all(|node| node.waiting.is_empty()), "a producer waits for ever");
    }

    fn settle(&mut self) {
        while let Some(message) = self.messages.pop() {
            self.deliver(&message);
        }
        (0..3).for_each(|at| self.learn(at));
    }

    /// As if the network were a function call.
    fn replicate(&mut self, at: usize) {
        self.flush(at);
        self.fetch(at);
        for _ in 0..2 {
            match self.messages.pop() {
                Some(message @ (Message::Fetch { .. } | Message::Answer { .. })) => self.deliver(&message),
                other => self.messages.extend(other),
            }
        }
    }

    fn message(&self, index: u8) -> Option<usize> {
        usize::from(index).checked_rem(self.messages.len())
    }

    fn begin(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.known = self.controller.assignment();
        let (replica, effects) =
            Replica::new(BROKERS[at], self.settings, node.known.clone(), &node.log, node.noted, self.now_ms);
        node.replica = Some(replica);
        self.carry_out(at, effects);
    }

    fn learn(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(replica) = &mut node.replica else { return };
        let assignment = self.controller.assignment();
        node.known = assignment.clone();
        let (change, effects) =
            replica.update(BROKERS[at], self.settings, assignment, &node.log, self.now_ms);
        if matches!(change, RoleChange::Deposed | RoleChange::Elected) {
            node.waiting.clear();
        }
        self.carry_out(at, effects);
    }

    fn carry_out(&mut self, at: usize, effects: Effects) {
        if effects.proposal.is_some() {
            self.keys += 1;
            self.nodes[at].key = self.keys;
            self.propose(at);
        }
        if effects.high_watermark.is_some() {
            self.truth.committed(at, &self.nodes, self.settings.min_insync_replicas);
            let node = &mut self.nodes[at];
            let Some(Replica::Leader(leader)) = &node.replica else { return };
            let acknowledged =
                node.waiting.extract_if(.., |(offset, _)| leader.ack(*offset) == Ack::Committed);
            self.truth.acknowledged.extend(acknowledged);
        }
    }

    fn propose(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(Replica::Leader(leader)) = &node.replica else { return };
        let Some(proposal) = leader.proposal().cloned() else { return };
        let (broker_epoch, key) = (node.broker_epoch, node.key);
        self.messages.push(Message::Isr { from: at, broker_epoch, key, proposal });
    }

    fn leave(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.replica.is_none() || !(node.log.broken || node.renewing) {
            return;
        }
        let Some(proposal) = node.known.without(BROKERS[at]) else { return };
        self.keys += 1;
        let (broker_epoch, key) = (node.broker_epoch, self.keys);
        self.messages.push(Message::Isr { from: at, broker_epoch, key, proposal });
    }

    fn renew(&mut self, at: usize) {
        let (me, node) = (BROKERS[at], &mut self.nodes[at]);
        let Some(replica) = &mut node.replica else { return };
        match replica.as_follower() {
            Some(follower) if node.renewing && node.known.may_forget(me, node.fetched_in) => {
                node.log.reset(node.log.log_start());
                follower.truncated(&node.log);
                node.renewing = false;
                self.truth.forget_seen(at);
            }
            _ => node.renewing = node.known.spares(me, &self.settings),
        }
    }

    /// A leader that lost records goes on as it is, until somebody else leads.
    fn mend(&mut self, at: usize, kept: usize) {
        let node = &mut self.nodes[at];
        if !node.log.broken {
            return;
        }
        match &mut node.replica {
            Some(Replica::Leader(_)) if kept.is_multiple_of(2) => {
                node.log.mend();
                self.log_changed(at);
            }
            Some(Replica::Follower(follower)) => {
                node.log.crash(kept);
                follower.truncated(&node.log);
                // What the disk lost goes for its readers, as after a restart.
                self.truth.forget_seen(at);
            }
            Some(Replica::Leader(_)) | None => {}
        }
    }

    /// To the first broker from `at` on that holds itself for the leader.
    fn produce(&mut self, at: usize, records: u8) {
        let leads = |at: &usize| {
            let node = &self.nodes[*at];
            matches!(node.replica, Some(Replica::Leader(_))) && node.log.takes_records()
        };
        let Some(at) = (at..at + 3).map(|at| at % 3).find(leads) else { return };
        let node = &mut self.nodes[at];
        let Some(Replica::Leader(leader)) = &node.replica else { return };
        if leader.check_produce(Acks::Leader, self.now_ms).is_err() {
            return;
        }
        let all = leader.check_produce(Acks::All, self.now_ms).is_ok();
        let epoch = leader.leader_epoch();
        for _ in 0..records {
            self.values += 1;
            if all {
                node.waiting.push((node.log.log_end(), self.values));
            }
            node.log.append((epoch, self.values));
        }
    }

    fn flush(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.replica.is_none() {
            return;
        }
        node.log.confirm();
        self.log_changed(at);
    }

    fn log_changed(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(Replica::Leader(leader)) = &mut node.replica {
            let effects = leader.log_changed(&node.log, self.now_ms);
            self.carry_out(at, effects);
        }
    }

    fn fetch(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.renewing && !node.known.counts_on(BROKERS[at]) {
            return;
        }
        let Some(Replica::Follower(follower)) = &node.replica else { return };
        let Some(asked) = follower.next_fetch(&node.log) else { return };
        node.fetched_in = Some(asked.leader_epoch);
        self.messages.push(Message::Fetch { from: at, asked, broker_epoch: node.broker_epoch });
    }

    fn wait(&mut self, seconds: u8) {
        self.now_ms += i64::from(seconds) * 1_000;
        for at in 0..3 {
            let node = &mut self.nodes[at];
            if let Some(Replica::Leader(leader)) = &mut node.replica {
                let effects = leader.tick(&node.log, self.now_ms);
                self.carry_out(at, effects);
            }
        }
    }

    fn crash(&mut self, at: usize, kept: u8) {
        let node = &mut self.nodes[at];
        let Some(replica) = node.replica.take() else { return };
        // Every other time it had just been noted; what is noted survives.
        if kept.is_multiple_of(2) {
            node.noted = replica.high_watermark();
        }
        node.waiting.clear();
        (node.renewing, node.fetched_in) = (false, None);
        node.log.crash(usize::from(kept));
    }

    fn start(&mut self, at: usize) {
        if self.nodes[at].replica.is_none() {
            self.nodes[at].broker_epoch = self.controller.register(BROKERS[at]);
            self.begin(at);
        }
    }

    fn delete_old(&mut self, at: usize, records: u8) {
        let node = &mut self.nodes[at];
        let Some(replica) = &mut node.replica else { return };
        let start = (node.log.log_start() + i64::from(records)).min(replica.high_watermark());
        node.log.start_at(start);
        match replica {
            Replica::Leader(_) => self.log_changed(at),
            Replica::Follower(follower) => follower.truncated(&node.log),
        }
    }

    fn deliver(&mut self, message: &Message) {
        match message {
            Message::Fetch { from, asked, broker_epoch } => self.answer(*from, asked, *broker_epoch),
            Message::Answer { to, asked, answer, records } => self.answered(*to, asked, answer, records),
            Message::Isr { from, broker_epoch, key, proposal } => {
                let answer = self.controller.alter_isr((BROKERS[*from], *broker_epoch), *key, proposal);
                if let Some(answer) = answer {
                    let (to, proposal) = (*from, proposal.clone());
                    self.messages.push(Message::IsrAnswer { to, proposal, answer });
                }
            }
            Message::IsrAnswer { to, proposal, answer } => {
                let node = &mut self.nodes[*to];
                let Some(Replica::Leader(leader)) = &mut node.replica else { return };
                let effects = leader.isr_answered(proposal, answer.clone(), &node.log, self.now_ms);
                self.carry_out(*to, effects);
            }
        }
    }

    fn answer(&mut self, from: usize, asked: &FetchPosition, broker_epoch: BrokerEpoch) {
        let at = usize::try_from(asked.leader.0).unwrap();
        let node = &mut self.nodes[at];
        let Some(Replica::Leader(leader)) = &mut node.replica else { return };
        let fetch = FollowerFetch {
            broker_id: BROKERS[from],
            broker_epoch,
            leader_epoch: asked.leader_epoch,
            fetch_offset: asked.fetch_offset,
            last_fetched_epoch: asked.last_fetched_epoch,
            log_start: asked.log_start,
            high_watermark: asked.high_watermark,
        };
        let log_start = node.log.log_start();
        let (answer, records, effects) = match leader.follower_fetched(&fetch, &node.log, self.now_ms) {
            Ok(Fetched::Read { high_watermark, effects, .. }) => {
                let records = node.log.read(asked.fetch_offset, 4);
                (FetchAnswer::Records { high_watermark, log_start }, records, effects)
            }
            Ok(Fetched::Diverged(end)) => (FetchAnswer::Diverged(end), Vec::new(), Effects::default()),
            Err(FetchRefused::OutOfRange { log_start, .. }) => {
                (FetchAnswer::OutOfRange { log_start }, Vec::new(), Effects::default())
            }
            Err(_) => return,
        };
        self.messages.push(Message::Answer { to: from, asked: *asked, answer, records });
        self.carry_out(at, effects);
    }

    fn answered(&mut self, at: usize, asked: &FetchPosition, answer: &FetchAnswer, records: &[Record]) {
        let node = &mut self.nodes[at];
        let Some(Replica::Follower(follower)) = &mut node.replica else { return };
        match follower.fetched(asked, answer, &node.log) {
            replica::Step::Append => {
                if !node.log.takes_records() {
                    return;
                }
                records.iter().for_each(|record| node.log.append(*record));
                let FetchAnswer::Records { high_watermark, log_start } = *answer else { unreachable!() };
                if let Some(start) = follower.appended(high_watermark, log_start, &node.log).log_start {
                    node.log.start_at(start);
                }
            }
            replica::Step::Truncate { to } => {
                node.log.truncate(to);
                follower.truncated(&node.log);
            }
            replica::Step::Reset { to } => {
                node.log.reset(to);
                follower.truncated(&node.log);
            }
            replica::Step::CommittedLost { to } => {
                unreachable!("a leader wants {to} to be the end of {:?}", node.log);
            }
            replica::Step::Nothing => {}
        }
    }
}
