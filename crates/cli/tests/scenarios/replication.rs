//! Records survive their leaders: a producer goes on while the brokers that lead are killed, one after the other, paused,
//! and killed all at once. Nothing that was acknowledged may be lost, repeated or out of order.

use std::{
    collections::BTreeMap,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use client::api;
use commit_log::batch::Batch;
use common::{BrokerId, Offset, PartitionEpoch, PartitionId};
use kafka_client::{
    Address, Connection, ConnectionOptions, Consumer, ConsumerOptions, Delivery, NewRecord, OffsetSpec,
    Producer, ProducerOptions, Record, StartAt, TopicPartition,
};
use kafka_wire::{
    ErrorCode,
    messages::{
        FetchRequest,
        fetch::{FetchPartition, FetchTopic, PartitionData},
    },
};
use testkit::{Cluster, Storage, cluster, eventually};
use tokio::task::JoinSet;

use crate::{dmq, metrics::Scrape, topic};

const TOPIC: &str = "kept";
const PARTITIONS: i32 = 4;
const DEADLINE: Duration = Duration::from_secs(60);

/// Records that must be acknowledged between two disturbances.
const RECORDS_BETWEEN: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_records_survive_their_leaders() {
    let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
    cluster.client().call(&api::create_topic(&topic(TOPIC, i64::from(PARTITIONS), 3))).await.unwrap();
    let load = Load::start(&cluster);
    for round in 0..3 {
        load.acknowledges(RECORDS_BETWEEN).await;
        let leader = leader_of(&cluster, PartitionId(round)).await;
        cluster.kill(&cluster::broker(leader)).await;
        load.acknowledges(RECORDS_BETWEEN).await;
        cluster.restart(&cluster::broker(leader)).await;
        all_in_sync(&cluster).await;
    }
    // One that is stopped in the middle of everything does not know that it was replaced when it goes on.
    let paused = leader_of(&cluster, PartitionId(3)).await;
    cluster.pause(&cluster::broker(paused));
    load.acknowledges(RECORDS_BETWEEN).await;
    cluster.resume(&cluster::broker(paused));
    all_in_sync(&cluster).await;
    for id in 101..=103 {
        cluster.kill(&cluster::broker(BrokerId(id))).await;
    }
    for id in 101..=103 {
        cluster.restart(&cluster::broker(BrokerId(id))).await;
    }
    load.acknowledges(RECORDS_BETWEEN).await;
    all_in_sync(&cluster).await;
    let acknowledged = load.stop().await;
    let stored = read_all(&cluster).await;
    for (partition, records) in &stored {
        let mut sorted = records.clone();
        sorted.dedup();
        assert_eq!(sorted.len(), records.len(), "partition {partition} has a record twice in a row");
        assert!(records.is_sorted_by(|a, b| a.1 < b.1), "partition {partition} is out of order, or repeats");
    }
    let stored: BTreeMap<u64, (PartitionId, Offset)> = stored
        .iter()
        .flat_map(|(partition, records)| {
            records.iter().map(|(offset, value)| (*value, (*partition, *offset)))
        })
        .collect();
    for (value, place) in &acknowledged {
        assert_eq!(stored.get(value), Some(place), "record {value} was acknowledged at {place:?}");
    }
}

/// A bit flips on the disk of one replica while its broker is down. Nobody is given what is damaged, and the replica
/// gets it back from another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_rots_is_made_good_from_another() {
    let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
    cluster.client().call(&api::create_topic(&topic(TOPIC, i64::from(PARTITIONS), 3))).await.unwrap();
    let load = Load::start(&cluster);
    load.acknowledges(RECORDS_BETWEEN).await;
    let acknowledged = load.stop().await;
    all_in_sync(&cluster).await;
    let rotten = leader_of(&cluster, PartitionId(0)).await;
    cluster.terminate(&cluster::broker(rotten)).await;
    flip_a_bit(&cluster, rotten);
    cluster.restart(&cluster::broker(rotten)).await;
    all_in_sync(&cluster).await;
    // It answers for all of it again, once it has looked.
    eventually("the rotten replica is made good", DEADLINE, async || {
        let (records, error) = read_at(&cluster, rotten).await;
        if records == acknowledged.values().filter(|(partition, _)| partition.0 == 0).count() {
            Ok(())
        } else {
            Err(format!("{records} records, then {error:?}"))
        }
    })
    .await;
    let log =
        std::fs::read_to_string(cluster.local().process(&cluster::broker(rotten)).unwrap().member().log);
    assert!(log.unwrap().contains("partition.repaired"), "it was never damaged");
}

/// A bit flips in an old segment of a follower, which nobody reads. The broker looks at it all the same, and the bytes come
/// back as they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rot_that_nobody_reads_is_found_and_made_good() {
    let often = "log.scrub.interval.ms=1".to_owned();
    let cluster = Cluster::start(dmq(), Storage::Sqlite, |spec| spec.settings.push(often)).await;
    let mut wanted = topic(TOPIC, i64::from(PARTITIONS), 3);
    wanted.configs.insert("segment.bytes".into(), "4096".into());
    cluster.client().call(&api::create_topic(&wanted)).await.unwrap();
    let load = Load::start(&cluster);
    load.acknowledges(RECORDS_BETWEEN).await;
    load.stop().await;
    all_in_sync(&cluster).await;
    let leader = leader_of(&cluster, PartitionId(0)).await;
    let follower = cluster.config().brokers.iter().find(|config| config.id != leader).unwrap();
    let segment = dir_of_partition_0(&cluster, follower.id).join("00000000000000000000.log");
    let written = std::fs::read(&segment).unwrap();
    flip_a_bit(&cluster, follower.id);
    let http = reqwest::Client::new();
    eventually("it is found and put back", DEADLINE, async || {
        let figures = Scrape::of(&http, &follower.url).await;
        let of = |name: &str| figures.value(name).unwrap_or_default();
        let (found, repaired) = (of("dmq_log_damages_total"), of("dmq_log_repairs_total"));
        if found >= 1.0 && repaired >= 1.0 {
            Ok(())
        } else {
            Err(format!("{found} found, {repaired} repaired"))
        }
    })
    .await;
    assert_eq!(std::fs::read(&segment).unwrap(), written, "every byte is as it was");
}

/// The directory of a partition goes, under a broker that leads it and one that follows: no segment can be begun any more.
/// Both leave the ISR, somebody else leads, and producers go on. They come back with their directories.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_takes_nobody_else_along() {
    let cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
    let mut wanted = topic(TOPIC, i64::from(PARTITIONS), 3);
    // A segment is full soon; and one replica is enough to go on.
    wanted.configs.extend(
        [("segment.bytes", "4096"), ("min.insync.replicas", "1")]
            .map(|(name, value)| (name.into(), value.into())),
    );
    cluster.client().call(&api::create_topic(&wanted)).await.unwrap();
    let load = Load::start(&cluster);
    load.acknowledges(RECORDS_BETWEEN).await;
    let leader = leader_of(&cluster, PartitionId(0)).await;
    let follower = [101, 102, 103].map(BrokerId).into_iter().find(|id| *id != leader).unwrap();
    for failed in [leader, follower] {
        let dir = dir_of_partition_0(&cluster, failed);
        let aside = dir.with_extension("aside");
        std::fs::rename(&dir, &aside).unwrap();
        // So that it is not simply made anew.
        std::fs::write(&dir, "").unwrap();
    }
    eventually("both are out of sync, and say why", DEADLINE, async || {
        let isr = isr_of_partition_0(&cluster).await?;
        if isr.contains(&leader) || isr.contains(&follower) {
            return Err(format!("in sync: {isr:?}"));
        }
        for failed in [leader, follower] {
            let error = storage_error(&cluster, failed).await;
            error.ok_or_else(|| format!("broker {failed} names no trouble"))?;
        }
        Ok(())
    })
    .await;
    // They stay out, as they fetch nothing; and nobody waits for them.
    let out = epoch_of_partition_0(&cluster).await;
    load.acknowledges(5 * RECORDS_BETWEEN).await;
    assert_eq!(epoch_of_partition_0(&cluster).await, out, "who is in sync changes without a cause");
    for failed in [leader, follower] {
        let dir = dir_of_partition_0(&cluster, failed);
        std::fs::remove_file(&dir).unwrap();
        std::fs::rename(dir.with_extension("aside"), &dir).unwrap();
    }
    all_in_sync(&cluster).await;
    let acknowledged = load.stop().await;
    let stored = read_all(&cluster).await;
    let stored: BTreeMap<u64, PartitionId> = stored
        .iter()
        .flat_map(|(partition, records)| records.iter().map(|(_, value)| (*value, *partition)))
        .collect();
    for (value, (partition, _)) in &acknowledged {
        assert_eq!(stored.get(value), Some(partition), "record {value} was acknowledged");
    }
}

async fn isr_of_partition_0(cluster: &Cluster) -> Result<Vec<BrokerId>, String> {
    let topic = cluster.client().call(&api::topic(TOPIC)).await.map_err(|error| error.to_string())?;
    Ok(topic.partitions[0].isr.clone())
}

async fn epoch_of_partition_0(cluster: &Cluster) -> PartitionEpoch {
    let topic = cluster.client().call(&api::topic(TOPIC)).await.unwrap();
    topic.partitions[0].partition_epoch
}

/// What a broker says of the disk of partition 0.
async fn storage_error(cluster: &Cluster, broker: BrokerId) -> Option<String> {
    let url = cluster.config().brokers.iter().find(|config| config.id == broker).unwrap().url.clone();
    let request = client::HttpRequest::get(format!("{url}{}", http_api::paths::STORAGE_STATUS));
    let reply = client::HttpClient::default().send(request).await.unwrap();
    let status: http_api::StorageStatus = reply.json().unwrap();
    let of = status
        .partitions
        .into_iter()
        .find(|replica| replica.topic_name.as_str() == TOPIC && replica.partition == PartitionId(0));
    of.unwrap().storage_error
}

/// Where a broker keeps partition 0, or would.
fn dir_of_partition_0(cluster: &Cluster, broker: BrokerId) -> PathBuf {
    let config = cluster.config().brokers.iter().find(|config| config.id == broker).unwrap();
    let dirs = std::fs::read_dir(&config.data_dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found = dirs.filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&format!("{TOPIC}-0")) && !name.ends_with(".aside")
    });
    found.next().unwrap()
}

/// A consumer that names its rack is sent to the replica there, which gives it what is committed (KIP-392). Once that one is
/// gone, the leader serves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_reads_from_the_replica_in_its_rack() {
    let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
    cluster.client().call(&api::create_topic(&topic(TOPIC, i64::from(PARTITIONS), 3))).await.unwrap();
    let load = Load::start(&cluster);
    load.acknowledges(RECORDS_BETWEEN).await;
    let acknowledged = load.stop().await;
    let of_partition_0 = acknowledged.values().filter(|(partition, _)| partition.0 == 0).count();
    let leader = leader_of(&cluster, PartitionId(0)).await;
    let near = cluster.config().brokers.iter().find(|config| config.id != leader).unwrap().clone();
    let rack = near.rack.clone().unwrap();
    let at_leader = fetch_from(&cluster, leader, &rack).await;
    assert_eq!((at_leader.preferred_read_replica, at_leader.records.len()), (near.id.0, 0));
    // What it knows to be committed follows a moment later.
    eventually("the follower has what was acknowledged", DEADLINE, async || {
        let (records, error) = read_at(&cluster, near.id).await;
        if records >= of_partition_0 { Ok(()) } else { Err(format!("{records} records, then {error:?}")) }
    })
    .await;
    let elsewhere = fetch_from(&cluster, leader, "another-rack").await;
    assert_eq!(elsewhere.preferred_read_replica, -1);
    assert!(!elsewhere.records.is_empty(), "nobody is nearer than the leader");
    cluster.kill(&cluster::broker(near.id)).await;
    eventually("the leader serves its rack", DEADLINE, async || {
        let data = fetch_from(&cluster, leader, &rack).await;
        if data.preferred_read_replica == -1 && !data.records.is_empty() {
            Ok(())
        } else {
            Err(format!("{data:?}"))
        }
    })
    .await;
}

/// One fetch of partition 0 from its start, for a consumer in `rack`.
async fn fetch_from(cluster: &Cluster, broker: BrokerId, rack: &str) -> PartitionData {
    let config = cluster.config().brokers.iter().find(|config| config.id == broker).unwrap();
    let address = Address::new(config.host.clone(), config.kafka_port.unwrap());
    let connection = Connection::open(&address, &ConnectionOptions::default()).await.unwrap();
    let topic = cluster.client().call(&api::topic(TOPIC)).await.unwrap();
    let wanted = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let topics =
        vec![FetchTopic { topic: TOPIC.to_owned(), topic_id: topic.topic_id.0, partitions: vec![wanted] }];
    let request = FetchRequest { topics, rack_id: rack.to_owned(), ..Default::default() };
    let mut response = connection.call(&request).await.unwrap();
    response.responses.remove(0).partitions.remove(0)
}

/// In the middle of the log of partition 0, and in place: the broker may look at any moment.
fn flip_a_bit(cluster: &Cluster, broker: BrokerId) {
    let segment = dir_of_partition_0(cluster, broker).join("00000000000000000000.log");
    let file = std::fs::File::options().read(true).write(true).open(&segment).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[byte[0] ^ 1], middle).unwrap();
}

/// Reads partition 0 at one broker, whether it leads or not: how many records, and what ended it.
async fn read_at(cluster: &Cluster, broker: BrokerId) -> (usize, ErrorCode) {
    let config = cluster.config().brokers.iter().find(|config| config.id == broker).unwrap();
    let address = Address::new(config.host.clone(), config.kafka_port.unwrap());
    let connection = Connection::open(&address, &ConnectionOptions::default()).await.unwrap();
    let topic = cluster.client().call(&api::topic(TOPIC)).await.unwrap();
    let (mut count, mut from) = (0, 0);
    loop {
        let wanted =
            FetchPartition { fetch_offset: from, partition_max_bytes: 1 << 20, ..Default::default() };
        let topics = vec![FetchTopic {
            topic: TOPIC.to_owned(),
            topic_id: topic.topic_id.0,
            partitions: vec![wanted],
        }];
        // Whoever names a rack may read from a follower.
        let request = FetchRequest { topics, rack_id: "elsewhere".to_owned(), ..Default::default() };
        let response = connection.call(&request).await.unwrap();
        let data = &response.responses[0].partitions[0];
        let records = data.records.bytes().unwrap().clone();
        if records.is_empty() {
            return (count, data.error_code);
        }
        for batch in Batch::all(&records) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            count += usize::try_from(batch.header().next_offset() - batch.header().base_offset).unwrap();
            from = batch.header().next_offset().0;
        }
    }
}

/// A producer that writes numbers, one partition after the other, and never stops by itself.
struct Load {
    acknowledged: tokio::sync::watch::Receiver<BTreeMap<u64, (PartitionId, Offset)>>,
    stop: Arc<AtomicBool>,
    task: JoinSet<()>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let producer = Producer::new(kafka(cluster), ProducerOptions::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (report, acknowledged) = tokio::sync::watch::channel(BTreeMap::new());
        let mut task = JoinSet::new();
        task.spawn({
            let stop = Arc::clone(&stop);
            async move {
                let mut waiting: Vec<(u64, Delivery)> = Vec::new();
                for value in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let partition = PartitionId(i32::try_from(value % 4).unwrap());
                    let bytes = value.to_be_bytes();
                    let record = NewRecord { timestamp_ms: 1, key: None, value: Some(&bytes), headers: &[] };
                    waiting.push((value, producer.send(TOPIC, Some(partition), &record).await.unwrap()));
                    if waiting.len() == 20 {
                        settle(&mut waiting, &report).await;
                    }
                }
                settle(&mut waiting, &report).await;
            }
        });
        Self { acknowledged, stop, task }
    }

    /// Waits until so many more records are acknowledged.
    async fn acknowledges(&self, more: usize) {
        let before = self.acknowledged.borrow().len();
        eventually("the producer goes on", DEADLINE, async || {
            let now = self.acknowledged.borrow().len();
            if now >= before + more { Ok(()) } else { Err(format!("{now} after {before}")) }
        })
        .await;
    }

    async fn stop(self) -> BTreeMap<u64, (PartitionId, Offset)> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.join_all().await;
        self.acknowledged.borrow().clone()
    }
}

async fn settle(
    waiting: &mut Vec<(u64, Delivery)>,
    report: &tokio::sync::watch::Sender<BTreeMap<u64, (PartitionId, Offset)>>,
) {
    for (value, delivery) in waiting.drain(..) {
        // A record that is given up may be there or not.
        if let Ok(ack) = delivery.acked().await
            && let Some(offset) = ack.offset
        {
            report.send_modify(|acknowledged| {
                acknowledged.insert(value, (ack.partition, offset));
            });
        }
    }
}

fn kafka(cluster: &Cluster) -> kafka_client::Cluster {
    let brokers = cluster.config().brokers.iter();
    let addresses = brokers.filter_map(|broker| Some(Address::new(broker.host.clone(), broker.kafka_port?)));
    // A broker that is paused answers nobody: the producer is to ask the next one soon.
    let connection =
        ConnectionOptions { request_timeout: Duration::from_secs(2), ..ConnectionOptions::default() };
    let options = kafka_client::ClusterOptions { connection, ..kafka_client::ClusterOptions::default() };
    kafka_client::Cluster::new(addresses, options)
}

async fn leader_of(cluster: &Cluster, partition: PartitionId) -> BrokerId {
    cluster.client().call(&api::partition_leader(TOPIC, partition)).await.unwrap().broker_id
}

async fn all_in_sync(cluster: &Cluster) {
    eventually("all replicas are in sync", DEADLINE, async || {
        let topic = cluster.client().call(&api::topic(TOPIC)).await.map_err(|error| error.to_string())?;
        let isrs: Vec<_> = topic.partitions.iter().map(|partition| partition.isr.len()).collect();
        if isrs.iter().all(|isr| *isr == 3) { Ok(()) } else { Err(format!("ISRs of {isrs:?}")) }
    })
    .await;
}

/// Everything, by partition: offsets and values.
async fn read_all(cluster: &Cluster) -> BTreeMap<PartitionId, Vec<(Offset, u64)>> {
    let kafka = kafka(cluster);
    let places = || (0..PARTITIONS).map(|id| TopicPartition::new(TOPIC, PartitionId(id)));
    let ends = kafka.offsets(places().map(|place| (place, OffsetSpec::Latest))).await.unwrap();
    let mut consumer = Consumer::new(kafka, ConsumerOptions::default());
    consumer.assign(places().map(|place| (place, StartAt::Offset(Offset(0))))).await.unwrap();
    let mut stored: BTreeMap<PartitionId, Vec<(Offset, u64)>> = BTreeMap::new();
    let at_end = |consumer: &Consumer| {
        ends.iter().all(|(place, end)| consumer.position(TOPIC, place.partition) >= *end)
    };
    while !at_end(&consumer) {
        let fetched = tokio::time::timeout(DEADLINE, consumer.next()).await.unwrap().unwrap();
        let records = stored.entry(fetched.partition).or_default();
        let note = |record: Record<'_>| {
            let value = record.value.unwrap().try_into().unwrap();
            records.push((record.offset, u64::from_be_bytes(value)));
            true
        };
        fetched.each(note).unwrap();
    }
    stored
}
