//! What applying commands costs as the cluster grows: `cargo bench -p metadata-core`. Prints medians.
//!
//! Under `cargo test --benches` it runs once at a hundredth of the size, to be known to work.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers, which may stop at once")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    hint::black_box,
    time::{Duration, Instant},
};

use common::{
    BrokerEpoch, BrokerId, ClusterId, IncarnationId, MetadataVersion, PartitionId, TopicId, TopicName,
};
use metadata_core::{
    Applied, Command, Proposal, State,
    command::{IsrChange, IsrMember},
};
use uuid::Uuid;

const BROKERS: i32 = 6;

/// A cluster that commands are applied to one after the other.
#[derive(Clone)]
struct Cluster {
    state: State,
    index: u64,
}

impl Cluster {
    /// Six ONLINE brokers in three racks.
    fn new() -> Self {
        let mut cluster = Self { state: State::new(ClusterId("bench".to_owned())), index: 0 };
        for id in 0..BROKERS {
            cluster.apply(Command::RegisterBroker {
                broker_id: BrokerId(id),
                incarnation_id: IncarnationId(Uuid::from_u128(1)),
                host: "localhost".to_owned(),
                port: 8081,
                kafka_port: Some(9092),
                rack: Some(format!("rack-{}", id % 3)),
                directory_id: None,
                previous_is_gone: false,
            });
        }
        cluster
    }

    fn with_topics(topics: u64, partitions: i32) -> Self {
        let mut cluster = Self::new();
        (0..topics).for_each(|number| {
            cluster.apply(create(number, partitions));
        });
        cluster
    }

    fn apply(&mut self, command: Command) -> Applied {
        self.apply_as(None, command)
    }

    fn apply_as(&mut self, request_id: Option<Uuid>, command: Command) -> Applied {
        self.index += 1;
        let proposal =
            Proposal { time_ms: self.index, author: "rest:127.0.0.1".to_owned(), request_id, command };
        let applied = self.state.apply(MetadataVersion(self.index), &proposal);
        assert!(applied.result.is_ok(), "{:?}", applied.result);
        applied
    }

    fn epoch(&self, id: BrokerId) -> BrokerEpoch {
        self.state.broker(id).unwrap().broker_epoch
    }
}

/// Spreads names over the map, as users' names do.
fn name(number: u64) -> TopicName {
    TopicName::new(&format!("topic-{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).unwrap()
}

fn create(number: u64, num_partitions: i32) -> Command {
    Command::CreateTopic {
        topic_name: name(number),
        topic_id: TopicId(Uuid::from_u128(number.into())),
        num_partitions,
        replication_factor: 3,
        configs: BTreeMap::new(),
        assignments: None,
        placement_seed: number.wrapping_mul(0xd6e8_feb8_6659_fd93),
        internal: false,
    }
}

fn fence(cluster: &Cluster, id: BrokerId) -> Command {
    Command::FenceBrokers { brokers: vec![(id, cluster.epoch(id))] }
}

/// Shrinks the ISR of partition 0 of a topic to its leader, as that leader would.
fn shrink_isr(cluster: &Cluster, number: u64) -> Command {
    let topic = cluster.state.topic(name(number).as_str()).unwrap();
    let partition = topic.partitions.first().unwrap();
    let leader = partition.leader.unwrap();
    Command::AlterIsr {
        broker_id: leader,
        broker_epoch: cluster.epoch(leader),
        changes: vec![IsrChange {
            topic_name: topic.topic_name.clone(),
            topic_id: topic.topic_id,
            partition: PartitionId(0),
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            new_isr: vec![IsrMember { broker_id: leader, broker_epoch: cluster.epoch(leader) }],
        }],
    }
}

/// Prints the median, the 99th percentile and the longest of these times.
fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len().saturating_sub(1) * part / 100).copied().unwrap_or_default();
    println!("{what:<58} p50 {:>10.2?}  p99 {:>10.2?}  max {:>10.2?}", at(50), at(99), at(100));
}

/// Times each of `runs` calls of `work` on what `prepare` makes.
fn measure<T, R>(
    what: &str,
    runs: u64,
    mut prepare: impl FnMut(u64) -> T,
    mut work: impl FnMut(T, u64) -> R,
) {
    let times = (0..runs).map(|run| {
        let input = prepare(run);
        let start = Instant::now();
        let output = black_box(work(input, run));
        let elapsed = start.elapsed();
        drop(output);
        elapsed
    });
    report(what, times.collect());
}

fn main() {
    // `cargo bench` passes `--bench`; `cargo test` does not.
    let scale = if std::env::args().any(|arg| arg == "--bench") { 1 } else { 100 };
    memory(100_000 / scale);
    for (topics, partitions) in [(1_000 / scale, 100), (100_000 / scale, 1)] {
        whole_state(topics, partitions, 9);
    }
    for topics in [10_000 / scale, 100_000 / scale] {
        single_commands(topics, 2_000 / scale);
    }
}

/// Small commands while there are so many topics of one partition.
fn single_commands(topics: u64, runs: u64) {
    println!("--- {topics} topics of 1 partition, replication factor 3");
    let mut cluster = Cluster::with_topics(topics, 1);
    measure("create topic, 1 partition", runs, |run| create(topics + run, 1), |c, _| cluster.apply(c));
    let key = |run: u64| Some(Uuid::from_u128(run.into()));
    let first = topics + runs;
    measure(
        "create topic, 1 partition, idempotency key",
        runs,
        |run| create(first + run, 1),
        |command, run| cluster.apply_as(key(run), command),
    );
    let shrinks: Vec<_> = (0..runs).map(|number| shrink_isr(&cluster, number)).collect();
    let mut shrinks = shrinks.into_iter();
    measure("alter ISR, 1 partition", runs, |_| shrinks.next().unwrap(), |c, _| cluster.apply(c));
    let delete = |run| Command::DeleteTopic { topic_name: name(first + run) };
    measure("delete topic", runs, delete, |command, _| cluster.apply(command));
    measure("clone of the state", runs, |_| (), |(), _| cluster.state.clone());
    let next = first + runs;
    measure(
        "clone, then create topic",
        runs.min(100),
        |run| create(next + run, 1),
        |command, _| {
            let before = cluster.state.clone();
            (before, cluster.apply(command))
        },
    );
}

/// What the state takes while nothing else was ever allocated that it could have been put into.
fn memory(topics: u64) {
    let before = resident_bytes();
    let cluster = Cluster::with_topics(topics, 1);
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let bytes = after.saturating_sub(before);
        println!("memory of {} topics of 1 partition: {bytes} bytes", cluster.state.topic_count());
    }
}

/// Memory of this process, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

/// Commands and copies that concern every partition.
fn whole_state(topics: u64, partitions: i32, runs: u64) {
    println!(
        "--- {} partitions in {topics} topics, replication factor 3",
        topics * u64::from(partitions.unsigned_abs())
    );
    let cluster = Cluster::with_topics(topics, partitions);
    let fenced = |_| (cluster.clone(), fence(&cluster, BrokerId(0)));
    measure("fence 1 of 6 brokers (half of the partitions)", runs, fenced, |(mut cluster, command), _| {
        let applied = cluster.apply(command);
        (cluster, applied)
    });
    let all = (0..BROKERS).map(|id| (BrokerId(id), cluster.epoch(BrokerId(id)))).collect::<Vec<_>>();
    let fenced = |_| (cluster.clone(), Command::FenceBrokers { brokers: all.clone() });
    measure("fence all brokers", runs, fenced, |(mut cluster, command), _| {
        let applied = cluster.apply(command);
        (cluster, applied)
    });
    measure("records", runs, |_| (), |(), _| cluster.state.records().count());
    let records: Vec<_> = cluster.state.records().collect();
    measure(
        "from_records",
        runs,
        |_| records.clone(),
        |records, _| State::from_records(records.into_iter().map(Ok::<_, Infallible>)).unwrap(),
    );
    let lines: Vec<_> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    println!("{:<58} {:>10} bytes", "snapshot as JSON lines", lines.iter().map(String::len).sum::<usize>());
    measure(
        "from_records, from JSON lines",
        runs,
        |_| (),
        |(), _| State::from_records(lines.iter().map(|line| serde_json::from_str(line))).unwrap(),
    );
    measure("check_invariants", runs, |_| (), |(), _| cluster.state.check_invariants().unwrap());
}
