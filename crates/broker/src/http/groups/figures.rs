//! What `/metrics` tells of the groups that this broker coordinates, in the names of kafka_exporter, whose dashboards teams
//! already have. Each group is told by its coordinator alone, so that sums over all brokers are right.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coordinator::api::{SurveyedGroup, SurveyedOffset};
use http_api::groups::GroupOffset;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Registry,
};

use super::lag;
use crate::{coordinator::Surveyed, http::router::Context};

/// A family has at most so many series; one that would have more has none.
const SERIES_MAX: usize = 2_000;

/// The most offsets that are looked at for sums.
const OFFSETS_MAX: usize = 20_000;

/// Partitions that are behind of which the first unread record is looked at.
const LOOKS_MAX: usize = 200;

/// How long coordinators are asked.
const PATIENCE: Duration = Duration::from_secs(1);

/// The figures, as of the last time that somebody asked. Clones are one.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct GroupFigures {
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    /// How many groups there are, if all coordinators here have said.
    groups: Option<usize>,
    /// Members of each group.
    members: BTreeMap<String, usize>,
    /// Of each group and partition, if there are not too many.
    offsets: Option<Vec<(String, GroupOffset)>>,
}

impl GroupFigures {
    /// Makes these figures part of `/metrics`.
    pub(in crate::http) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    /// Looks at the groups anew, before the figures are told. First at what is committed, then at where the logs end: so no
    /// group is ahead of a log.
    pub(in crate::http) async fn refresh(&self, context: &Context) {
        let Surveyed { groups, is_complete } = context.groups.survey(OFFSETS_MAX, PATIENCE).await;
        let count = is_complete.then_some(groups.len());
        let members = groups.iter().map(|group| (group.group_id.to_string(), group.members)).collect();
        let offsets = match committed(groups) {
            None => None,
            Some((groups, mut offsets)) => {
                lag::fill_in(context, &mut offsets, LOOKS_MAX).await;
                Some(groups.into_iter().zip(offsets).collect())
            }
        };
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Told { groups: count, members, offsets };
    }
}

/// Each offset, and whose it is. None if there are too many.
fn committed(groups: Vec<SurveyedGroup>) -> Option<(Vec<String>, Vec<GroupOffset>)> {
    let (mut of, mut offsets) = (Vec::new(), Vec::new());
    for group in groups {
        for SurveyedOffset { topic, partition, offset } in group.offsets? {
            of.push(group.group_id.to_string());
            let (topic, offset) = (topic.to_string(), Some(offset.0));
            offsets.push(GroupOffset { topic, partition, offset, ..GroupOffset::default() });
        }
    }
    (offsets.len() <= OFFSETS_MAX).then_some((of, offsets))
}

/// What is told of a topic that a group reads.
struct OfTopic {
    offset: i64,
    /// None if that of a partition is not known: the sum would be too small.
    lag: Option<i64>,
    /// Of the partition that is furthest behind; none if that is not known.
    lag_ms: Option<i64>,
}

impl Told {
    fn by_topic(&self) -> BTreeMap<(&str, &str), OfTopic> {
        let mut topics: BTreeMap<(&str, &str), OfTopic> = BTreeMap::new();
        for (group, of) in self.offsets.iter().flatten() {
            let none = OfTopic { offset: 0, lag: Some(0), lag_ms: None };
            let topic = topics.entry((group, &of.topic)).or_insert(none);
            // What is committed is for clients to say.
            topic.offset = topic.offset.saturating_add(of.offset.unwrap_or(0));
            topic.lag = topic.lag.zip(of.lag).map(|(sum, lag)| sum.saturating_add(lag));
            topic.lag_ms = topic.lag_ms.max(of.lag_ms);
        }
        topics
    }

    fn encode_partitions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Figure = fn(&GroupOffset) -> Option<i64>;
        let each: [(&str, &str, Figure); 2] = [
            (
                "kafka_consumergroup_current_offset",
                "What a group has committed; told by its coordinator",
                |of| of.offset,
            ),
            (
                "kafka_consumergroup_lag",
                "Records that a group has not committed, never negative; told by its coordinator",
                |of| of.lag,
            ),
        ];
        let offsets = self.offsets.as_deref().unwrap_or_default();
        for (name, help, figure) in each {
            let series = offsets.iter().filter_map(|(group, of)| {
                let partition = of.partition.to_string();
                let labels =
                    [("consumergroup", group.clone()), ("topic", of.topic.clone()), ("partition", partition)];
                Some((labels, figure(of)?))
            });
            encode_family(encoder, name, help, series)?;
        }
        Ok(())
    }

    fn encode_topics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let topics = self.by_topic();
        let series = |figure: fn(&OfTopic) -> Option<i64>| {
            topics.iter().filter_map(move |((group, topic), of)| {
                let labels = [("consumergroup", (*group).to_owned()), ("topic", (*topic).to_owned())];
                Some((labels, figure(of)?))
            })
        };
        let help = "Sum of what a group has committed in a topic";
        encode_family(encoder, "kafka_consumergroup_current_offset_sum", help, series(|of| Some(of.offset)))?;
        let help = "Records of a topic that a group has not committed, never negative";
        encode_family(encoder, "kafka_consumergroup_lag_sum", help, series(|of| of.lag))?;
        let seconds = series(|of| of.lag_ms).map(|(labels, ms)| (labels, ms as f64 / 1_000.0));
        let help = "Age of the oldest record of a topic that a group has not committed";
        encode_family(encoder, "dmq_consumer_group_lag_seconds", help, seconds)
    }
}

/// A family, unless it has too many series.
fn encode_family<L, N>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl Iterator<Item = (L, N)>,
) -> fmt::Result
where
    L: EncodeLabelSet,
    N: Copy,
    ConstGauge<N>: EncodeMetric,
{
    let series: Vec<_> = series.take(SERIES_MAX + 1).collect();
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series.iter().filter(|_| series.len() <= SERIES_MAX) {
        ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
    }
    Ok(())
}

impl Collector for GroupFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let help = "Groups that this broker coordinates";
        if let Some(count) = told.groups {
            let groups = encoder.encode_descriptor("dmq_consumer_groups", help, None, MetricType::Gauge)?;
            ConstGauge::new(count as u64).encode(groups)?;
        }
        let members =
            told.members.iter().map(|(group, members)| ([("consumergroup", group.clone())], *members as u64));
        let help = "Members of a group; told by its coordinator";
        encode_family(&mut encoder, "kafka_consumergroup_members", help, members)?;
        told.encode_partitions(&mut encoder)?;
        told.encode_topics(&mut encoder)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn offset(topic: &str, partition: i32, lag: Option<i64>) -> GroupOffset {
        GroupOffset { topic: topic.into(), partition, offset: Some(3), lag, ..GroupOffset::default() }
    }

    #[test]
    fn a_sum_is_told_if_all_of_it_is_known() {
        let offsets =
            [offset("a", 0, Some(6)), offset("a", 1, None), offset("b", 0, Some(1)), offset("b", 1, Some(2))];
        let told = Told {
            groups: None,
            members: BTreeMap::from([("a \"g\"\n".to_owned(), 1)]),
            offsets: Some(offsets.map(|of| ("g".to_owned(), of)).into()),
        };
        let figures = GroupFigures { told: Arc::new(Mutex::new(told)) };
        let mut registry = Registry::default();
        figures.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let told = |name: &str| {
            text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).collect::<Vec<_>>()
        };
        let sum = "kafka_consumergroup_current_offset_sum";
        let of =
            |name: &str, topic, value| format!("{name}{{consumergroup=\"g\",topic=\"{topic}\"}} {value}");
        assert_eq!(told(sum), [of(sum, "a", 6), of(sum, "b", 6)]);
        let lag = "kafka_consumergroup_lag_sum";
        assert_eq!(told(lag), [of(lag, "b", 3)]);
        assert_eq!(told("kafka_consumergroup_lag").len(), 3);
        assert!(!text.contains("dmq_consumer_groups"));
        assert_eq!(
            told("kafka_consumergroup_members"),
            [r#"kafka_consumergroup_members{consumergroup="a \"g\"\n"} 1"#]
        );
    }
}
