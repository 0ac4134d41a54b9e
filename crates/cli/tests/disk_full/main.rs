//! A broker's disk fills up, and has space again. Meanwhile it refuses records with KAFKA_STORAGE_ERROR, what is there is
//! read, the control plane and the other brokers go on; afterwards it goes on by itself. Nothing that was acknowledged is lost.
//!
//! Needs root and loop devices, for a file system of its own. Where they are missing the test counts as skipped.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and clippy knows only functions marked as tests for ones"
)]

mod records;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use client::{HttpClient, MetadataClient, MetadataClientOptions, api};
use common::{BrokerId, BrokerStatus};
use http_api::CreateTopicRequest;
use kafka_client::ErrorCode;
use local_cluster::{ClusterSpec, LocalCluster};
use records::{Records, Written};
use testkit::{
    eventually,
    skippable::{self, Outcome},
    until,
    volume::SmallVolume,
};

/// The broker whose disk is small.
const FULL: BrokerId = BrokerId(101);

/// How large its disk is, and how much of that is taken until space returns.
const DISK_BYTES: u64 = 64 << 20;
const BALLAST_BYTES: usize = 24 << 20;

/// How long conditions are waited for that should take a few seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// A topic on the full disk only, and one with a replica there.
const ALONE: &str = "alone";
const SHARED: &str = "shared";

fn main() -> ExitCode {
    skippable::main("a_full_disk_refuses_records_and_loses_none", || {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        match SmallVolume::mount(directory.path(), DISK_BYTES) {
            Ok(volume) => {
                runtime.block_on(story(directory.path(), volume.path()));
                Outcome::Passed
            }
            Err(reason) => Outcome::Skipped(reason),
        }
    })
}

/// The cluster and its clients.
struct Scene {
    cluster: LocalCluster,
    metadata: MetadataClient,
    http: reqwest::Client,
    records: Records,
}

impl Scene {
    /// One broker keeps its data on the small volume.
    async fn start(directory: &Path, volume: &Path) -> Self {
        let mut spec = ClusterSpec::new(env!("CARGO_BIN_EXE_dmq"), directory.join("cluster"));
        // A follower that cannot write is soon out of the way.
        spec.settings.push("replica.lag.time.max.ms=2000".to_owned());
        let mut cluster = LocalCluster::prepare(spec).await.unwrap();
        fs::create_dir(volume.join("data")).unwrap();
        fs::write(volume.join("ballast"), vec![1; BALLAST_BYTES]).unwrap();
        std::os::unix::fs::symlink(volume.join("data"), &cluster.config().brokers[0].data_dir).unwrap();
        cluster.start_all().await.unwrap();
        cluster.ready(DEADLINE).await.unwrap();
        let options = MetadataClientOptions::default();
        let metadata = MetadataClient::new(HttpClient::default(), cluster.node_urls(), options);
        let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        let records = Records::new(cluster.config());
        Self { cluster, metadata, http, records }
    }

    async fn create(&self, topic: &str, replicas: &[i32], min_insync_replicas: usize) {
        let mut request = CreateTopicRequest {
            topic_name: topic.to_owned(),
            assignments: Some(vec![replicas.iter().copied().map(BrokerId).collect()]),
            ..CreateTopicRequest::default()
        };
        request.configs.insert("min.insync.replicas".to_owned(), min_insync_replicas.to_string());
        self.metadata.call(&api::create_topic(&request)).await.unwrap();
    }

    fn url(&self, path: &str) -> String {
        let members = self.cluster.members();
        let broker = members.iter().find(|member| member.name == format!("broker-{FULL}")).unwrap();
        format!("{}{path}", broker.url)
    }

    async fn isr(&self, topic: &str) -> usize {
        self.metadata.call(&api::topic(topic)).await.unwrap().partitions[0].isr.len()
    }
}

async fn story(directory: &Path, volume: &Path) {
    let mut scene = Scene::start(directory, volume).await;
    scene.create(ALONE, &[101], 1).await;
    scene.create(SHARED, &[102, 101, 103], 2).await;
    let mut shared = Written::default();
    scene.records.write(SHARED, &mut shared, 5).await.unwrap();
    let mut alone = Written::default();
    // There are more of them than fit.
    let refused = scene.records.write(ALONE, &mut alone, 10_000).await.unwrap_err();
    println!("{} records were written, then: {refused}", alone.acknowledged.len());
    assert!(refused.to_string().contains("KAFKA_STORAGE_ERROR"), "{refused}");
    assert!(!alone.acknowledged.is_empty());

    while_full(&scene, &alone, &mut shared).await;

    fs::remove_file(volume.join("ballast")).unwrap();
    println!("there is space again");
    eventually("records are written again", DEADLINE, async || {
        scene.records.write(ALONE, &mut alone, 10).await.map_err(|error| error.to_string())
    })
    .await;
    until("the replica is in sync again", DEADLINE, async || scene.isr(SHARED).await == 3).await;
    scene.records.verify(ALONE, &alone).await;
    scene.records.verify(SHARED, &shared).await;

    let name = format!("broker-{FULL}");
    scene.cluster.process_mut(&name).unwrap().kill().await.unwrap();
    scene.cluster.process_mut(&name).unwrap().start().await.unwrap();
    scene.cluster.ready(DEADLINE).await.unwrap();
    scene.records.verify(ALONE, &alone).await;
    let log = scene.cluster.process(&name).unwrap().log_tail(usize::MAX);
    assert!(!log.contains("panicked"), "{log}");
}

/// What must hold while the disk is full.
async fn while_full(scene: &Scene, alone: &Written, shared: &mut Written) {
    // The code that clients act by.
    eventually("a large batch is refused", DEADLINE, async || {
        match scene.records.code_of_large_batch(FULL, ALONE).await {
            ErrorCode::KAFKA_STORAGE_ERROR => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    let body = serde_json::json!({"records": [{"value": "x".repeat(900_000)}]});
    let refused = scene.http.post(scene.url(&format!("/api/v1/topics/{ALONE}/records"))).json(&body);
    let refused = refused.send().await.unwrap();
    let (status, problem) = (refused.status(), refused.json::<serde_json::Value>().await.unwrap());
    assert_eq!((status.as_u16(), &problem["code"]), (503, &"STORAGE_UNAVAILABLE".into()), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("KAFKA_STORAGE_ERROR"), "{problem}");
    // What is there is read, by both ways.
    scene.records.verify(ALONE, alone).await;
    let page = scene.url(&format!("/api/v1/topics/{ALONE}/partitions/0/records?maxRecords=3"));
    let page: serde_json::Value = scene.http.get(page).send().await.unwrap().json().await.unwrap();
    assert_eq!(page["records"].as_array().map(Vec::len), Some(3));
    // The broker lives, the control plane takes changes, and others go on without its replica.
    let alive = scene.http.get(scene.url("/livez")).send().await.unwrap();
    assert_eq!(alive.status(), 200);
    assert_eq!(scene.metadata.call(&api::broker(FULL)).await.unwrap().status, BrokerStatus::Online);
    scene.create("elsewhere", &[102, 103], 2).await;
    scene.records.write("elsewhere", &mut Written::default(), 5).await.unwrap();
    scene.records.write(SHARED, shared, 20).await.unwrap();
    let metrics = scene.http.get(scene.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("dmq_partitions_fenced"), "{metrics}");
}
