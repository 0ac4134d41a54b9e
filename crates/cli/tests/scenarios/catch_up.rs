//! Scenario 6: a broker that was away while topics were created catches up by delta; one that was away longer than
//! the deltas reach gets a full image.

use client::{HttpRequest, api};
use common::{BrokerId, limits::CHANGE_LOG_BYTES_MAX};
use http_api::{AlterTopicRequest, StorageStatus, paths};
use testkit::{BrokerTimings, Cluster, Storage, cluster, eventually};

use crate::{dmq, on_both_databases, topic};

const AWAY: BrokerId = BrokerId(101);

on_both_databases!(a_broker_that_was_away_catches_up);

async fn a_broker_that_was_away_catches_up(storage: Storage) {
    let mut cluster = Cluster::start(dmq(), storage, |spec| {
        spec.brokers = 2;
        spec.broker = Some(BrokerTimings {
            heartbeat_ms: 100,
            // Longer than this test keeps the broker away, so that it is its metadata alone that have to catch up.
            session_timeout_ms: 60_000,
            metadata_refresh_ms: 120_000,
        });
    })
    .await;
    up_to_date(&cluster).await;
    let start = Pulls::of(&cluster).await;

    cluster.pause(&cluster::broker(AWAY));
    for number in 0..20 {
        let create = api::create_topic(&topic(&format!("few-{number}"), 1, 1));
        cluster.client().call(&create).await.unwrap();
    }
    cluster.resume(&cluster::broker(AWAY));
    up_to_date(&cluster).await;
    let by_delta = Pulls::of(&cluster).await;
    assert!(by_delta.delta > start.delta, "{start:?}, then {by_delta:?}");
    assert_eq!(by_delta.full, start.full, "{start:?}, then {by_delta:?}");

    cluster.pause(&cluster::broker(AWAY));
    outrun_the_deltas(&cluster).await;
    cluster.resume(&cluster::broker(AWAY));
    up_to_date(&cluster).await;
    let by_image = Pulls::of(&cluster).await;
    assert!(by_image.full > by_delta.full, "{by_delta:?}, then {by_image:?}");
}

/// Changes more than the nodes keep for deltas: each event carries all settings of its topic.
async fn outrun_the_deltas(cluster: &Cluster) {
    let replicas: Vec<String> = (0..).map(|partition| format!("{partition}:101")).take(400).collect();
    let value = replicas.join(",");
    let event_bytes = 2 * value.len();
    for number in 0..CHANGE_LOG_BYTES_MAX / event_bytes * 5 / 4 {
        let mut change = AlterTopicRequest::default();
        change.configs.insert("leader.replication.throttled.replicas".to_owned(), Some(value.clone()));
        change.configs.insert("follower.replication.throttled.replicas".to_owned(), Some(value.clone()));
        change.configs.insert("retention.ms".to_owned(), Some(number.to_string()));
        cluster.client().call(&api::alter_topic("few-0", &change)).await.unwrap();
    }
}

/// Waits until the broker says that it has the version that the controller has.
async fn up_to_date(cluster: &Cluster) {
    let url = broker_url(cluster).await;
    eventually("the broker has the newest metadata", cluster::DEADLINE, async || {
        let newest = cluster.client().call(&api::cluster()).await.map_err(|error| error.to_string())?.version;
        let request = HttpRequest::get(format!("{url}{}", paths::STORAGE_STATUS));
        let reply = cluster.observer().http().send(request).await.map_err(|error| error.to_string())?;
        let status: StorageStatus = reply.json().map_err(|error| error.to_string())?;
        match status.metadata_version == newest {
            true => Ok(()),
            false => Err(format!("it has {}, the newest is {newest}", status.metadata_version)),
        }
    })
    .await;
}

async fn broker_url(cluster: &Cluster) -> String {
    cluster.client().call(&api::broker(AWAY)).await.unwrap().url()
}

/// How often the broker pulled, by what it got.
#[derive(Debug)]
struct Pulls {
    full: u64,
    delta: u64,
}

impl Pulls {
    async fn of(cluster: &Cluster) -> Self {
        let url = broker_url(cluster).await;
        let request = HttpRequest::get(format!("{url}{}", paths::METRICS));
        let text = cluster.observer().http().send(request).await.unwrap().body;
        let text = String::from_utf8(text.to_vec()).unwrap();
        let count = |kind: &str| {
            let name = format!("dmq_broker_metadata_pulls_total{{kind=\"{kind}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok()).unwrap_or(0)
        };
        Self { full: count("full"), delta: count("delta") }
    }
}
