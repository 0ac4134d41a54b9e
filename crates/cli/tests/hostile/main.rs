//! Clients that mean harm, or are broken, against a real broker: nonsense, counts and sizes beyond reason, thousands of idle
//! connections, hundreds that trickle. The broker must not end, must not grow beyond its bounds, and must serve others all the
//! while.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and clippy knows only functions marked as tests for ones"
)]

mod attacks;
mod bystander;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use client::api;
use http_api::CreateTopicRequest;
use runtime::metrics::ProcessFigures;
use testkit::{Cluster, Storage};

use attacks::Attacks;
use bystander::Bystander;

const TOPIC: &str = "bystander";

/// Rounds of nonsense, each of it on connections of its own.
const ROUNDS: u64 = 3;

/// Connections that say nothing, and connections that say a byte now and then.
const IDLE: usize = 5_000;
const SLOW: usize = 500;

/// How much the broker may grow meanwhile: what 5,500 connections keep, and some of what was read of requests. That is far
/// below the bound of requests in memory (`queued.max.request.bytes`, 128 MiB).
const GROWTH_BYTES_MAX: u64 = 96 << 20;

/// The longest that one record of a client that does nothing wrong may take meanwhile, in a debug build on a busy machine:
/// nobody waits until those who do harm are given up.
const LATENCY_MAX: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_harm_nobody() {
    raise_file_limit();
    let mut cluster = Cluster::start(Path::new(env!("CARGO_BIN_EXE_dmq")), Storage::Sqlite, |spec| {
        (spec.nodes, spec.brokers) = (1, 1);
    })
    .await;
    let topic = CreateTopicRequest {
        topic_name: TOPIC.to_owned(),
        num_partitions: Some(1),
        replication_factor: Some(1),
        ..CreateTopicRequest::default()
    };
    cluster.client().call(&api::create_topic(&topic)).await.unwrap();
    let port = cluster.config().brokers[0].kafka_port.unwrap();
    let pid = cluster.local().process("broker-101").unwrap().pid().unwrap();
    let resident = || ProcessFigures::read(Some(pid)).expect("the broker runs").resident_memory_bytes;

    let bystander = Bystander::start(port);
    bystander.writes(50).await;
    let before = resident();
    let attacks = Attacks::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    for seed in 0..ROUNDS {
        attacks.nonsense(seed).await;
        bystander.writes(20).await;
    }
    let idle = attacks.idle(IDLE).await;
    let mut slow = attacks.slow(SLOW).await;
    bystander.writes(100).await;
    let peak = resident();
    assert_eq!((idle.open(), slow.open()), (IDLE, SLOW), "nobody is cut off before their time");
    assert!(peak < before + GROWTH_BYTES_MAX, "{before} bytes resident before, {peak} with all connections");
    slow.trickle().await;
    bystander.writes(100).await;
    drop((idle, slow));
    bystander.writes(50).await;

    let slowest = bystander.stop().await;
    println!(
        "{} KiB more with all connections; the slowest record took {slowest:?}",
        peak.saturating_sub(before) >> 10
    );
    assert!(slowest < LATENCY_MAX, "a record took {slowest:?}");
    let process = cluster.local().process("broker-101").unwrap();
    assert_eq!(process.pid(), Some(pid), "it still runs");
    let log = process.log_tail(usize::MAX);
    assert!(!log.contains("panicked"), "{log}");
}

/// Connections are files, and shells often allow a thousand. The broker inherits the limit.
fn raise_file_limit() {
    let limit = format!("--nofile={}:", IDLE + SLOW + 1_000);
    let own = std::process::id().to_string();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let soft: usize = files.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX);
    if soft < IDLE + SLOW + 1_000 {
        let done = Command::new("prlimit").args(["--pid", &own, &limit]).output().unwrap();
        assert!(done.status.success(), "{limit}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
