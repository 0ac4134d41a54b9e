//! What a topic's settings mean for the logs of its partitions.

use commit_log::{
    FlushPolicy, LogOptions, Retention,
    batch::{self, BatchRules, RecordCheck},
};
use common::topic_config::{self, TimestampType, TopicConfig};

/// Segments that are deleted at once at most: nothing is appended meanwhile.
pub(super) const SEGMENTS_PER_PASS: usize = 2;

/// Of a log whose topic has these settings.
pub(super) fn log_options(config: &TopicConfig, tail_bytes: usize) -> LogOptions {
    let timestamp_type = match config.message_timestamp_type {
        TimestampType::CreateTime => batch::TimestampType::CreateTime,
        TimestampType::LogAppendTime => batch::TimestampType::LogAppendTime,
    };
    let rules = BatchRules {
        max_bytes: usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX),
        timestamp_type,
        timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        records: if config.cleanup_policy.compact { RecordCheck::Keys } else { RecordCheck::Header },
        ..BatchRules::default()
    };
    let flush = match config.flush_policy {
        topic_config::FlushPolicy::Ack => FlushPolicy::Ack,
        topic_config::FlushPolicy::Interval => FlushPolicy::Interval { max_ms: config.flush_ms },
        topic_config::FlushPolicy::Os => FlushPolicy::Os,
    };
    LogOptions {
        segment_bytes: config.segment_bytes,
        index_bytes: config.segment_index_bytes,
        segment_ms: segment_ms(config),
        segment_jitter_ms: config.segment_jitter_ms,
        file_delete_delay_ms: config.file_delete_delay_ms,
        flush,
        tail_bytes,
        rules,
        ..LogOptions::default()
    }
}

/// What is still written to is not compacted, so that a segment ends in time for `max.compaction.lag.ms` (as Kafka's
/// `LogConfig.maxSegmentMs`).
fn segment_ms(config: &TopicConfig) -> i64 {
    if config.cleanup_policy.compact {
        config.segment_ms.min(config.max_compaction_lag_ms)
    } else {
        config.segment_ms
    }
}

/// So many records may wait for a sync, whatever the time; `None`: any number, or none anyway.
pub(super) fn unsynced_records_max(config: &TopicConfig) -> Option<i64> {
    (config.flush_policy == topic_config::FlushPolicy::Interval).then_some(config.flush_messages)
}

/// What is kept of such a log; `None`: everything, as the topic is compacted only.
pub(super) fn retention(config: &TopicConfig) -> Option<Retention> {
    config.cleanup_policy.delete.then_some(Retention {
        max_age_ms: config.retention_ms,
        max_bytes: config.retention_bytes,
        segments_per_pass: SEGMENTS_PER_PASS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> TopicConfig {
        TopicConfig::new(&settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn defaults_are_kafkas() {
        let config = TopicConfig::default();
        let options = LogOptions::default();
        assert_eq!(log_options(&config, options.tail_bytes), options);
        let retention = retention(&config).unwrap();
        assert_eq!((retention.max_age_ms, retention.max_bytes), (Some(7 * 24 * 3_600_000), None));
        assert_eq!(unsynced_records_max(&config), None);
    }

    #[test]
    fn settings_are_taken() {
        let config = config(&[
            ("cleanup.policy", "compact"),
            ("max.message.bytes", "500"),
            ("segment.bytes", "1024"),
            ("segment.index.bytes", "640"),
            ("flush.policy", "interval"),
            ("flush.ms", "9"),
            ("flush.messages", "3"),
        ]);
        let options = log_options(&config, 7);
        assert_eq!(retention(&config), None);
        assert_eq!(options.rules.records, RecordCheck::Keys);
        assert_eq!((options.rules.max_bytes, options.segment_bytes, options.tail_bytes), (500, 1024, 7));
        assert_eq!(options.index_bytes, 640);
        assert_eq!(options.flush, FlushPolicy::Interval { max_ms: 9 });
        assert_eq!(unsynced_records_max(&config), Some(3));
    }
}
