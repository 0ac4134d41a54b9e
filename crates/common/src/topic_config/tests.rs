use super::*;
use crate::{BrokerId, PartitionId};

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_registry_is_sorted_and_its_defaults_are_valid() {
    assert!(SETTINGS.is_sorted_by(|a, b| a.name < b.name));
    for entry in SETTINGS {
        assert_eq!(setting(entry.name), Some(entry));
        assert_eq!(validate_one(entry.name, entry.default), Ok(()), "{}", entry.name);
        assert!(entry.doc.ends_with('.'), "{}", entry.name);
    }
}

#[test]
fn values_at_and_beyond_the_bounds() {
    let cases = [
        ("retention.ms", "-1", true),
        ("retention.ms", "-2", false),
        ("retention.ms", " 1000 ", true),
        ("retention.ms", "1e3", false),
        ("retention.ms", "9223372036854775807", true),
        ("retention.ms", "9223372036854775808", false),
        ("segment.bytes", "13", false),
        ("segment.bytes", "14", true),
        ("segment.bytes", "2147483648", false),
        ("cleanup.policy", "compact,delete", true),
        ("cleanup.policy", "compact, delete", true),
        ("cleanup.policy", "compact,", false),
        ("cleanup.policy", "compact,,delete", false),
        ("cleanup.policy", "", true),
        ("cleanup.policy", " ", true),
        ("compression.type", "zstd", true),
        ("compression.type", "ZSTD", false),
        ("min.cleanable.dirty.ratio", "1", true),
        ("min.cleanable.dirty.ratio", "1.01", false),
        ("min.cleanable.dirty.ratio", "NaN", false),
        ("preallocate", "false", true),
        ("preallocate", "true", false),
        ("unclean.leader.election.enable", "TRUE", true),
        ("unclean.leader.election.enable", "yes", false),
        ("compression.gzip.level", "0", false),
        ("compression.gzip.level", "9", true),
        ("leader.replication.throttled.replicas", "0:101,1:102", true),
        ("leader.replication.throttled.replicas", "*", true),
        ("leader.replication.throttled.replicas", "0:-1", false),
        ("unclean.leader.election.enable", "true", true),
        ("remote.storage.enable", "true", false),
        ("local.retention.ms", "-2", true),
        ("local.retention.ms", "1000", false),
    ];
    for (name, value, valid) in cases {
        assert_eq!(validate_one(name, value).is_ok(), valid, "{name}={value:?}");
    }
}

#[test]
fn messages_name_the_setting_the_value_and_the_bound() {
    let message = |name: &str, value: &str| validate_one(name, value).unwrap_err().to_string();
    assert_eq!(
        message("retention.ms", "-7"),
        "`retention.ms` is \"-7\"; it takes a whole number of at least -1"
    );
    assert_eq!(
        message("compression.zstd.level", "23"),
        "`compression.zstd.level` is \"23\"; it takes a whole number from -131072 to 22"
    );
    assert_eq!(
        message("remote.storage.enable", "true"),
        "`remote.storage.enable` is \"true\"; it takes only `false`: there is no tiered storage"
    );
    assert_eq!(
        message("index.interval.bytes", "8192"),
        "`index.interval.bytes` is \"8192\"; it takes a whole number from 0 to 4096: every batch has its entry in the index, \
         so that none is further away"
    );
    assert_eq!(message("retention", "1"), "unknown topic setting `retention`");
    assert!(message("retention.ms", &"9".repeat(5_000)).contains("5000 bytes; the most is 4096"));
    assert!(message(&"x".repeat(5_000), "").len() < 200);
}

#[test]
fn settings_that_contradict_each_other() {
    let both = |min, max| configs(&[("min.compaction.lag.ms", min), ("max.compaction.lag.ms", max)]);
    assert_eq!(validate(&both("5", "5")), Ok(()));
    assert_eq!(
        validate(&both("6", "5")).unwrap_err().to_string(),
        "`min.compaction.lag.ms` is 6; it must not exceed `max.compaction.lag.ms`, which is 5"
    );
}

#[test]
fn all_values_together_are_bounded() {
    let value = vec!["1:1"; 1_024].join(",");
    let pairs = [
        ("follower.replication.throttled.replicas", value.as_str()),
        ("leader.replication.throttled.replicas", &value),
    ];
    assert_eq!(validate(&configs(&pairs)), Ok(()));
    let blank = format!("{}1", " ".repeat(4_000));
    let many: BTreeMap<_, _> =
        ["flush.messages", "flush.ms", "retention.ms", "segment.ms", "retention.bytes"]
            .map(|name| (name.to_owned(), blank.clone()))
            .into();
    assert!(matches!(validate(&many), Err(InvalidTopicConfig::TooLong { .. })));
}

#[test]
fn defaults_as_values() {
    let config = TopicConfig::default();
    assert_eq!(config.cleanup_policy, CleanupPolicy { delete: true, compact: false });
    assert_eq!(config.compression, Compression::Producer);
    assert_eq!((config.retention_bytes, config.retention_ms), (None, Some(604_800_000)));
    assert_eq!((config.segment_bytes, config.segment_ms), (1 << 30, 604_800_000));
    assert_eq!((config.flush_messages, config.flush_ms), (i64::MAX, i64::MAX));
    assert_eq!((config.max_message_bytes, config.min_cleanable_dirty_ratio), (1_048_588, 0.5));
    assert!(!config.leader_throttled_replicas.contains(PartitionId(0), BrokerId(1)));
    assert!(!config.unclean_leader_election_enable);
}

/// No setting is accepted and ignored: another value than the default makes another configuration.
#[test]
fn every_setting_counts_or_is_fixed() {
    let other = |entry: &Setting| match entry.kind {
        Kind::Boolean => "true".to_owned(),
        Kind::Int { min, .. } => (min.max(1) + 1).to_string(),
        Kind::Long { min, .. } => (min.max(1) + 1).to_string(),
        Kind::Double { .. } => "0.25".to_owned(),
        Kind::OneOf(words) => words[1].to_owned(),
        Kind::Fixed { .. } | Kind::Kept { .. } => unreachable!("they make no difference"),
        Kind::ListOf(words) => words.join(","),
        Kind::ThrottledReplicas => "0:1".to_owned(),
    };
    for entry in SETTINGS.iter().filter(|entry| !entry.is_fixed()) {
        let mut set = configs(&[(entry.name, &other(entry))]);
        if let Some(codec) = entry.name.strip_prefix("compression.").and_then(|it| it.strip_suffix(".level"))
        {
            set.insert("compression.type".to_owned(), codec.to_owned());
        }
        assert_eq!(validate(&set), Ok(()), "{}", entry.name);
        let with = TopicConfig::new(&set);
        set.remove(entry.name);
        assert_ne!(with, TopicConfig::new(&set), "{}", entry.name);
    }
}

#[test]
fn so_many_replicas_must_be_in_sync() {
    let unset = TopicConfig::default();
    assert_eq!([1, 2, 3].map(|replicas| unset.min_insync_replicas(replicas)), [1, 2, 2]);
    let three = TopicConfig::new(&configs(&[("min.insync.replicas", " 3 ")]));
    assert_eq!([1, 3, 5].map(|replicas| three.min_insync_replicas(replicas)), [3, 3, 3]);
}

#[test]
fn values_are_read_as_they_are_accepted() {
    let config = TopicConfig::new(&configs(&[
        ("cleanup.policy", "compact, delete"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "-7"),
        ("follower.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "0:101, 1:102"),
        ("unclean.leader.election.enable", "TRUE"),
        ("retention.bytes", "-1"),
        ("retention.ms", "-1"),
    ]));
    assert_eq!(config.cleanup_policy, CleanupPolicy { delete: true, compact: true });
    assert_eq!(config.compression, Compression::Zstd { level: -7 });
    assert!(config.unclean_leader_election_enable);
    assert_eq!((config.retention_bytes, config.retention_ms), (None, None));
    assert!(config.follower_throttled_replicas.contains(PartitionId(9), BrokerId(9)));
    let listed = [(0, 101), (1, 102), (1, 101)];
    let listed = listed.map(|(p, b)| config.leader_throttled_replicas.contains(PartitionId(p), BrokerId(b)));
    assert_eq!(listed, [true, true, false]);
}
