//! A consumer that reads along while the brokers are hurt, and one that reads everything in the end.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Offset, PartitionId};
use kafka_client::{
    Cluster, Consumer, ConsumerOptions, Fetched, OffsetSpec, Record, StartAt, TopicPartition,
};

use super::{
    history::{RecordId, Shown, Stored},
    workload::Shared,
};
use crate::{exit::Failure, output::say};

/// How long a broker may keep a fetch waiting: short, since a partition that moves to another leader is asked for only when
/// that one's answer has come.
const FETCH_WAIT: Duration = Duration::from_millis(50);

/// The value of a record: who wrote it, and when.
pub(super) fn value(id: RecordId, since_base: Duration) -> String {
    format!("drill {} {} {}", id.writer, id.number, since_base.as_micros())
}

/// Who wrote a record, and when; `None`: it is none of ours.
fn parse(value: Option<&[u8]>) -> Option<(RecordId, Duration)> {
    let mut words = std::str::from_utf8(value?).ok()?.strip_prefix("drill ")?.split(' ');
    let id = RecordId { writer: words.next()?.parse().ok()?, number: words.next()?.parse().ok()? };
    let since_base = Duration::from_micros(words.next()?.parse().ok()?);
    words.next().is_none().then_some((id, since_base))
}

/// Reads every partition from its first record on, until it is dropped, and writes down what it is shown.
pub(super) async fn along(shared: Arc<Shared>) {
    let mut consumer = consumer(shared.cluster());
    let starts = shared
        .partitions
        .iter()
        .map(|partition| (TopicPartition::new(&shared.topic, *partition), StartAt::Offset(Offset(0))));
    // It writes nothing down, and is found out by that.
    if let Err(error) = consumer.assign(starts.collect::<Vec<_>>()).await {
        say!("the consumer that reads along: {error}");
        return;
    }
    loop {
        let read = match consumer.next().await {
            Ok(fetched) => {
                let at = Instant::now();
                let mut history = shared.history();
                let shown = history.shown.entry(fetched.partition).or_default();
                each(&fetched, |stored, since_base| {
                    shown.push(Shown { stored, begun: shared.base + since_base, at });
                })
            }
            // It goes on with the other partitions, and is found out by that.
            Err(error) => Err(error.into()),
        };
        if let Err(failure) = read {
            say!("the consumer that reads along: {failure}");
        }
        shared.advanced();
    }
}

/// Everything that stands in the partitions now.
pub(super) async fn everything(
    shared: &Shared,
    deadline: Duration,
) -> Result<BTreeMap<PartitionId, Vec<Stored>>, Failure> {
    let reading = async {
        let cluster = shared.cluster();
        let of = |spec| {
            let of = move |partition: &PartitionId| (TopicPartition::new(&shared.topic, *partition), spec);
            shared.partitions.iter().map(of).collect::<Vec<_>>()
        };
        let mut ends: BTreeMap<PartitionId, Offset> = BTreeMap::new();
        for (place, end) in cluster.offsets(of(OffsetSpec::Latest)).await? {
            ends.insert(place.partition, end.unwrap_or_default());
        }
        let mut stored: BTreeMap<PartitionId, Vec<Stored>> = BTreeMap::new();
        ends.retain(|partition, end| {
            stored.insert(*partition, Vec::new());
            end.0 > 0
        });
        let mut consumer = consumer(cluster);
        let starts = of(OffsetSpec::Earliest).into_iter().map(|(place, spec)| (place, StartAt::Listed(spec)));
        consumer.assign(starts.collect::<Vec<_>>()).await?;
        while !ends.is_empty() {
            let fetched = consumer.next().await?;
            let into = stored.entry(fetched.partition).or_default();
            each(&fetched, |stored, _| into.push(stored))?;
            if ends.get(&fetched.partition).is_some_and(|end| fetched.next >= *end) {
                ends.remove(&fetched.partition);
            }
        }
        Ok(stored)
    };
    let late = || Failure::failed(format!("not everything can be read within {} s", deadline.as_secs()));
    tokio::time::timeout(deadline, reading).await.map_err(|_| late())?
}

fn consumer(cluster: Cluster) -> Consumer {
    Consumer::new(cluster, ConsumerOptions { fetch_max_wait: FETCH_WAIT, ..ConsumerOptions::default() })
}

fn each(fetched: &Fetched, mut visit: impl FnMut(Stored, Duration)) -> Result<(), Failure> {
    let read = fetched.each(|record: Record<'_>| {
        let (id, since_base) = parse(record.value).unzip();
        visit(Stored { offset: record.offset, id }, since_base.unwrap_or_default());
        true
    });
    read.map_err(|error| {
        Failure::failed(format!("{}-{} from {}: {error}", fetched.topic, fetched.partition, fetched.from))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_who_wrote_it_and_when() {
        let id = RecordId { writer: 1, number: 17 };
        let since_base = Duration::from_micros(1234);
        assert_eq!(parse(Some(value(id, since_base).as_bytes())), Some((id, since_base)));
        for other in [None, Some(&b"drill 1"[..]), Some(b"x"), Some(b"drill 1 2 3 4"), Some(&[255])] {
            assert_eq!(parse(other), None);
        }
    }
}
