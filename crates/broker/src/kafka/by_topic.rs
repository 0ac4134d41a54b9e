//! A counter in all and for each topic, as Kafka's JMX exporters show them: the sum has no label.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::Counter},
};

/// Topics that are counted for themselves: a series for each of more would be too many. Those that were used first are.
const TOPICS_MAX: usize = 1_000;

/// Counted as it happens. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct ByTopic {
    all: Counter,
    topics: Arc<RwLock<BTreeMap<Box<str>, Counter>>>,
}

impl ByTopic {
    /// Adds to the sum and to the topic.
    pub(super) fn add(&self, topic: &str, count: u64) {
        self.all.inc_by(count);
        if let Some(counter) = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic) {
            counter.inc_by(count);
            return;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if topics.len() < TOPICS_MAX || topics.contains_key(topic) {
            topics.entry(topic.into()).or_default().inc_by(count);
        }
    }
}

impl EncodeMetric for ByTopic {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (topic, counter) in self.topics.read().unwrap_or_else(PoisonError::into_inner).iter() {
            counter.encode(encoder.encode_family(&[("topic", &**topic)])?)?;
        }
        // Not as a family without labels: that would write empty braces.
        self.all.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    #[test]
    fn the_sum_has_no_label_and_holds_all_topics() {
        let counted = ByTopic::default();
        let mut registry = Registry::default();
        registry.register("bytesin", "Bytes", counted.clone());
        counted.add("a", 2);
        counted.add("b", 3);
        counted.add("a", 5);
        for number in 0..=TOPICS_MAX {
            counted.add(&format!("t{number}"), 1);
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in ["bytesin_total 1011", "bytesin_total{topic=\"a\"} 7", "bytesin_total{topic=\"b\"} 3"] {
            assert!(text.lines().any(|has| has == line), "{line}");
        }
        assert_eq!(text.matches("topic=").count(), TOPICS_MAX);
    }
}
