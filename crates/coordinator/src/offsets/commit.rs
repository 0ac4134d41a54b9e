//! OffsetCommit and TxnOffsetCommit, once the group has agreed.

use super::store::Offsets;
use crate::{
    GroupError, GroupId, Record, Transaction,
    api::{CommittedPartition, CommittedTopic, OffsetCommitPartition, OffsetCommitTopic},
    context::Context,
    records::OffsetCommitValue,
};

impl Offsets {
    /// Writes offsets down. `retention_time_ms` is how long the request wants them kept at least.
    pub(crate) fn commit(
        &mut self,
        ctx: &mut Context<'_>,
        group_id: &GroupId,
        topics: Vec<OffsetCommitTopic>,
        retention_time_ms: Option<i64>,
        transaction: Option<Transaction>,
    ) -> Vec<CommittedTopic> {
        let expire_timestamp_ms = retention_time_ms.map(|time_ms| ctx.now.unix_ms.saturating_add(time_ms));
        let mut answers = Vec::with_capacity(topics.len());
        for topic in topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let partition = asked.partition;
                let result = check_metadata(&asked, ctx.settings.offset_metadata_max_bytes);
                if result.is_ok() {
                    let value = OffsetCommitValue {
                        offset: asked.offset,
                        leader_epoch: asked.leader_epoch,
                        metadata: asked.metadata,
                        commit_timestamp_ms: ctx.now.unix_ms,
                        expire_timestamp_ms,
                        topic_id: topic.topic_id,
                    };
                    let (group_id, topic) = (group_id.clone(), topic.name.clone());
                    let record = Record::OffsetCommit { group_id, topic, partition, value: Some(value) };
                    self.write(ctx, record, transaction);
                }
                partitions.push(CommittedPartition { partition, result });
            }
            answers.push(CommittedTopic { name: topic.name, partitions });
        }
        answers
    }

    fn write(&mut self, ctx: &mut Context<'_>, record: Record, transaction: Option<Transaction>) {
        ctx.outcome.records.push(record.clone());
        let Record::OffsetCommit { group_id, topic, partition, value } = record else { return };
        match transaction {
            None => self.apply(group_id, topic, partition, value),
            Some(Transaction { producer_id, .. }) => {
                ctx.outcome.transaction = transaction;
                self.apply_transactional(producer_id, group_id, topic, partition, value);
            }
        }
    }
}

fn check_metadata(asked: &OffsetCommitPartition, max: usize) -> Result<(), GroupError> {
    let bytes = asked.metadata.len();
    if bytes > max { Err(GroupError::OffsetMetadataTooLarge { bytes, max }) } else { Ok(()) }
}
