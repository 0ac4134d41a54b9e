//! What is counted of Kafka clients, in the names that Kafka's JMX exporters gave to the world.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::by_topic::ByTopic;
use crate::image::SharedImage;

/// Upper bounds of request times, in seconds: from a read in memory to a long poll.
const LATENCY_BUCKETS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

type Label = [(&'static str, &'static str); 1];

/// Counted as it happens. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct KafkaMetrics {
    requests: Family<Label, Histogram>,
    connections_cut: Counter,
    pub(super) messages_in: ByTopic,
    pub(super) bytes_in: ByTopic,
    pub(super) bytes_out: ByTopic,
    pub(super) produce_requests: Counter,
    pub(super) fetch_requests: Counter,
    pub(super) failed_produce: Counter,
    pub(super) failed_fetch: Counter,
}

impl KafkaMetrics {
    /// Nothing was counted yet.
    pub(super) fn new(image: &SharedImage) -> Self {
        Self {
            requests: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            connections_cut: Counter::default(),
            messages_in: ByTopic::new(image),
            bytes_in: ByTopic::new(image),
            bytes_out: ByTopic::new(image),
            produce_requests: Counter::default(),
            fetch_requests: Counter::default(),
            failed_produce: Counter::default(),
            failed_fetch: Counter::default(),
        }
    }

    /// A request was answered, or needs no answer.
    pub(super) fn request(&self, api: &'static str, took: Duration) {
        self.requests.get_or_create(&[("api", api)]).observe(took.as_secs_f64());
    }

    /// A connection was closed because its client broke a rule.
    pub(super) fn connection_cut(&self) {
        self.connections_cut.inc();
    }

    /// Makes these figures part of `/metrics`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "dmq_request_duration",
            "Time from the arrival of a Kafka request to its answer, by API",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register(
            "dmq_kafka_connections_cut",
            "Connections closed because their client broke a rule or was too slow",
            self.connections_cut.clone(),
        );
        let by_topic = [
            ("messagesin", "Records appended for producers, by topic", &self.messages_in),
            ("bytesin", "Bytes of record batches appended for producers, by topic", &self.bytes_in),
            (
                "bytesout",
                "Bytes of record batches sent to consumers and followers, by topic",
                &self.bytes_out,
            ),
        ];
        for (name, help, counter) in by_topic {
            registry.register(format!("kafka_server_brokertopicmetrics_{name}"), help, counter.clone());
        }
        let counters = [
            ("totalproducerequests", "Partitions of produce requests", &self.produce_requests),
            ("totalfetchrequests", "Partitions of fetch requests", &self.fetch_requests),
            ("failedproducerequests", "Partitions of produce requests that failed", &self.failed_produce),
            ("failedfetchrequests", "Partitions of fetch requests that failed", &self.failed_fetch),
        ];
        for (name, help, counter) in counters {
            registry.register(format!("kafka_server_brokertopicmetrics_{name}"), help, counter.clone());
        }
    }
}
