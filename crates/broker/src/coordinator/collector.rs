//! The figures of coordinators, looked up when somebody asks, in the name that Kafka's JMX exporters give.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::Groups;

/// Tells of the coordinators of a broker.
#[derive(Debug)]
pub struct GroupCollector(pub Groups);

impl Collector for GroupCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (mut active, mut loading, mut failed) = (0_i64, 0_i64, 0_i64);
        self.0.read(|owners| {
            for entry in owners.values() {
                match (entry.stage.serves(), entry.stage.trouble()) {
                    (true, _) => active += 1,
                    (false, None) => loading += 1,
                    (false, Some(_)) => failed += 1,
                }
            }
        });
        let name = "kafka_server_group_coordinator_metrics_num_partitions";
        let help = "Partitions of __consumer_offsets that are led here, by whether their groups are served, being loaded, \
                    or cannot be loaded";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (state, count) in [("active", active), ("loading", loading), ("failed", failed)] {
            ConstGauge::new(count).encode(family.encode_family(&[("state", state)])?)?;
        }
        Ok(())
    }
}
