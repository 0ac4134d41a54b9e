use super::*;

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
        ("cleanup.policy", "", false),
        ("compression.type", "zstd", true),
        ("compression.type", "ZSTD", false),
        ("min.cleanable.dirty.ratio", "1", true),
        ("min.cleanable.dirty.ratio", "1.01", false),
        ("min.cleanable.dirty.ratio", "NaN", false),
        ("preallocate", "TRUE", true),
        ("preallocate", "yes", false),
        ("compression.gzip.level", "0", false),
        ("compression.gzip.level", "9", true),
        ("leader.replication.throttled.replicas", "0:101,1:102", true),
        ("leader.replication.throttled.replicas", "*", true),
        ("leader.replication.throttled.replicas", "0:-1", false),
        ("unclean.leader.election.enable", "true", false),
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
        message("compression.lz4.level", "18"),
        "`compression.lz4.level` is \"18\"; it takes a whole number from 1 to 17"
    );
    assert_eq!(
        message("unclean.leader.election.enable", "true"),
        "`unclean.leader.election.enable` is \"true\"; it takes only `false`"
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
