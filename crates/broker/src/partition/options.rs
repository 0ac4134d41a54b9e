//! What a topic's settings mean for the logs of its partitions.

use commit_log::{
    FlushPolicy, LogOptions, Retention,
    batch::{self, BatchRules, RecordCheck},
};
use common::topic_config::{TimestampType, TopicConfig};

/// Segments that one pass of retention deletes at most.
const SEGMENTS_PER_PASS: usize = 64;

/// What every log of a broker shares, whatever its topic says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogDefaults {
    /// When appended records are synced and acknowledged.
    pub flush: FlushPolicy,
    /// Bytes of the last batches of each partition that are kept in memory.
    pub tail_bytes: usize,
}

impl Default for LogDefaults {
    fn default() -> Self {
        Self { flush: FlushPolicy::Ack, tail_bytes: LogOptions::default().tail_bytes }
    }
}

/// Of a log whose topic has these settings.
pub(super) fn log_options(config: &TopicConfig, defaults: LogDefaults) -> LogOptions {
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
    LogOptions {
        segment_bytes: config.segment_bytes,
        segment_ms: config.segment_ms,
        flush: flush_policy(config, defaults.flush),
        tail_bytes: defaults.tail_bytes,
        rules,
        ..LogOptions::default()
    }
}

/// A topic that asks for syncs of its own gets them, where the broker does not sync for each answer anyway.
fn flush_policy(config: &TopicConfig, policy: FlushPolicy) -> FlushPolicy {
    match policy {
        FlushPolicy::Ack => FlushPolicy::Ack,
        FlushPolicy::Interval { max_ms, max_bytes } => {
            FlushPolicy::Interval { max_ms: max_ms.min(config.flush_ms), max_bytes }
        }
        FlushPolicy::Os if config.flush_ms < i64::MAX => {
            FlushPolicy::Interval { max_ms: config.flush_ms, max_bytes: u64::MAX }
        }
        FlushPolicy::Os => FlushPolicy::Os,
    }
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
        assert_eq!(log_options(&config, LogDefaults::default()), LogOptions::default());
        let retention = retention(&config).unwrap();
        assert_eq!((retention.max_age_ms, retention.max_bytes), (Some(7 * 24 * 3_600_000), None));
    }

    #[test]
    fn settings_are_taken() {
        let config = config(&[
            ("cleanup.policy", "compact"),
            ("max.message.bytes", "500"),
            ("segment.bytes", "1024"),
            ("flush.ms", "9"),
        ]);
        let options = log_options(&config, LogDefaults { flush: FlushPolicy::Os, ..LogDefaults::default() });
        assert_eq!(retention(&config), None);
        assert_eq!(options.rules.records, RecordCheck::Keys);
        assert_eq!((options.rules.max_bytes, options.segment_bytes), (500, 1024));
        assert_eq!(options.flush, FlushPolicy::Interval { max_ms: 9, max_bytes: u64::MAX });
    }
}
