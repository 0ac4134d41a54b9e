//! The list of settings. Docs are our own words for what Kafka's documentation of topic configs says.

use super::{Kind, Setting};

const fn boolean(name: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Boolean, default, doc }
}

const fn int(name: &'static str, min: i32, max: i32, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Int { min, max }, default, doc }
}

const fn long(name: &'static str, min: i64, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Long { min, max: i64::MAX }, default, doc }
}

const fn one_of(
    name: &'static str,
    words: &'static [&'static str],
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting { name, kind: Kind::OneOf(words), default, doc }
}

/// A setting of a feature that is not there: it has the value that is true, and takes no other.
const fn fixed(name: &'static str, value: &'static str, why: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Fixed { value, why }, default: value, doc }
}

/// Why the settings of tiered storage are fixed.
const NOT_TIERED: &str = "there is no tiered storage";

const LONG_MAX: &str = "9223372036854775807";

/// Every topic setting, sorted by name.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "cleanup.policy",
        kind: Kind::ListOf(&["delete", "compact"]),
        default: "delete",
        doc: "What happens to old segments: deleted by age and size, compacted by key, both, or (empty) nothing.",
    },
    Setting {
        name: "compression.gzip.level",
        kind: Kind::OneOf(&["-1", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        default: "-1",
        doc: "Level for gzip; -1 is the codec's own choice.",
    },
    fixed("compression.lz4.level", "9", "the encoder has one level, the fast one", "Level for lz4."),
    one_of(
        "compression.type",
        &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"],
        "producer",
        "Codec of stored batches; `producer` keeps each batch as it was sent.",
    ),
    int("compression.zstd.level", -131_072, 22, "3", "Level for zstd."),
    long(
        "delete.retention.ms",
        0,
        "86400000",
        "How long tombstones stay readable in a compacted topic, in ms.",
    ),
    long(
        "file.delete.delay.ms",
        0,
        "0",
        "How long the files of a segment that was deleted by age, size or DeleteRecords stay on disk, in ms (60000 in Kafka).",
    ),
    long("flush.messages", 1, LONG_MAX, "Forces an fsync after so many records."),
    long("flush.ms", 0, LONG_MAX, "Forces an fsync after so many ms."),
    one_of(
        "flush.policy",
        &["ack", "interval", "os"],
        "ack",
        "When records are synced: before they are acknowledged (ack), or later: by flush.ms and flush.messages (interval), and in any case once a segment is full or a few MiB wait for it (os: only then).",
    ),
    Setting {
        name: "follower.replication.throttled.replicas",
        kind: Kind::ThrottledReplicas,
        default: "",
        doc: "Replicas whose replication is throttled on the follower's side.",
    },
    Setting {
        name: "index.interval.bytes",
        kind: Kind::Kept {
            max: 4096,
            why: "every batch has its entry in the index, so that none is further away",
        },
        default: "4096",
        doc: "At most so many bytes of log are between two entries of the offset index, but for larger batches.",
    },
    Setting {
        name: "leader.replication.throttled.replicas",
        kind: Kind::ThrottledReplicas,
        default: "",
        doc: "Replicas whose replication is throttled on the leader's side.",
    },
    fixed("local.retention.bytes", "-2", NOT_TIERED, "Tiered storage: what is kept on local disks."),
    fixed("local.retention.ms", "-2", NOT_TIERED, "Tiered storage: what is kept on local disks."),
    long(
        "max.compaction.lag.ms",
        1,
        LONG_MAX,
        "A record is compacted at the latest so long after it was written, in ms.",
    ),
    int("max.message.bytes", 0, i32::MAX, "1048588", "The largest record batch, in bytes."),
    long(
        "message.timestamp.after.max.ms",
        0,
        "3600000",
        "How far a record's timestamp may be ahead of the broker's clock, in ms (KIP-937).",
    ),
    long(
        "message.timestamp.before.max.ms",
        0,
        LONG_MAX,
        "How far a record's timestamp may be behind the broker's clock, in ms (KIP-937).",
    ),
    one_of(
        "message.timestamp.type",
        &["CreateTime", "LogAppendTime"],
        "CreateTime",
        "Whose clock stamps records: the producer's or the broker's.",
    ),
    Setting {
        name: "min.cleanable.dirty.ratio",
        kind: Kind::Double { min: 0.0, max: 1.0 },
        default: "0.5",
        doc: "The log is compacted once this share of it is not yet compacted.",
    },
    long(
        "min.compaction.lag.ms",
        0,
        "0",
        "A record is not compacted for so long after it was written, in ms.",
    ),
    int(
        "min.insync.replicas",
        1,
        i32::MAX,
        "2",
        "acks=all needs so many in-sync replicas (1 in Kafka; capped by the replication factor where not set).",
    ),
    fixed(
        "preallocate",
        "false",
        "files grow with what is appended",
        "Whether a segment's full size is allocated when it is made.",
    ),
    fixed("remote.log.copy.disable", "false", NOT_TIERED, "Tiered storage: whether no more is copied to it."),
    fixed(
        "remote.log.delete.on.disable",
        "false",
        NOT_TIERED,
        "Tiered storage: whether its copies go when it is turned off.",
    ),
    fixed("remote.storage.enable", "false", NOT_TIERED, "Tiered storage: whether the topic uses it."),
    long(
        "retention.bytes",
        -1,
        "-1",
        "Bytes kept per partition before old segments are deleted; -1: no bound.",
    ),
    long("retention.ms", -1, "604800000", "Age at which segments are deleted, in ms; -1: never."),
    int("segment.bytes", 14, i32::MAX, "1073741824", "Size at which a new segment is begun, in bytes."),
    int(
        "segment.index.bytes",
        4,
        i32::MAX,
        "10485760",
        "Size of the offset index at which a new segment is begun, in bytes.",
    ),
    long("segment.jitter.ms", 0, "0", "At most so much is taken off `segment.ms`, at random, in ms."),
    long("segment.ms", 1, "604800000", "Age at which a new segment is begun, in ms."),
    boolean(
        "unclean.leader.election.enable",
        "false",
        "Whether a replica that may lack acknowledged records leads when no other can: records may be lost.",
    ),
];
