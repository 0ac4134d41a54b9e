//! What `/metrics` of real brokers and nodes shows: the names that dashboards know, values that move with what happens, and a
//! page of the documentation that names each.

use std::{collections::BTreeMap, path::Path};

use client::api;
use common::PartitionId;
use kafka_client::{Address, ClusterOptions, NewRecord, Producer, ProducerOptions};
use testkit::{Cluster, DEADLINE, Storage, until};

use crate::{dmq, topic};

const RECORDS: f64 = 20.0;

/// Values by name and labels, as they stand in the text.
pub(crate) struct Scrape {
    values: BTreeMap<String, f64>,
    /// Help by name.
    help: BTreeMap<String, String>,
}

impl Scrape {
    pub(crate) async fn of(http: &reqwest::Client, url: &str) -> Self {
        let response = http.get(format!("{url}/metrics")).send().await.unwrap().error_for_status().unwrap();
        let text = response.text().await.unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");
        let (mut values, mut help) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some((name, words)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                let before = help.insert(name.to_owned(), words.to_owned());
                assert_eq!(before, None, "{name} is there twice");
            } else if let Some((series, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) {
                values.insert(series.to_owned(), value.parse().unwrap());
            }
        }
        Self { values, help }
    }

    /// The sum over all series whose text begins so.
    fn sum(&self, beginning: &str) -> f64 {
        self.values.iter().filter(|(series, _)| series.starts_with(beginning)).map(|(_, value)| value).sum()
    }

    /// One series.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }
}

/// All brokers together.
struct Brokers(Vec<Scrape>);

impl Brokers {
    async fn scrape(http: &reqwest::Client, urls: &[String]) -> Self {
        let mut all = Vec::new();
        for url in urls {
            all.push(Scrape::of(http, url).await);
        }
        Self(all)
    }

    fn sum(&self, beginning: &str) -> f64 {
        self.0.iter().map(|scrape| scrape.sum(beginning)).sum()
    }

    /// One series, of whichever broker tells of it.
    fn told(&self, series: &str) -> Vec<f64> {
        self.0.iter().filter_map(|scrape| scrape.value(series)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_what_happens_in_names_that_dashboards_know() {
    let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
    cluster.client().call(&api::create_topic(&topic("measured", 1, 3))).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let members = cluster.local().members().into_iter();
    let urls: Vec<String> = members.filter(|it| it.name.starts_with("broker-")).map(|it| it.url).collect();
    let before = Brokers::scrape(&http, &urls).await;
    write(&cluster).await;
    let records = format!("{}/api/v1/topics/measured/partitions/0/records", urls[0]);
    http.get(records).send().await.unwrap().error_for_status().unwrap();
    let after = Brokers::scrape(&http, &urls).await;

    let grew = |series: &str| after.sum(series) - before.sum(series);
    assert_eq!(grew("kafka_server_brokertopicmetrics_messagesin_total{topic=\"measured\"}"), RECORDS);
    let moving = [
        "kafka_server_brokertopicmetrics_bytesin_total{topic=\"measured\"}",
        // The followers have them too.
        "kafka_server_brokertopicmetrics_bytesout_total{topic=\"measured\"}",
        "kafka_server_brokertopicmetrics_replicationbytesin_total",
        "kafka_server_brokertopicmetrics_totalproducerequests_total",
        "kafka_server_brokertopicmetrics_totalfetchrequests_total",
        "dmq_request_duration_seconds_count{api=\"Produce\"}",
        "dmq_http_request_duration_seconds_count{method=\"GET\",path=\"/api/v1/topics/{topic}/partitions/{partition}/records\",status=\"2xx\"}",
        "kafka_log_log_size{topic=\"measured\",partition=\"0\"}",
        "dmq_log_size_bytes",
    ];
    for series in moving {
        assert!(grew(series) > 0.0, "{series} does not move");
    }
    let partition = |name: &str| format!("{name}{{topic=\"measured\",partition=\"0\"}}");
    assert_eq!(after.told(&partition("kafka_topic_partition_current_offset")), [RECORDS]);
    assert_eq!(after.told(&partition("kafka_topic_partition_oldest_offset")), [0.0]);
    assert_eq!(after.told(&partition("kafka_topic_partition_replicas")), [3.0]);
    assert_eq!(after.told(&partition("kafka_topic_partition_in_sync_replica")), [3.0]);
    assert_eq!(after.sum("kafka_server_replicamanager_underreplicatedpartitions"), 0.0);
    assert_eq!(after.sum("kafka_server_replicamanager_leadercount"), 1.0);

    a_lost_replica_shows(&mut cluster, &http, &urls).await;
    the_quorum_tells_of_the_cluster_once(&mut cluster, &http).await;
    let node = Scrape::of(&http, &cluster.leader().await.url).await;
    assert_eq!(node.value("kafka_controller_kafkacontroller_activecontrollercount"), Some(1.0));
    assert_eq!(node.value("kafka_controller_kafkacontroller_offlinepartitionscount"), Some(0.0));
    documented(&after.0[0], &node);
}

/// A figure of the whole cluster is told by the controller alone, and so is what only the leader does.
async fn the_quorum_tells_of_the_cluster_once(cluster: &mut Cluster, http: &reqwest::Client) {
    let members = cluster.local().members().into_iter();
    let urls: Vec<String> = members.filter(|it| it.name.starts_with("metadata-")).map(|it| it.url).collect();
    until("two brokers live", DEADLINE, async || {
        Brokers::scrape(http, &urls).await.told("kafka_brokers") == [2.0]
    })
    .await;
    let nodes = Brokers::scrape(http, &urls).await;
    assert_eq!(nodes.told("dmq_brokers_registered"), [3.0; 3]);
    assert_eq!(nodes.told("kafka_controller_controllerstats_uncleanleaderelections_total"), [0.0; 3]);
    until("the leader tells of what it commits", DEADLINE, async || {
        // That there is one already is decided like anything else.
        let _ = cluster.client().call(&api::create_topic(&topic("measured", 1, 3))).await;
        let nodes = Brokers::scrape(http, &urls).await;
        ["commit_latency_avg", "append_records_rate"].iter().all(|name| {
            nodes.told(&format!("kafka_server_raftmetrics_{name}")).iter().any(|value| *value > 0.0)
        })
    })
    .await;
}

async fn write(cluster: &Cluster) {
    let brokers = cluster.config().brokers.iter();
    let addresses = brokers.filter_map(|broker| Some(Address::new(broker.host.clone(), broker.kafka_port?)));
    let kafka = kafka_client::Cluster::new(addresses, ClusterOptions::default());
    let producer = Producer::new(kafka, ProducerOptions::default());
    let record = NewRecord { value: Some(b"value"), ..NewRecord::default() };
    for _ in 0..RECORDS as usize {
        let sent = producer.send("measured", Some(PartitionId(0)), &record).await.unwrap();
        sent.acked().await.unwrap();
    }
}

/// A broker that stands still lacks what is written: its leader tells how much. One that is dead makes partitions
/// under-replicated.
async fn a_lost_replica_shows(cluster: &mut Cluster, http: &reqwest::Client, urls: &[String]) {
    let info = cluster.client().call(&api::topic("measured")).await.unwrap();
    let leader = info.partitions[0].leader.unwrap();
    let follower = *info.partitions[0].replicas.iter().find(|id| **id != leader).unwrap();
    cluster.kill(&testkit::cluster::broker(follower)).await;
    let position = cluster.config().brokers.iter().position(|broker| broker.id == follower).unwrap();
    let urls: Vec<String> =
        urls.iter().enumerate().filter(|(at, _)| *at != position).map(|(_, url)| url.clone()).collect();
    until("the partition is under-replicated", DEADLINE, async || {
        let now = Brokers::scrape(http, &urls).await;
        now.sum("kafka_server_replicamanager_underreplicatedpartitions") == 1.0
            && now.sum("kafka_topic_partition_under_replicated_partition{topic=\"measured\"") == 1.0
            && now.sum("kafka_server_replicamanager_atminisrpartitioncount") == 1.0
    })
    .await;
    write(cluster).await;
    let lag = format!("dmq_replica_lag{{topic=\"measured\",partition=\"0\",replica=\"{follower}\"}}");
    until("its leader tells what it lacks", DEADLINE, async || {
        Brokers::scrape(http, &urls).await.told(&lag) == [RECORDS]
    })
    .await;
}

/// Every figure is on the page, with its help.
fn documented(broker: &Scrape, node: &Scrape) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let missing: Vec<String> = [broker, node]
        .into_iter()
        .flat_map(|scrape| &scrape.help)
        .map(|(name, help)| format!("| `{name}` | {} |", help.trim_end_matches('.')))
        .filter(|row| !page.contains(row))
        .collect();
    assert!(missing.is_empty(), "docs/metrics.md lacks\n{}", missing.join("\n"));
}
