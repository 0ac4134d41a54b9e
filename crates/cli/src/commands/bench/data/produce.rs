//! `dmq bench produce`: as fast as the brokers take records, or at a rate.

use std::collections::VecDeque;

use clap::Args;
use kafka_client::{Delivery, NewRecord, Producer, ProducerOptions};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep_until},
};

use super::{
    processes::Watch,
    report::{DataReport, Meter},
    topic::{Payload, TopicArgs},
};
use crate::{
    commands::now_ms,
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    kafka::{AcksArg, CompressionArg},
    output::say,
};

/// Measures how fast, and how soon, records are acknowledged
#[derive(Debug, Args)]
pub(crate) struct ProduceBench {
    #[command(flatten)]
    topic: TopicArgs,
    /// How many records
    #[arg(long, short = 'n', default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Records before the measurement begins
    #[arg(long, default_value_t = 0)]
    warm_up: u64,
    #[command(flatten)]
    load: LoadArgs,
}

/// How records are written.
#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// Bytes of a value
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=(16 << 20)))]
    pub(super) size: u64,
    /// Records per second; without it as many as the brokers take
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: Option<u32>,
    /// When a record counts as written
    #[arg(long, value_enum, default_value_t)]
    acks: AcksArg,
    /// How batches are compressed
    #[arg(long, value_enum, default_value_t)]
    compression: CompressionArg,
    /// How long a batch waits for more records, in ms; without it 5, or 0 with a rate
    #[arg(long, value_name = "MS")]
    linger: Option<u64>,
    /// Bytes of a batch
    #[arg(long, default_value_t = 256 << 10)]
    batch_bytes: usize,
    /// Bytes that wait for an answer at a time
    #[arg(long, default_value_t = 64 << 20)]
    buffer_bytes: usize,
    /// Producers, each with connections of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(super) producers: u64,
}

impl LoadArgs {
    pub(super) fn options(&self) -> ProducerOptions {
        let linger_ms = self.linger.unwrap_or_else(|| if self.rate.is_some() { 0 } else { 5 });
        ProducerOptions {
            acks: self.acks.into(),
            compression: self.compression.into(),
            linger: Duration::from_millis(linger_ms),
            batch_bytes: self.batch_bytes,
            buffer_bytes: self.buffer_bytes,
            ..ProducerOptions::default()
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    pub(super) fn describe(&self) -> String {
        let rate = self.rate.map_or_else(String::new, |rate| format!(", {rate} records/s"));
        let (acks, codec) = (format!("{:?}", self.acks), format!("{:?}", self.compression));
        format!(
            "acks {}, compression {}, {} bytes{rate}, {} producer(s)",
            acks.to_lowercase(),
            codec.to_lowercase(),
            self.size,
            self.producers
        )
    }
}

impl ProduceBench {
    /// Runs it. Exit code 1: records were not acknowledged.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let cluster = self.topic.cluster(connection)?;
        let topic = self.topic.prepare(&cluster).await?;
        let setting = format!("{}; {}", topic.describe(), self.load.describe());
        if self.warm_up > 0 {
            say!("warming up with {} records", self.warm_up);
            let mut warm_up = Run::new(connection, &self, &topic.name, self.warm_up, Meter::new())?;
            warm_up.all().await?;
        }
        let watch = Watch::begin(&cluster);
        let mut runs = JoinSet::new();
        let share = self.records / self.load.producers;
        for _ in 0..self.load.producers {
            let mut run = Run::new(connection, &self, &topic.name, share, Meter::new())?;
            runs.spawn(async move { run.all().await.map(|()| run) });
        }
        let mut total = Tally::default();
        let mut meters = Vec::new();
        while let Some(run) = runs.join_next().await {
            let run = run.map_err(Failure::failed)??;
            total.failed += run.tally.failed;
            total.unknown += run.tally.unknown;
            total.example = total.example.or(run.tally.example);
            meters.push(run.meter);
        }
        let meter = meters.into_iter().reduce(Meter::merge).unwrap_or_else(Meter::new);
        let report = meter.report("produce", setting, watch.end());
        topic.clean_up(&cluster).await;
        connection.output.emit(&total.add_to(report))?;
        total.verdict()
    }
}

/// Records that were not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Tally {
    failed: u64,
    unknown: u64,
    example: Option<String>,
}

impl Tally {
    pub(super) fn count(&mut self, error: &kafka_client::ProduceError) {
        if error.is_unknown() {
            self.unknown += 1;
        } else {
            self.failed += 1;
        }
        self.example.get_or_insert_with(|| error.to_string());
    }

    pub(super) fn add_to(&self, mut report: DataReport) -> DataReport {
        (report.failed, report.unknown) = (self.failed, self.unknown);
        report
    }

    pub(super) fn verdict(self) -> Result<(), Failure> {
        match self.example {
            None => Ok(()),
            Some(example) => {
                let count = self.failed + self.unknown;
                Err(Failure::new(Exit::Failed, format!("{count} records were not acknowledged: {example}")))
            }
        }
    }
}

/// One producer at work.
struct Run {
    producer: Producer,
    topic: String,
    records: u64,
    rate: Option<f64>,
    payload: Payload,
    meter: Meter,
    tally: Tally,
    /// In the order they were sent, each with when it was due.
    pending: VecDeque<(Delivery, Instant)>,
}

impl Run {
    fn new(
        connection: &ConnectionArgs,
        bench: &ProduceBench,
        topic: &str,
        records: u64,
        meter: Meter,
    ) -> Result<Self, Failure> {
        // Of its own: producers that share connections would wait for each other.
        let cluster = bench.topic.cluster(connection)?;
        let load = &bench.load;
        Ok(Self {
            producer: Producer::new(cluster, load.options()),
            topic: topic.to_owned(),
            records,
            rate: load.rate.map(|rate| f64::from(rate) / load.producers as f64),
            payload: Payload::new(load.size_bytes()),
            meter,
            tally: Tally::default(),
            pending: VecDeque::new(),
        })
    }

    async fn all(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        for number in 0..self.records {
            let mut due = Instant::now();
            if let Some(rate) = self.rate {
                let planned = begun + Duration::from_secs_f64(number as f64 / rate);
                if planned > due {
                    sleep_until(planned).await;
                }
                due = planned;
            }
            let record = NewRecord {
                timestamp_ms: now_ms(),
                value: Some(self.payload.of(number)),
                ..NewRecord::default()
            };
            let delivery = self.producer.send(&self.topic, None, &record).await?;
            self.pending.push_back((delivery, due));
            self.settle();
        }
        self.producer.flush().await;
        self.settle();
        Ok(())
    }

    /// Counts those that are known, in order. When each was acknowledged, it says itself.
    fn settle(&mut self) {
        while let Some((delivery, due)) = self.pending.front() {
            let Some(outcome) = delivery.try_acked() else { return };
            match outcome {
                Ok(ack) => {
                    let latency = ack.at.saturating_duration_since(*due);
                    self.meter.done(ack.at, self.payload.size(), Some(latency));
                }
                Err(error) => self.tally.count(&error),
            }
            self.pending.pop_front();
        }
    }
}
