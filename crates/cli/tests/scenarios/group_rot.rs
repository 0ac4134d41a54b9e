//! Rot where groups keep their offsets: a bit flips on the disk of the broker that coordinates a group.

use std::{collections::BTreeMap, os::unix::fs::FileExt as _, time::Duration};

use client::api;
use common::{BrokerId, Offset, PartitionId};
use http_api::{StorageStatus, paths};
use kafka_client::{Address, Cluster as Kafka, ClusterOptions, GroupView, TopicPartition};
use testkit::{Cluster, Storage, eventually};

use crate::{dmq, metrics::Scrape, topic};

const TOPIC: &str = "read";
const OFFSETS_TOPIC: &str = "__consumer_offsets";
const GROUP: &str = "readers";
const DEADLINE: Duration = Duration::from_secs(60);

/// Another broker coordinates the group, and has its offset. The damaged replica is emptied, fetches everything anew, and is
/// in sync again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_outlive_rot_and_their_log_is_made_anew() {
    let settings = ["log.scrub.interval.ms=1", "offsets.topic.num.partitions=1"].map(str::to_owned);
    let cluster = Cluster::start(dmq(), Storage::Sqlite, |spec| spec.settings.extend(settings)).await;
    cluster.client().call(&api::create_topic(&topic(TOPIC, 1, 3))).await.unwrap();
    let kafka = kafka(&cluster);
    let group = GroupView::new(kafka.clone(), GROUP);
    commit(&group, 7).await;
    let rotten = kafka.coordinator(GROUP).await.unwrap();
    flip_a_bit(&cluster, rotten);
    let http = reqwest::Client::new();
    let url = cluster.config().brokers.iter().find(|config| config.id == rotten).unwrap().url.clone();
    eventually("rot is found, and the log made anew", DEADLINE, async || {
        let figures = Scrape::of(&http, &url).await;
        let of = |name: &str| figures.value(name).unwrap_or_default();
        let (found, repaired) = (of("dmq_log_damages_total"), of("dmq_log_repairs_total"));
        if found >= 1.0 && repaired >= 1.0 {
            Ok(())
        } else {
            Err(format!("{found} found, {repaired} repaired; {:?}", trouble(&url).await))
        }
    })
    .await;
    eventually("every replica is in sync, and none has trouble", DEADLINE, async || {
        let offsets = cluster.client().call(&api::topic(OFFSETS_TOPIC)).await;
        let isr = offsets.map_err(|error| error.to_string())?.partitions[0].isr.clone();
        match (isr.len(), trouble(&url).await) {
            (3, None) => Ok(()),
            (_, trouble) => Err(format!("{isr:?} are in sync; {trouble:?}")),
        }
    })
    .await;
    assert_eq!(committed(&group).await, Some(7));
    commit(&group, 8).await;
    assert_eq!(committed(&group).await, Some(8));
}

fn kafka(cluster: &Cluster) -> Kafka {
    let brokers = cluster.config().brokers.iter();
    let addresses = brokers.filter_map(|broker| Some(Address::new(broker.host.clone(), broker.kafka_port?)));
    Kafka::new(addresses, ClusterOptions::default())
}

fn place() -> TopicPartition {
    TopicPartition::new(TOPIC, PartitionId(0))
}

async fn commit(group: &GroupView, offset: i64) {
    let offsets = BTreeMap::from([(place(), Offset(offset))]);
    eventually("the offset is committed", DEADLINE, async || group.commit(&offsets).await).await;
}

/// What the group has committed, as soon as somebody says so.
async fn committed(group: &GroupView) -> Option<i64> {
    eventually("the offset is told", DEADLINE, async || {
        let told = group.committed(&[place()].into()).await;
        told.map(|told| told.get(&place()).map(|offset| offset.0))
    })
    .await
}

/// What a broker says of the disk of any replica.
async fn trouble(url: &str) -> Option<String> {
    let request = client::HttpRequest::get(format!("{url}{}", paths::STORAGE_STATUS));
    let status: StorageStatus = client::HttpClient::default().send(request).await.ok()?.json().ok()?;
    status.partitions.into_iter().find_map(|replica| replica.storage_error)
}

/// In the first batch of the log.
fn flip_a_bit(cluster: &Cluster, broker: BrokerId) {
    let config = cluster.config().brokers.iter().find(|config| config.id == broker).unwrap();
    let dirs = std::fs::read_dir(&config.data_dir).unwrap().map(|entry| entry.unwrap().path());
    let is_wanted = |name: &str| name.starts_with(&format!("{OFFSETS_TOPIC}-0"));
    let dir = dirs.into_iter().find(|path| is_wanted(path.file_name().unwrap().to_str().unwrap())).unwrap();
    let segment = dir.join("00000000000000000000.log");
    let file = std::fs::File::options().read(true).write(true).open(segment).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 70).unwrap();
    byte[0] ^= 1;
    file.write_all_at(&byte, 70).unwrap();
}
