//! `dmq bench consume`: how fast what is there can be read.

use clap::Args;
use kafka_client::{Consumer, ConsumerOptions, OffsetSpec};
use tokio::time::{Duration, Instant, timeout};

use super::{processes::Watch, report::Meter, topic::TopicArgs};
use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
};

/// Measures how fast the records of a topic are read, from the first on
#[derive(Debug, Args)]
pub(crate) struct ConsumeBench {
    #[command(flatten)]
    topic: TopicArgs,
    /// How many records
    #[arg(long, short = 'n', default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Bytes of a partition in an answer
    #[arg(long, default_value_t = 1 << 20)]
    partition_bytes: usize,
    /// How long nothing may come before giving up, in seconds
    #[arg(long, default_value_t = 10)]
    patience: u64,
}

impl ConsumeBench {
    /// Runs it. Exit code 1: there were fewer records.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let cluster = self.topic.cluster(connection)?;
        let topic = self.topic.prepare(&cluster).await?;
        let options =
            ConsumerOptions { partition_fetch_max_bytes: self.partition_bytes, ..ConsumerOptions::default() };
        let mut consumer = Consumer::new(cluster.clone(), options);
        consumer.assign(topic.all(OffsetSpec::Earliest)).await?;
        let watch = Watch::begin(&cluster);
        let mut meter = Meter::new();
        let mut left = self.records;
        while left > 0 {
            let next = timeout(Duration::from_secs(self.patience), consumer.next()).await;
            let Ok(fetched) = next else { break };
            let fetched = fetched?;
            let at = Instant::now();
            let read = fetched.each(|record| {
                let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
                meter.done(at, length(record.key) + length(record.value), None);
                left -= 1;
                left > 0
            });
            read.map_err(Failure::failed)?;
        }
        let report = meter.report("consume", topic.describe(), watch.end());
        topic.clean_up(&cluster).await;
        connection.output.emit(&report)?;
        if left == 0 {
            return Ok(());
        }
        let found = self.records - left;
        Err(Failure::new(Exit::Failed, format!("there are {found} of {} records", self.records)))
    }
}
