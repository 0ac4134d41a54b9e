//! Records of a known number, and whether they are all there.

use std::{collections::BTreeMap, time::Duration};

use common::{BrokerId, Offset, PartitionId, config::ClusterConfig};
use kafka_client::{
    Address, Cluster, ClusterOptions, Connection, ConnectionOptions, Consumer, ConsumerOptions, ErrorCode,
    NewRecord, OffsetSpec, ProduceError, Producer, ProducerOptions, Record, StartAt, TopicPartition,
};
use kafka_wire::messages::{
    ProduceRequest,
    produce::{PartitionProduceData, TopicProduceData},
};

/// Bytes of a record.
const RECORD_BYTES: usize = 128 << 10;

/// How long a record is tried.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);

/// What was written to partition 0 of a topic.
#[derive(Default)]
pub(crate) struct Written {
    next: u64,
    /// By number.
    pub(crate) acknowledged: BTreeMap<u64, Offset>,
    /// Of which nobody knows.
    unknown: Vec<u64>,
}

/// Writes and reads.
pub(crate) struct Records {
    addresses: Vec<(BrokerId, Address)>,
    producer: Producer,
}

impl Records {
    pub(crate) fn new(config: &ClusterConfig) -> Self {
        let address = |broker: &common::config::BrokerConfig| {
            Some((broker.id, Address::new(broker.host.clone(), broker.kafka_port?)))
        };
        let addresses: Vec<_> = config.brokers.iter().filter_map(address).collect();
        let options = ProducerOptions { delivery_timeout: DELIVERY_TIMEOUT, ..ProducerOptions::default() };
        let producer = Producer::new(cluster(&addresses), options);
        Self { addresses, producer }
    }

    /// Writes up to `count` records, one after the other, and stops at the first that is not acknowledged.
    pub(crate) async fn write(
        &self,
        topic: &str,
        written: &mut Written,
        count: usize,
    ) -> Result<(), ProduceError> {
        for _ in 0..count {
            let number = written.next;
            written.next += 1;
            let mut value = number.to_be_bytes().to_vec();
            value.resize(RECORD_BYTES, 7);
            let record = NewRecord { value: Some(&value), ..NewRecord::default() };
            let delivery = self.producer.send(topic, Some(PartitionId(0)), &record).await?;
            match delivery.acked().await {
                Ok(ack) => {
                    written.acknowledged.insert(number, ack.offset.unwrap());
                }
                Err(error) => {
                    if error.is_unknown() {
                        written.unknown.push(number);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Fails unless every acknowledged record is at its offset, and there is no other but those of unknown end, once.
    pub(crate) async fn verify(&self, topic: &str, written: &Written) {
        let cluster = cluster(&self.addresses);
        let place = TopicPartition::new(topic, PartitionId(0));
        let ends = cluster.offsets([(place.clone(), OffsetSpec::Latest)]).await.unwrap();
        let end = ends.into_values().next().flatten().unwrap();
        let mut consumer = Consumer::new(cluster, ConsumerOptions::default());
        consumer.assign([(place, StartAt::Offset(Offset(0)))]).await.unwrap();
        let mut stored: BTreeMap<u64, Offset> = BTreeMap::new();
        while consumer.position(topic, PartitionId(0)).unwrap() < end {
            let fetched = tokio::time::timeout(super::DEADLINE, consumer.next()).await.unwrap().unwrap();
            let note = |record: Record<'_>| {
                let number = u64::from_be_bytes(record.value.unwrap()[..8].try_into().unwrap());
                // A batch by hand has no number of its own: see `code_of_large_batch`.
                let twice = stored.insert(number, record.offset).filter(|_| number != u64::MAX);
                assert_eq!(twice, None, "record {number} of {topic} is there twice");
                true
            };
            fetched.each(note).unwrap();
        }
        for (number, offset) in &written.acknowledged {
            assert_eq!(
                stored.remove(number).as_ref(),
                Some(offset),
                "acknowledged record {number} of {topic}"
            );
        }
        stored.retain(|number, _| *number != u64::MAX && !written.unknown.contains(number));
        assert!(stored.is_empty(), "records of {topic} that nobody wrote: {stored:?}");
    }

    /// What a broker says to a batch of almost a MiB.
    pub(crate) async fn code_of_large_batch(&self, broker: BrokerId, topic: &str) -> ErrorCode {
        let (_, address) = self.addresses.iter().find(|(id, _)| *id == broker).unwrap();
        let connection = Connection::open(address, &ConnectionOptions::default()).await.unwrap();
        let mut value = u64::MAX.to_be_bytes().to_vec();
        value.resize(1_000_000, 7);
        let mut batch = commit_log::batch::BatchBuilder::default();
        let batch = batch.record(0, None, Some(&value)).build(Offset(0)).unwrap();
        let partition_data =
            vec![PartitionProduceData { index: 0, records: bytes::Bytes::from(batch).into() }];
        let topic =
            TopicProduceData { name: topic.to_owned(), partition_data, ..TopicProduceData::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() };
        // The last version that names topics by their names.
        let pending = connection.start(&request, 12, Duration::ZERO).await.unwrap();
        pending.answer().await.unwrap().responses[0].partition_responses[0].error_code
    }
}

fn cluster(addresses: &[(BrokerId, Address)]) -> Cluster {
    Cluster::new(addresses.iter().map(|(_, address)| address.clone()), ClusterOptions::default())
}
