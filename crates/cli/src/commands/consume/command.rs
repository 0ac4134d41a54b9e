//! The command.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
};

use clap::Args;
use common::{Offset, PartitionId};
use futures_util::FutureExt as _;
use kafka_client::{
    Cluster, ClusterError, ConsumeError, Consumer, ConsumerOptions, Fetched, OffsetSpec, Record, StartAt,
    TopicPartition,
};

use super::{
    place::Place,
    show::{Template, to_json},
};
use crate::{
    connection::ConnectionArgs,
    exit::Failure,
    kafka::{BootstrapArgs, find_topic},
    output::{Format, say},
};

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes the records of a topic to stdout, up to what is there now
///
/// With `-o json` each record is a line of JSON.
#[derive(Debug, Args)]
pub(crate) struct ConsumeCommand {
    /// The topic
    topic: String,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    /// Where to begin: earliest, latest, an offset, 15m (that long ago), or 2026-11-21T04:06:43Z
    #[arg(long, value_name = "PLACE", default_value = "earliest")]
    from: Place,
    /// Where to end, this place excluded; without it, what is there at the beginning
    #[arg(long, value_name = "PLACE", conflicts_with = "follow")]
    to: Option<Place>,
    /// End after so many records
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// Go on with what is written meanwhile, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Only this partition; may be repeated
    #[arg(long, short, value_name = "ID")]
    partition: Vec<i32>,
    /// How to write a record: %t topic, %p partition, %o offset, %T timestamp, %k key, %s value, %h headers
    #[arg(long, value_name = "TEMPLATE", default_value = "%s\\n")]
    format: Template,
}

/// Where each partition ends; those that are through are left out.
type Ends = BTreeMap<PartitionId, Offset>;

impl ConsumeCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let cluster = self.bootstrap.cluster(connection)?;
        let partitions = self.partitions(&cluster).await?;
        // The end first: what is written after it was asked for does not count.
        let now = Place(StartAt::Listed(OffsetSpec::Latest));
        let mut ends = match self.to.or_else(|| (!self.follow).then_some(now)) {
            Some(to) => Some(self.places(&cluster, &partitions, to.0).await?),
            None => None,
        };
        let starts = self.places(&cluster, &partitions, self.from.0).await?;
        if let Some(ends) = &mut ends {
            ends.retain(|partition, end| starts.get(partition).is_some_and(|start| start < end));
            if ends.is_empty() {
                let topic = &self.topic;
                say!("`{topic}` has no records there; `dmq topic describe {topic}` shows its offsets");
                return Ok(());
            }
        }
        let mut consumer = Consumer::new(cluster, ConsumerOptions::default());
        let wanted = starts
            .into_iter()
            .filter(|(partition, _)| ends.as_ref().is_none_or(|ends| ends.contains_key(partition)));
        let starts = wanted
            .map(|(partition, start)| (TopicPartition::new(&self.topic, partition), StartAt::Offset(start)));
        consumer.assign(starts.collect::<Vec<_>>()).await?;
        let out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
        let mut sink =
            Sink { out, command: &self, json: connection.output == Format::Json, left: self.count };
        match sink.drain(&mut consumer, &mut ends).await {
            Err(Stop::Failed(failure)) => {
                // What was read before is of use.
                let _ = sink.out.flush();
                Err(failure)
            }
            // Whoever reads has seen enough.
            Err(Stop::Pipe(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(Stop::Pipe(error)) => Err(Failure::failed(format!("stdout: {error}"))),
            Ok(()) => match sink.out.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
                _ => Ok(()),
            },
        }
    }

    async fn partitions(&self, cluster: &Cluster) -> Result<Vec<PartitionId>, Failure> {
        let topic = find_topic(cluster, &self.topic).await?;
        if self.partition.is_empty() {
            return Ok(topic.partition_ids().collect());
        }
        let wanted = self.partition.iter().map(|id| PartitionId(*id));
        wanted
            .map(|partition| match topic.partition(partition) {
                Some(_) => Ok(partition),
                None => {
                    let partitions = topic.partitions.len();
                    let topic = self.topic.clone();
                    Err(ClusterError::UnknownPartition { topic, partition, partitions }.into())
                }
            })
            .collect()
    }

    /// A place in each partition, as offsets.
    async fn places(
        &self,
        cluster: &Cluster,
        partitions: &[PartitionId],
        place: StartAt,
    ) -> Result<Ends, Failure> {
        let of = |spec: OffsetSpec| {
            let of = move |partition: &PartitionId| (TopicPartition::new(&self.topic, *partition), spec);
            partitions.iter().map(of).collect::<Vec<_>>()
        };
        let latest = cluster.offsets(of(OffsetSpec::Latest)).await?;
        let spec = match place {
            StartAt::Offset(offset) => {
                return Ok(partitions.iter().map(|partition| (*partition, offset)).collect());
            }
            StartAt::Listed(spec) => spec,
        };
        let mut places = Ends::new();
        for (of, offset) in cluster.offsets(of(spec)).await? {
            // Nothing since then: the end.
            let end = latest.get(&of).copied().flatten().unwrap_or_default();
            places.insert(of.partition, offset.unwrap_or(end));
        }
        Ok(places)
    }
}

/// Why reading ended before its end.
enum Stop {
    Failed(Failure),
    Pipe(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

/// Where records go.
struct Sink<'a> {
    out: BufWriter<io::StdoutLock<'static>>,
    command: &'a ConsumeCommand,
    json: bool,
    /// How many are still wanted.
    left: Option<u64>,
}

impl Sink<'_> {
    async fn drain(&mut self, consumer: &mut Consumer, ends: &mut Option<Ends>) -> Result<(), Stop> {
        while self.left != Some(0) && ends.as_ref().is_none_or(|ends| !ends.is_empty()) {
            // What was read is shown before anything is waited for.
            let fetched = match consumer.next().now_or_never() {
                Some(fetched) => fetched,
                None => {
                    self.out.flush()?;
                    consumer.next().await
                }
            };
            let fetched = fetched.map_err(|error| Stop::Failed(explained(error)))?;
            let end = match ends {
                None => Offset(i64::MAX),
                Some(ends) => match ends.get(&fetched.partition) {
                    Some(end) => *end,
                    None => continue,
                },
            };
            self.show(&fetched, end)?;
            if fetched.next >= end
                && let Some(ends) = ends
            {
                ends.remove(&fetched.partition);
            }
        }
        Ok(())
    }

    fn show(&mut self, fetched: &Fetched, end: Offset) -> Result<(), Stop> {
        let mut written = Ok(());
        let read = fetched.each(|record| {
            if record.offset >= end || self.left == Some(0) {
                return false;
            }
            written = self.write(fetched, &record);
            self.left = self.left.map(|left| left - 1);
            written.is_ok()
        });
        written?;
        read.map_err(|source| {
            let (topic, partition, offset) = (fetched.topic.clone(), fetched.partition, fetched.from);
            Stop::Failed(ConsumeError::Unreadable { topic, partition, offset, source }.into())
        })
    }

    fn write(&mut self, fetched: &Fetched, record: &Record<'_>) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.out, &to_json(&fetched.topic, fetched.partition, record))?;
            return writeln!(self.out);
        }
        self.command.format.write(&mut self.out, &fetched.topic, fetched.partition, record)
    }
}

fn explained(error: ConsumeError) -> Failure {
    if matches!(error, ConsumeError::OffsetOutOfRange { .. }) {
        say!("`--from earliest` begins with what is still there; `dmq topic describe` shows the offsets");
    }
    error.into()
}
