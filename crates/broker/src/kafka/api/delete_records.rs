//! DeleteRecords (21), versions 0 to 2: moves the start of logs, for good. Answered by the leader, with where the log
//! starts on all replicas that are ONLINE; followers learn of it with their next fetch.

use std::{sync::Arc, time::Duration};

use common::Offset;
use kafka_wire::{
    ErrorCode,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{Call, blocking, topics::TopicRef};
use crate::{
    kafka::errors,
    partition::{News, Partition, PartitionError},
};

/// From one look at the followers to the next, where nothing else tells of them.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub(super) async fn handle(call: Arc<Call>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let deadline = call.arrived + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let index = wanted.partition_index;
            let before = (wanted.offset != -1).then_some(Offset(wanted.offset));
            let deleted = match call.server.led_partition(TopicRef::Name(&topic.name), index).await {
                Ok(partition) => {
                    delete(&partition, before, deadline).await.map_err(|error| errors::of_partition(&error))
                }
                Err(code) => Err(code),
            };
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: index,
                low_watermark: deleted.map_or(-1, |low_watermark| low_watermark.0),
                error_code: deleted.err().unwrap_or(ErrorCode::NONE),
            });
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    response
}

/// Moves the start, and waits until all followers that are there have moved theirs.
async fn delete(
    partition: &Arc<Partition>,
    before: Option<Offset>,
    deadline: Instant,
) -> Result<Offset, PartitionError> {
    let news = Arc::new(Notify::new());
    let _watch = partition.watch(News::Appended, &news);
    let mut wanted = before;
    loop {
        let own = Arc::clone(partition);
        let deletion = blocking(move || own.delete_records(wanted)).await;
        let (start, low_watermark) = deletion.unwrap_or(Err(PartitionError::NotLeader))?;
        if low_watermark >= start {
            return Ok(low_watermark);
        }
        // What was meant stays what was meant, however much is committed by then.
        wanted = Some(start);
        if Instant::now() >= deadline {
            return Err(PartitionError::TimedOut);
        }
        let next = deadline.min(Instant::now() + LOOK_INTERVAL);
        let _ = timeout_at(next, news.notified()).await;
    }
}
