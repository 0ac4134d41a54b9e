//! `dmq bench end-to-end`: from the moment a record is due until a consumer has it.

use clap::Args;
use kafka_client::{Cluster, Consumer, ConsumerOptions, NewRecord, OffsetSpec, Producer};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep_until, timeout},
};

use super::{
    processes::Watch,
    produce::{LoadArgs, Tally},
    report::Meter,
    topic::{Payload, TopicArgs},
};
use crate::{
    commands::now_ms,
    connection::ConnectionArgs,
    exit::{Exit, Failure},
};

/// Records per second, if none are asked for.
const RATE: u32 = 1000;

/// How long the consumer waits for a record.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures how long records take from a producer to a consumer
#[derive(Debug, Args)]
pub(crate) struct EndToEndBench {
    #[command(flatten)]
    topic: TopicArgs,
    /// How many records
    #[arg(long, short = 'n', default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Records before the measurement begins
    #[arg(long, default_value_t = 500)]
    warm_up: u64,
    #[command(flatten)]
    load: LoadArgs,
}

impl EndToEndBench {
    /// Runs it. Exit code 1: records were not acknowledged, or did not arrive.
    pub(crate) async fn run(mut self, connection: &ConnectionArgs) -> Result<(), Failure> {
        self.load.rate.get_or_insert(RATE);
        let cluster = self.topic.cluster(connection)?;
        let topic = self.topic.prepare(&cluster).await?;
        let setting = format!("{}; {}", topic.describe(), self.load.describe());
        let mut consumer = Consumer::new(cluster.clone(), ConsumerOptions::default());
        consumer.assign(topic.all(OffsetSpec::Latest)).await?;
        let begun = Instant::now();
        let watch = Watch::begin(&cluster);
        let (records, warm_up) = (self.records, self.warm_up);
        let mut reading = JoinSet::new();
        reading.spawn(read(consumer, begun, records, warm_up));
        let tally = self.produce(self.topic.cluster(connection)?, &topic.name, begun).await?;
        let (meter, left) = match reading.join_next().await {
            Some(Ok(read)) => read?,
            _ => return Err(Failure::failed("the consumer ended early")),
        };
        let report = meter.report("end-to-end", setting, watch.end());
        topic.clean_up(&cluster).await;
        connection.output.emit(&tally.add_to(report))?;
        tally.verdict()?;
        if left == 0 {
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, format!("{left} of {records} records did not arrive")))
    }

    /// Writes at the rate; each record begins with when it was due, in nanoseconds since `begun`.
    async fn produce(&self, cluster: Cluster, topic: &str, begun: Instant) -> Result<Tally, Failure> {
        let producer = Producer::new(cluster, self.load.options());
        let payload = Payload::new(self.load.size_bytes());
        let rate = f64::from(self.load.rate.unwrap_or(RATE));
        let mut pending = Vec::new();
        let mut value = Vec::with_capacity(payload.size());
        let started = Instant::now();
        for number in 0..self.records + self.warm_up {
            let due = started + Duration::from_secs_f64(number as f64 / rate);
            sleep_until(due).await;
            value.clear();
            value.extend_from_slice(payload.of(number));
            let due_ns = due.saturating_duration_since(begun).as_nanos() as u64;
            if let Some(front) = value.first_chunk_mut() {
                *front = due_ns.to_be_bytes();
            }
            let record = NewRecord { timestamp_ms: now_ms(), value: Some(&value), ..NewRecord::default() };
            pending.push(producer.send(topic, None, &record).await?);
        }
        producer.flush().await;
        let mut tally = Tally::default();
        for delivery in pending {
            if let Some(Err(error)) = delivery.try_acked() {
                tally.count(&error);
            }
        }
        Ok(tally)
    }
}

/// Reads until all have come; tells how many did not.
async fn read(
    mut consumer: Consumer,
    begun: Instant,
    records: u64,
    mut warm_up: u64,
) -> Result<(Meter, u64), Failure> {
    let mut meter = Meter::new();
    let mut left = records;
    while left > 0 {
        let Ok(fetched) = timeout(PATIENCE, consumer.next()).await else { break };
        let fetched = fetched?;
        let at = Instant::now();
        let read = fetched.each(|record| {
            let value = record.value.unwrap_or_default();
            let Some(due_ns) = value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)) else {
                return true;
            };
            if warm_up > 0 {
                warm_up -= 1;
                if warm_up == 0 {
                    meter = Meter::new();
                }
                return true;
            }
            let due = begun + Duration::from_nanos(due_ns);
            meter.done(at, value.len(), Some(at.saturating_duration_since(due)));
            left -= 1;
            left > 0
        });
        read.map_err(Failure::failed)?;
    }
    Ok((meter, left))
}
