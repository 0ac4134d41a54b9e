//! Throttled replication (KIP-73) in a cluster: a replica that was away catches up at the rate that is set, and whoever
//! produces meanwhile does not notice.

use std::time::{Duration, Instant};

use client::api;
use common::{BrokerId, PartitionId};
use http_api::AlterTopicRequest;
use kafka_client::{Address, ClusterOptions, NewRecord, Producer, ProducerOptions};
use testkit::{Cluster, Storage, cluster, eventually};

use crate::{dmq, topic};

const TOPIC: &str = "throttled";
const DEADLINE: Duration = Duration::from_secs(120);

/// Bytes per second.
const RATE: usize = 2 << 20;

/// What the replica has to catch up with.
const BEHIND: usize = 8 << 20;

const RECORD_BYTES: usize = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_catches_up_at_the_rate_that_is_set() {
    let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |spec| {
        let rates = ["leader", "follower"].map(|side| format!("{side}.replication.throttled.rate={RATE}"));
        spec.settings.extend(rates);
    })
    .await;
    cluster.client().call(&api::create_topic(&topic(TOPIC, 1, 3))).await.unwrap();
    let partition = &cluster.client().call(&api::topic(TOPIC)).await.unwrap().partitions[0];
    let away = *partition.replicas.iter().find(|id| Some(**id) != partition.leader).unwrap();
    let producer = producer(&cluster);
    write(&producer, 1, RECORD_BYTES).await;
    cluster.kill(&cluster::broker(away)).await;
    eventually("it is missed", DEADLINE, async || match in_sync(&cluster, away).await {
        Ok(false) => Ok(()),
        other => Err(format!("in sync: {other:?}")),
    })
    .await;
    write(&producer, BEHIND / RECORD_BYTES, RECORD_BYTES).await;

    // Not before: what the replica in sync takes counts, too, and would be paid back first.
    let mut throttled = AlterTopicRequest::default();
    for side in ["leader", "follower"] {
        throttled.configs.insert(format!("{side}.replication.throttled.replicas"), Some("*".into()));
    }
    cluster.client().call(&api::alter_topic(TOPIC, &throttled)).await.unwrap();
    let begun = Instant::now();
    cluster.restart(&cluster::broker(away)).await;
    let mut written = 0;
    while !in_sync(&cluster, away).await.unwrap() {
        assert!(begun.elapsed() < DEADLINE, "it does not catch up; {written} records were written meanwhile");
        // Far less than the rate, or it would never get there.
        write(&producer, 1, 1_000).await;
        written += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    // A second's worth goes at once. How much longer it takes is a matter of the machine.
    let least = Duration::from_secs_f64((BEHIND - RATE) as f64 / RATE as f64);
    println!("{BEHIND} bytes took {took:?}, at least {least:?}; {written} records were written meanwhile");
    assert!(took > least.mul_f64(0.9), "it was not throttled: {took:?}");
    // The last one may have waited for the replica; the others were acknowledged before it was there.
    assert!(written > 1, "a producer waited for the replica");
}

fn producer(cluster: &Cluster) -> Producer {
    let brokers = cluster.config().brokers.iter();
    let addresses = brokers.filter_map(|broker| Some(Address::new(broker.host.clone(), broker.kafka_port?)));
    Producer::new(
        kafka_client::Cluster::new(addresses, ClusterOptions::default()),
        ProducerOptions::default(),
    )
}

/// Writes records, and waits until all are acknowledged.
async fn write(producer: &Producer, records: usize, bytes: usize) {
    let value = vec![7; bytes];
    let record = NewRecord { value: Some(&value), ..NewRecord::default() };
    let mut sent = Vec::new();
    for _ in 0..records {
        sent.push(producer.send(TOPIC, Some(PartitionId(0)), &record).await.unwrap());
    }
    for delivery in sent {
        delivery.acked().await.unwrap();
    }
}

async fn in_sync(cluster: &Cluster, broker: BrokerId) -> Result<bool, String> {
    let topic = cluster.client().call(&api::topic(TOPIC)).await.map_err(|error| error.to_string())?;
    Ok(topic.partitions[0].isr.contains(&broker))
}
