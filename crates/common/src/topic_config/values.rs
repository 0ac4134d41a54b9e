//! A topic's settings as values: what the data plane works by. One field for each setting that does something; those
//! that take one value only have none.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use super::setting;
use crate::{BrokerId, PartitionId, Topic};

/// Most in-sync replicas that acks=all waits for where a topic does not say how many.
const MIN_INSYNC_REPLICAS_DEFAULT: usize = 2;

/// The settings in force for a topic: its own, and the defaults where it has none. Made from the text form once per
/// change of the topic, not once per request. A value that this build cannot read counts as not set.
///
/// Times are in ms and sizes in bytes; `i64::MAX` means "never" where Kafka means it.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type` with the level that `compression.<codec>.level` gives.
    pub compression: Compression,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`.
    pub flush_messages: i64,
    /// `flush.ms`.
    pub flush_ms: i64,
    /// `flush.policy`.
    pub flush_policy: FlushPolicy,
    /// `follower.replication.throttled.replicas`.
    pub follower_throttled_replicas: ThrottledReplicas,
    /// `leader.replication.throttled.replicas`.
    pub leader_throttled_replicas: ThrottledReplicas,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `max.message.bytes`.
    pub max_message_bytes: u32,
    /// `message.timestamp.after.max.ms`.
    pub message_timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `min.cleanable.dirty.ratio`, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `min.insync.replicas`: see [`TopicConfig::min_insync_replicas`] and [`Partition::min_isr`](crate::Partition::min_isr).
    pub min_insync: MinInsyncReplicas,
    /// `retention.bytes`; `None`: no bound.
    pub retention_bytes: Option<u64>,
    /// `retention.ms`; `None`: for ever.
    pub retention_ms: Option<i64>,
    /// `segment.bytes`.
    pub segment_bytes: u32,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u32,
    /// `segment.jitter.ms`.
    pub segment_jitter_ms: i64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `unclean.leader.election.enable`: the controllers work by it, not the brokers.
    pub unclean_leader_election_enable: bool,
}

/// What happens to old segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// They are deleted by age and size.
    pub delete: bool,
    /// They are compacted by key.
    pub compact: bool,
}

/// When records are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushPolicy {
    /// Before they are acknowledged.
    Ack,
    /// By `flush.ms` and `flush.messages`, and where [`FlushPolicy::Os`] does.
    Interval,
    /// Once a segment is full, or a few MiB wait for it.
    Os,
}

/// How stored batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Each as the producer sent it.
    Producer,
    /// Not at all.
    Uncompressed,
    /// gzip.
    Gzip {
        /// 1 to 9, or -1 for the codec's own choice.
        level: i32,
    },
    /// snappy, which has no levels.
    Snappy,
    /// lz4, whose encoder has no levels.
    Lz4,
    /// zstd.
    Zstd {
        /// -131072 to 22.
        level: i32,
    },
}

/// Whose clock stamps records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appends.
    LogAppendTime,
}

/// Replicas of a topic whose replication is throttled on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All of them.
    All,
    /// These; may be none.
    These(BTreeSet<(PartitionId, BrokerId)>),
}

impl ThrottledReplicas {
    /// Whether the replica of `partition` on `broker` is one.
    pub fn contains(&self, partition: PartitionId, broker: BrokerId) -> bool {
        match self {
            Self::All => true,
            Self::These(replicas) => replicas.contains(&(partition, broker)),
        }
    }
}

impl Topic {
    /// Its settings in force, as values: its own, and these where it has none
    /// ([`topic_defaults`](crate::broker_config::topic_defaults)).
    pub fn config(&self, defaults: &BTreeMap<String, String>) -> TopicConfig {
        if defaults.is_empty() {
            return TopicConfig::new(&self.configs);
        }
        let mut configs = defaults.clone();
        configs.extend(self.configs.iter().map(|(name, value)| (name.clone(), value.clone())));
        TopicConfig::new(&configs)
    }
}

impl Default for TopicConfig {
    /// The settings of a topic that sets none.
    fn default() -> Self {
        Self::new(&BTreeMap::new())
    }
}

impl TopicConfig {
    /// The values of these settings, which were [validated](super::validate).
    pub fn new(configs: &BTreeMap<String, String>) -> Self {
        let texts = Texts(configs);
        Self {
            cleanup_policy: texts.cleanup_policy(),
            compression: texts.compression(),
            delete_retention_ms: texts.value("delete.retention.ms"),
            file_delete_delay_ms: texts.value("file.delete.delay.ms"),
            flush_messages: texts.value("flush.messages"),
            flush_ms: texts.value("flush.ms"),
            flush_policy: match texts.text("flush.policy") {
                "interval" => FlushPolicy::Interval,
                "os" => FlushPolicy::Os,
                _ => FlushPolicy::Ack,
            },
            follower_throttled_replicas: texts.throttled("follower.replication.throttled.replicas"),
            leader_throttled_replicas: texts.throttled("leader.replication.throttled.replicas"),
            max_compaction_lag_ms: texts.value("max.compaction.lag.ms"),
            max_message_bytes: texts.value("max.message.bytes"),
            message_timestamp_after_max_ms: texts.value("message.timestamp.after.max.ms"),
            message_timestamp_before_max_ms: texts.value("message.timestamp.before.max.ms"),
            message_timestamp_type: match texts.text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            min_cleanable_dirty_ratio: texts.value("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: texts.value("min.compaction.lag.ms"),
            min_insync: MinInsyncReplicas::of(configs),
            retention_bytes: u64::try_from(texts.value::<i64>("retention.bytes")).ok(),
            retention_ms: Some(texts.value("retention.ms")).filter(|ms| *ms >= 0),
            segment_bytes: texts.value("segment.bytes"),
            segment_index_bytes: texts.value("segment.index.bytes"),
            segment_jitter_ms: texts.value("segment.jitter.ms"),
            segment_ms: texts.value("segment.ms"),
            unclean_leader_election_enable: unclean_leader_election_enable(configs),
        }
    }

    /// How many in-sync replicas acks=all needs in a partition that has so many replicas
    /// ([`Partition::settled_replicas`](crate::Partition::settled_replicas)).
    pub fn min_insync_replicas(&self, replicas: usize) -> usize {
        self.min_insync.needed(replicas)
    }
}

/// `min.insync.replicas` as a topic sets it, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinInsyncReplicas(Option<usize>);

impl MinInsyncReplicas {
    /// What these settings say.
    pub fn of(configs: &BTreeMap<String, String>) -> Self {
        Self(Texts(configs).set("min.insync.replicas"))
    }

    /// How many in-sync replicas acks=all needs where there are so many replicas: what the topic says, even if that is
    /// more than there are; else the default, capped by the replicas so that a topic with one replica works.
    pub fn needed(self, replicas: usize) -> usize {
        self.0.unwrap_or_else(|| MIN_INSYNC_REPLICAS_DEFAULT.min(replicas)).max(1)
    }
}

/// Whether a replica that may lack acknowledged records leads when no other can, by these settings.
pub fn unclean_leader_election_enable(configs: &BTreeMap<String, String>) -> bool {
    Texts(configs).flag("unclean.leader.election.enable")
}

/// Settings by name, as text.
struct Texts<'a>(&'a BTreeMap<String, String>);

impl<'a> Texts<'a> {
    /// The value that the topic sets, or else the default.
    fn text(&self, name: &str) -> &'a str {
        let default = setting(name).map_or("", |setting| setting.default);
        self.0.get(name).map_or(default, |value| value.trim())
    }

    /// The value that the topic sets, if it can be read.
    fn set<T: FromStr>(&self, name: &str) -> Option<T> {
        self.0.get(name).and_then(|value| value.trim().parse().ok())
    }

    fn value<T: FromStr + Default>(&self, name: &str) -> T {
        let default = || setting(name).and_then(|setting| setting.default.parse().ok());
        self.set(name).or_else(default).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    fn cleanup_policy(&self) -> CleanupPolicy {
        let has = |word| self.text("cleanup.policy").split(',').any(|policy| policy.trim() == word);
        CleanupPolicy { delete: has("delete"), compact: has("compact") }
    }

    fn compression(&self) -> Compression {
        match self.text("compression.type") {
            "uncompressed" => Compression::Uncompressed,
            "gzip" => Compression::Gzip { level: self.value("compression.gzip.level") },
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd { level: self.value("compression.zstd.level") },
            _ => Compression::Producer,
        }
    }

    fn throttled(&self, name: &str) -> ThrottledReplicas {
        let replica = |text: &str| {
            let (partition, broker) = text.trim().split_once(':')?;
            Some((PartitionId(partition.parse().ok()?), BrokerId(broker.parse().ok()?)))
        };
        match self.text(name) {
            "*" => ThrottledReplicas::All,
            list => ThrottledReplicas::These(list.split(',').filter_map(replica).collect()),
        }
    }
}
