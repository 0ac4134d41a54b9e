//! Offsets that nobody needs any more (KIP-211).

use common::TopicName;

use super::store::Offsets;
use crate::{GroupId, Outcome, records::OffsetCommitValue};

/// From when on an offset's retention counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetentionStart {
    /// The group reads its topic: not at all.
    Never,
    /// Since it was noted: nobody is subscribed to the topic.
    Commit,
    /// Since it was noted, but not before this, in ms since 1970: the group has had no members since then.
    EmptySince(i64),
}

impl Offsets {
    /// How many offsets a group has.
    pub(crate) fn count(&self, group_id: &GroupId) -> usize {
        let topics = self.groups.get(group_id).into_iter().flatten();
        topics.map(|(_, partitions)| partitions.len()).sum()
    }

    /// Forgets what has expired, unless a transaction is about to change it.
    pub(crate) fn expire(
        &mut self,
        outcome: &mut Outcome,
        group_id: &GroupId,
        now_unix_ms: i64,
        retention_ms: i64,
        retention_start: impl Fn(&str) -> RetentionStart,
    ) {
        let mut expired: Vec<(TopicName, i32)> = Vec::new();
        for (topic, partitions) in self.groups.get(group_id).into_iter().flatten() {
            let start = retention_start(topic.as_str());
            for (partition, entry) in partitions {
                let is_expired = has_expired(&entry.value, start, now_unix_ms, retention_ms);
                if is_expired && !self.transactions.is_pending(group_id, topic, *partition) {
                    expired.push((topic.clone(), *partition));
                }
            }
        }
        for (topic, partition) in expired {
            self.tombstone(outcome, group_id, &topic, partition);
        }
    }
}

fn has_expired(
    value: &OffsetCommitValue,
    start: RetentionStart,
    now_unix_ms: i64,
    retention_ms: i64,
) -> bool {
    let since = match start {
        RetentionStart::Never => return false,
        RetentionStart::Commit => value.commit_timestamp_ms,
        RetentionStart::EmptySince(unix_ms) => value.commit_timestamp_ms.max(unix_ms),
    };
    // An offset with an end of its own is kept until then, whoever is in the group (before KIP-211).
    let end = value.expire_timestamp_ms.unwrap_or_else(|| since.saturating_add(retention_ms));
    now_unix_ms >= end
}
