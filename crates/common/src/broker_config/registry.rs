//! The list of settings. Docs are our own words for what Kafka's documentation of broker configs says.

use super::Change::{self, AtStart, ClusterWide, PerBroker};
use crate::topic_config::{Kind, Setting};

const fn int(name: &'static str, min: i32, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Int { min, max: i32::MAX }, default, doc }
}

const fn long(name: &'static str, min: i64, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Long { min, max: i64::MAX }, default, doc }
}

const LONG_MAX: &str = "9223372036854775807";

/// Settings of brokers alone.
pub(super) const OWN: &[(Change, Setting)] = &[
    (
        PerBroker,
        Setting {
            name: "auto.create.topics.enable",
            kind: Kind::Boolean,
            default: "true",
            doc: "A topic that a client asks about is made.",
        },
    ),
    (
        AtStart,
        long("connections.max.idle.ms", 1, "600000", "A connection without a request for so long is closed."),
    ),
    (
        PerBroker,
        int(
            "default.replication.factor",
            1,
            "3",
            "Replicas of topics that do not say how many; no more than there are brokers (1 in Kafka).",
        ),
    ),
    (
        AtStart,
        int(
            "fetch.max.bytes",
            1_024,
            "57671680",
            "The largest answer to a fetch; one larger batch still goes out.",
        ),
    ),
    (
        PerBroker,
        long(
            "follower.replication.throttled.rate",
            0,
            LONG_MAX,
            "Bytes per second that this broker fetches for throttled replicas outside of the ISR.",
        ),
    ),
    (
        PerBroker,
        int(
            "group.consumer.heartbeat.interval.ms",
            1,
            "5000",
            "How often members of consumer groups are to be heard, if they are many.",
        ),
    ),
    (
        ClusterWide,
        int(
            "group.consumer.max.heartbeat.interval.ms",
            1,
            "15000",
            "The longest `consumer.heartbeat.interval.ms` that a group may set.",
        ),
    ),
    (
        ClusterWide,
        int(
            "group.consumer.max.session.timeout.ms",
            1,
            "60000",
            "The longest `consumer.session.timeout.ms` that a group may set.",
        ),
    ),
    (PerBroker, int("group.consumer.max.size", 1, "2147483647", "Members of a consumer group.")),
    (
        PerBroker,
        Setting {
            name: "group.consumer.migration.policy",
            kind: Kind::OneOf(&["bidirectional", "upgrade", "downgrade", "disabled"]),
            default: "bidirectional",
            doc: "Whether a group with members may go over to the consumer protocol, and back.",
        },
    ),
    (
        ClusterWide,
        int(
            "group.consumer.min.session.timeout.ms",
            1,
            "45000",
            "The shortest `consumer.session.timeout.ms` that a group may set.",
        ),
    ),
    (
        ClusterWide,
        int(
            "group.consumer.min.heartbeat.interval.ms",
            1,
            "500",
            "The shortest interval that few members in groups that do not change are told, and that a group may set (5000 in Kafka).",
        ),
    ),
    (
        PerBroker,
        int(
            "group.consumer.session.timeout.ms",
            1,
            "45000",
            "A member of a consumer group that is not heard for so long is gone.",
        ),
    ),
    (
        PerBroker,
        int(
            "group.initial.rebalance.delay.ms",
            0,
            "3000",
            "How long a classic group that was empty waits for more members.",
        ),
    ),
    (
        PerBroker,
        int("group.max.session.timeout.ms", 1, "1800000", "The longest session timeout of a classic member."),
    ),
    (PerBroker, int("group.max.size", 1, "2147483647", "Members of a classic group.")),
    (
        PerBroker,
        int("group.min.session.timeout.ms", 1, "6000", "The shortest session timeout of a classic member."),
    ),
    (
        PerBroker,
        long(
            "leader.replication.throttled.rate",
            0,
            LONG_MAX,
            "Bytes per second that this broker serves to throttled replicas outside of the ISR.",
        ),
    ),
    (
        AtStart,
        int(
            "log.cache.bytes",
            0,
            "67108864",
            "Bytes of the last batches of all partitions that are kept in memory.",
        ),
    ),
    (PerBroker, long("log.cleaner.backoff.ms", 0, "15000", "From one look for logs to compact to the next.")),
    (
        PerBroker,
        long(
            "log.cleaner.dedupe.buffer.size",
            1_048_576,
            "33554432",
            "Memory for the keys of the log that is compacted, in bytes (128 MiB in Kafka); more keys take more rounds.",
        ),
    ),
    (AtStart, long("log.retention.check.interval.ms", 1, "300000", "How often old segments are looked for.")),
    (
        PerBroker,
        long(
            "log.scrub.interval.ms",
            0,
            "604800000",
            "All logs are read and checked for rot at most this often, in ms (ours; Kafka does not look).",
        ),
    ),
    (
        PerBroker,
        long(
            "log.scrub.io.max.bytes.per.second",
            0,
            "4194304",
            "Bytes per second that are read to look for rot; 0: none, what nobody reads is not checked (ours).",
        ),
    ),
    (PerBroker, int("max.connections", 1, "20000", "Open connections of Kafka clients.")),
    (
        PerBroker,
        int("max.connections.per.ip", 1, "10000", "Open connections of Kafka clients from one address."),
    ),
    (
        AtStart,
        int("max.incremental.fetch.session.cache.slots", 0, "1000", "Fetch sessions that are remembered."),
    ),
    (
        AtStart,
        long(
            "min.incremental.fetch.session.eviction.ms",
            0,
            "120000",
            "How long a fetch session is safe from others.",
        ),
    ),
    (AtStart, int("num.flush.threads", 1, "4", "Threads that sync logs.")),
    (PerBroker, int("num.partitions", 1, "1", "Partitions of topics that do not say how many.")),
    (AtStart, int("num.recovery.threads.per.data.dir", 1, "4", "Logs that are opened at the same time.")),
    (
        PerBroker,
        int(
            "offset.metadata.max.bytes",
            0,
            "4096",
            "What a client may note beside an offset, in bytes; never more than 32767.",
        ),
    ),
    (
        PerBroker,
        int("offsets.commit.timeout.ms", 1, "5000", "A commit that is not safe after so long is an error."),
    ),
    (
        PerBroker,
        long("offsets.retention.check.interval.ms", 1, "600000", "How often expired offsets are looked for."),
    ),
    (
        PerBroker,
        int(
            "offsets.retention.minutes",
            1,
            "10080",
            "Offsets of a group without members are kept for so long.",
        ),
    ),
    (
        AtStart,
        int("offsets.topic.num.partitions", 1, "50", "Partitions of `__consumer_offsets`, when it is made."),
    ),
    (
        AtStart,
        int(
            "offsets.topic.replication.factor",
            1,
            "3",
            "Replicas of `__consumer_offsets`; no more than the cluster has brokers.",
        ),
    ),
    (
        AtStart,
        int("offsets.topic.segment.bytes", 14, "104857600", "Size of the segments of `__consumer_offsets`."),
    ),
    (
        PerBroker,
        int(
            "producer.id.expiration.ms",
            1,
            "86400000",
            "A producer that wrote nothing for so long is forgotten.",
        ),
    ),
    (
        AtStart,
        int("queued.max.request.bytes", 1_048_576, "134217728", "Bytes of all requests that are in memory."),
    ),
    (
        PerBroker,
        Setting {
            name: "replica.alter.log.dirs.io.max.bytes.per.second",
            kind: Kind::Kept {
                max: i64::MAX,
                why: "a broker has one directory, so that no replica moves to another",
            },
            default: LONG_MAX,
            doc: "Bytes per second that replicas move between directories of a broker: it has one, so that any bound is kept.",
        },
    ),
    (
        AtStart,
        long(
            "replica.lag.time.max.ms",
            1,
            "30000",
            "A replica that did not catch up for so long leaves the ISR.",
        ),
    ),
    (AtStart, int("socket.request.max.bytes", 1_024, "104857600", "The largest request.")),
];

/// Defaults of topic settings: the broker setting's name, the topic setting's, and who may change it. What bears on which
/// replica may lead, and on what an acknowledgement means, is the same for all brokers.
pub(super) const TOPIC_DEFAULTS: &[(&str, &str, Change)] = &[
    ("compression.gzip.level", "compression.gzip.level", PerBroker),
    ("compression.type", "compression.type", PerBroker),
    ("compression.zstd.level", "compression.zstd.level", PerBroker),
    ("log.cleaner.delete.retention.ms", "delete.retention.ms", PerBroker),
    ("log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms", PerBroker),
    ("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio", PerBroker),
    ("log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms", PerBroker),
    ("log.cleanup.policy", "cleanup.policy", PerBroker),
    ("log.flush.interval.messages", "flush.messages", PerBroker),
    ("log.flush.interval.ms", "flush.ms", PerBroker),
    ("log.flush.policy", "flush.policy", ClusterWide),
    ("log.index.size.max.bytes", "segment.index.bytes", PerBroker),
    ("log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms", PerBroker),
    ("log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms", PerBroker),
    ("log.message.timestamp.type", "message.timestamp.type", PerBroker),
    ("log.retention.bytes", "retention.bytes", PerBroker),
    ("log.retention.ms", "retention.ms", PerBroker),
    ("log.roll.jitter.ms", "segment.jitter.ms", PerBroker),
    ("log.roll.ms", "segment.ms", PerBroker),
    ("log.segment.bytes", "segment.bytes", PerBroker),
    ("log.segment.delete.delay.ms", "file.delete.delay.ms", PerBroker),
    ("message.max.bytes", "max.message.bytes", PerBroker),
    ("min.insync.replicas", "min.insync.replicas", ClusterWide),
    ("unclean.leader.election.enable", "unclean.leader.election.enable", ClusterWide),
];
