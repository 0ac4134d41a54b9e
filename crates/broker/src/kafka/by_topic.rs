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

use crate::image::SharedImage;

/// Topics that are counted for themselves: a series for each of more would be too many. Those that were used first are, until they
/// are deleted.
const TOPICS_MAX: usize = 1_000;

/// Counted as it happens. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct ByTopic {
    all: Counter,
    topics: Arc<RwLock<BTreeMap<Box<str>, Counter>>>,
    image: SharedImage,
}

impl ByTopic {
    /// Nothing was counted yet of the topics of this image.
    pub(super) fn new(image: &SharedImage) -> Self {
        Self { all: Counter::default(), topics: Arc::default(), image: Arc::clone(image) }
    }

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

    fn forget_deleted(&self) {
        // Whoever counts is not held up while the image is read.
        let counted: Vec<Box<str>> =
            self.topics.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let gone: Vec<_> = self
            .image
            .read(|state| counted.into_iter().filter(|topic| state.topic(topic).is_none()).collect());
        if gone.is_empty() {
            return;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|topic, _| !gone.contains(topic));
    }
}

impl EncodeMetric for ByTopic {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.forget_deleted();
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
    use common::{ClusterId, Topic, TopicId, TopicName};
    use http_api::{ClusterMetadata, Delta, DeltaSet};
    use metadata_core::Event;
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;
    use crate::image::MetadataImage;

    /// One event after the other.
    fn happen(image: &SharedImage, events: impl IntoIterator<Item = Event>) {
        let from_version = image.version();
        let mut version = from_version;
        let deltas = events.into_iter().map(|event| {
            version.0 += 1;
            Delta { version, event: Arc::new(event) }
        });
        let deltas: Vec<_> = deltas.collect();
        image.take_in(ClusterMetadata::Deltas(DeltaSet { from_version, version, deltas })).unwrap();
    }

    fn topic(number: usize) -> Topic {
        Topic {
            topic_name: TopicName::new(&format!("t{number}")).unwrap(),
            topic_id: TopicId(uuid::Uuid::from_u128(number as u128)),
            replication_factor: 1,
            configs: BTreeMap::new(),
            partitions: Vec::new(),
        }
    }

    #[test]
    fn the_sum_has_no_label_and_holds_all_topics_also_those_that_are_gone() {
        let image = Arc::new(MetadataImage::new(ClusterId("test".into())));
        let created = |number| Event::TopicCreated { topic: Arc::new(topic(number)) };
        happen(&image, (0..=TOPICS_MAX).map(created));
        let counted = ByTopic::new(&image);
        let mut registry = Registry::default();
        registry.register("bytesin", "Bytes", counted.clone());
        let told = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text.lines()
                .filter(|line| line.starts_with("bytesin_total"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        counted.add("t0", 2);
        counted.add("t1", 3);
        counted.add("t0", 5);
        for number in 2..=TOPICS_MAX {
            counted.add(&format!("t{number}"), 1);
        }
        let last = format!("bytesin_total{{topic=\"t{TOPICS_MAX}\"}} 1");
        let before = told();
        for line in ["bytesin_total 1009", "bytesin_total{topic=\"t0\"} 7", "bytesin_total{topic=\"t1\"} 3"] {
            assert!(before.iter().any(|has| has == line), "{line}");
        }
        assert_eq!(before.len(), TOPICS_MAX + 1);
        assert!(!before.contains(&last));

        // Who is deleted makes room.
        let Topic { topic_name, topic_id, .. } = topic(0);
        happen(&image, [Event::TopicDeleted { topic_name, topic_id }]);
        assert_eq!(told().len(), TOPICS_MAX);
        counted.add(&format!("t{TOPICS_MAX}"), 1);
        let after = told();
        assert!(after.contains(&last) && after.iter().any(|line| line == "bytesin_total 1010"));
        assert!(!after.iter().any(|line| line.contains("\"t0\"")));
        assert_eq!(after.len(), TOPICS_MAX + 1);
    }
}
