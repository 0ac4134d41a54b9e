//! `dmq bench metadata`: how fast the control plane answers, over REST, as a client sees it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};
use client::{ControllerDiscovery, MetadataClient, api};
use hdrhistogram::Histogram;
use http_api::paths;
use serde_json::json;

use super::{
    Figure, Figures,
    load::{self, Amount, Connection, write_request},
    outages,
};
use crate::{commands::drill::ThrowAwayArgs, connection::ConnectionArgs, exit::Failure, output::say};

/// Topics whose settings the commit parts change: enough that clients do not wait for one of them.
const CONFIG_TOPICS: usize = 64;

/// How often the whole cluster is restarted at most.
const STARTS_MAX: u32 = 5;

/// How often a part that asks one thing at a time asks.
const SINGLE_SAMPLES: u64 = 50;

/// Measures the control plane of a running cluster, or of a throw-away one. Topics it creates are named
/// `bench-<time>-...`; they are deleted at the end
#[derive(Debug, Args)]
pub(crate) struct MetadataBench {
    /// What to measure; by default everything that the cluster allows
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// How often processes are killed in the parts that kill them
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    kills: u32,
    #[command(flatten)]
    throw_away: ThrowAwayArgs,
    /// How long each part under load runs, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Finding the controller
    Discovery,
    /// One client changing a setting, again and again
    Commit,
    /// 256 clients changing settings
    Commits,
    /// 64 clients heartbeating
    Heartbeats,
    /// 64 clients creating topics
    Topics,
    /// Full image of 10,000 partitions, and the delta of one topic
    Pull,
    /// From starting all processes until every one is ready (throw-away clusters only)
    Start,
    /// From SIGKILL of the controller to the next acknowledged write (throw-away clusters only)
    Failover,
    /// From SIGKILL of a broker to OFFLINE and to new partition leaders (throw-away clusters only)
    BrokerKill,
}

impl Part {
    /// Those that hurt nobody.
    const GENTLE: [Self; 6] =
        [Self::Discovery, Self::Commit, Self::Commits, Self::Heartbeats, Self::Topics, Self::Pull];
    /// Those that stop processes.
    const ROUGH: [Self; 3] = [Self::Failover, Self::BrokerKill, Self::Start];
}

impl MetadataBench {
    /// Runs the command.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let (gentle, rough) = self.parts()?;
        let mut connection = connection.clone();
        let mut target = None;
        if self.throw_away.ephemeral {
            let started = self.throw_away.start(false, Vec::new()).await?;
            connection.metadata = started.observer()?.urls();
            target = Some(started);
        }
        let mut figures = Figures { setting: String::new(), figures: Vec::new() };
        let bench = Bench::prepare(&connection, Duration::from_secs(self.seconds)).await?;
        figures.setting.clone_from(&bench.setting);
        for part in gentle {
            say!("measuring {}", name_of(part));
            figures.figures.extend(bench.measure(part).await?);
        }
        bench.clean_up().await?;
        for part in rough {
            let Some(target) = &mut target else { break };
            say!("measuring {}", name_of(part));
            figures.figures.extend(match part {
                Part::Failover => outages::failover(target, self.kills).await?,
                Part::BrokerKill => outages::broker_kill(target, self.kills).await?,
                _ => outages::start(target, self.kills.min(STARTS_MAX)).await?,
            });
        }
        connection.output.emit(&figures)
    }

    /// What to measure: the gentle parts, then the rough ones.
    fn parts(&self) -> Result<(Vec<Part>, Vec<Part>), Failure> {
        let throw_away = self.throw_away.ephemeral;
        if self.parts.is_empty() {
            let rough = if throw_away { Part::ROUGH.to_vec() } else { Vec::new() };
            return Ok((Part::GENTLE.to_vec(), rough));
        }
        let (rough, gentle): (Vec<Part>, Vec<Part>) =
            self.parts.iter().copied().partition(|part| Part::ROUGH.contains(part));
        match rough.first() {
            Some(part) if !throw_away => {
                Err(Failure::usage(format!("{} stops processes: it needs --ephemeral", name_of(*part))))
            }
            _ => Ok((gentle, rough)),
        }
    }
}

fn name_of(part: Part) -> String {
    part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// A cluster, ready to be measured.
struct Bench {
    client: MetadataClient,
    discovery: ControllerDiscovery,
    leader: SocketAddr,
    /// Starts the name of every topic of this run.
    prefix: String,
    replication_factor: usize,
    broker_ids: Vec<common::BrokerId>,
    time: Duration,
    setting: String,
}

impl Bench {
    async fn prepare(connection: &ConnectionArgs, time: Duration) -> Result<Self, Failure> {
        let client = connection.client()?;
        let discovery = ControllerDiscovery::new(connection.http(), connection.nodes()?);
        let leader_url = discovery.find().await.map_err(Failure::failed)?.url;
        let leader = resolve(&leader_url).await?;
        let status = client.call(&api::raft_status()).await?;
        let brokers = client.call(&api::brokers()).await?;
        let broker_ids: Vec<_> = brokers
            .iter()
            .filter(|broker| broker.status == common::BrokerStatus::Online)
            .map(|broker| broker.broker_id)
            .collect();
        if broker_ids.is_empty() {
            return Err(Failure::failed("no broker is ONLINE, so no topic can be created"));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let bench = Self {
            setting: format!(
                "{} metadata nodes on {}, {} brokers, controller at {leader_url}",
                status.members.len(),
                crate::commands::name_of(&status.storage),
                broker_ids.len(),
            ),
            client,
            discovery,
            leader,
            prefix: format!("bench-{}", now.as_millis()),
            replication_factor: broker_ids.len().min(3),
            broker_ids,
            time,
        };
        for index in 0..CONFIG_TOPICS {
            bench.create(&format!("config-{index}"), 1).await?;
        }
        Ok(bench)
    }

    async fn measure(&self, part: Part) -> Result<Vec<Figure>, Failure> {
        match part {
            Part::Discovery => self.discovery().await.map(|figure| vec![figure]),
            Part::Commit => self.config_changes(1, "1 client, commit", "p50 <= 0.5, p99 <= 2 ms").await,
            Part::Commits => self.config_changes(256, "256 clients, commits", ">= 20,000/s").await,
            Part::Heartbeats => self.heartbeats().await,
            Part::Topics => self.topics().await,
            Part::Pull => self.pull().await,
            Part::Start | Part::Failover | Part::BrokerKill => Ok(Vec::new()),
        }
    }

    async fn discovery(&self) -> Result<Figure, Failure> {
        let mut latencies_us = histogram();
        for _ in 0..SINGLE_SAMPLES {
            let begun = Instant::now();
            self.discovery.find().await.map_err(Failure::failed)?;
            record(&mut latencies_us, begun);
        }
        Ok(Figure::latency("discovery of the controller", &latencies_us, "< 200 ms"))
    }

    async fn config_changes(
        &self,
        clients: usize,
        name: &str,
        goal: &'static str,
    ) -> Result<Vec<Figure>, Failure> {
        let prefix = self.prefix.clone();
        let load = load::run(self.leader, clients, Amount::For(self.time), 200, move |client, n, bytes| {
            let path = paths::topic(&format!("{prefix}-config-{}", client % CONFIG_TOPICS));
            // Another value each time, or nothing would change.
            let retention_ms = 1_000_000 + n * 1000 + client as u64;
            write_request(
                bytes,
                "PATCH",
                &path,
                &format!(r#"{{"configs":{{"retention.ms":"{retention_ms}"}}}}"#),
            );
        })
        .await?;
        Ok(vec![checked(Figure::load(name, &load, goal), &load)])
    }

    async fn heartbeats(&self) -> Result<Vec<Figure>, Failure> {
        let broker_ids = self.broker_ids.clone();
        let load = load::run(self.leader, 64, Amount::For(self.time), 200, move |client, _, bytes| {
            if let Some(id) = broker_ids.get(client % broker_ids.len()) {
                write_request(bytes, "POST", &paths::heartbeat(*id), "");
            }
        })
        .await?;
        Ok(vec![checked(Figure::load("64 clients, heartbeats", &load, ">= 10,000/s"), &load)])
    }

    async fn topics(&self) -> Result<Vec<Figure>, Failure> {
        let (prefix, replication_factor) = (self.prefix.clone(), self.replication_factor);
        let load = load::run(self.leader, 64, Amount::For(self.time), 201, move |client, n, bytes| {
            let body = format!(
                r#"{{"topicName":"{prefix}-{client}-{n}","numPartitions":1,"replicationFactor":{replication_factor}}}"#
            );
            write_request(bytes, "POST", paths::TOPICS, &body);
        })
        .await?;
        let goal = ">= 5,000/s SQLite, >= 4,000/s Postgres";
        Ok(vec![checked(Figure::load("64 clients, topic creations", &load, goal), &load)])
    }

    async fn pull(&self) -> Result<Vec<Figure>, Failure> {
        let present = self.client.call(&api::cluster()).await?.total_partitions;
        for index in 0..10_000usize.saturating_sub(present).div_ceil(100) {
            self.create(&format!("wide-{index}"), 100).await?;
        }
        let (mut full_us, mut delta_us) = (histogram(), histogram());
        let mut connection = Connection::open(self.leader).await?;
        let mut request = Vec::new();
        write_request(&mut request, "GET", paths::CLUSTER, "");
        for n in 0..SINGLE_SAMPLES {
            // The image must be made anew each time, as after a change.
            let version = self.create(&format!("delta-{n}"), 1).await?.saturating_sub(1);
            let begun = Instant::now();
            expect_ok(connection.ask(&request).await?.status)?;
            record(&mut full_us, begun);
            let mut since = Vec::new();
            write_request(&mut since, "GET", &format!("{}?since={version}", paths::CLUSTER), "");
            let begun = Instant::now();
            expect_ok(connection.ask(&since).await?.status)?;
            record(&mut delta_us, begun);
        }
        let partitions = self.client.call(&api::cluster()).await?.total_partitions;
        Ok(vec![
            Figure::latency(format!("full pull of {partitions} partitions"), &full_us, "<= 50 ms at 10,000"),
            Figure::latency("pull of a one-topic delta", &delta_us, "<= 2 ms"),
        ])
    }

    /// Creates a topic and tells the version it made.
    async fn create(&self, name: &str, partitions: i32) -> Result<u64, Failure> {
        let body = json!({
            "topicName": format!("{}-{name}", self.prefix),
            "numPartitions": partitions,
            "replicationFactor": self.replication_factor,
        });
        let mut request = Vec::new();
        write_request(&mut request, "POST", paths::TOPICS, &body.to_string());
        let mut connection = Connection::open(self.leader).await?;
        let answer = connection.ask(&request).await?;
        if answer.status != 201 {
            let body = String::from_utf8_lossy(answer.body);
            return Err(Failure::failed(format!("creating a topic: {} {body}", answer.status)));
        }
        Ok(self.client.call(&api::cluster()).await?.version.0)
    }

    async fn clean_up(&self) -> Result<(), Failure> {
        let topics = self.client.call(&api::topics()).await?;
        let own: Vec<String> = topics
            .into_iter()
            .map(|topic| topic.topic_name.to_string())
            .filter(|name| name.starts_with(&self.prefix))
            .collect();
        say!("deleting {} topics", own.len());
        let each = own.len().div_ceil(64) as u64;
        load::run(self.leader, 64, Amount::Each(each), 204, move |client, n, bytes| {
            let name = own.get(client * each as usize + n as usize);
            write_request(bytes, "DELETE", &paths::topic(name.map_or("none", String::as_str)), "");
        })
        .await?;
        Ok(())
    }
}

/// Says aloud when answers were not the wanted ones.
fn checked(figure: Figure, load: &load::Load) -> Figure {
    if let Some(example) = &load.example {
        say!("{}: {} answers were refused, for example {example}", figure.name, load.refused);
    }
    figure
}

fn expect_ok(status: u16) -> Result<(), Failure> {
    if status == 200 { Ok(()) } else { Err(Failure::failed(format!("a pull answered {status}"))) }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constant and valid")
}

fn record(latencies_us: &mut Histogram<u64>, begun: Instant) {
    latencies_us.saturating_record(begun.elapsed().as_micros() as u64);
}

async fn resolve(url: &str) -> Result<SocketAddr, Failure> {
    let authority = url.trim_start_matches("http://");
    let found = tokio::net::lookup_host(authority).await;
    let mut addresses = found.map_err(|error| Failure::failed(format!("{authority}: {error}")))?;
    addresses.next().ok_or_else(|| Failure::failed(format!("{authority} has no address")))
}
