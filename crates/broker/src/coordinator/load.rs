//! Loading: everything that is committed in a partition of `__consumer_offsets`, replayed in order.
//!
//! A new leader does not know at first how much of its log is committed; but whatever is in it will be, as it is the leader's
//! log that the followers follow. So it reads up to where its log ended when it took office, and is ready when the high
//! watermark has got there.

use std::{ops::Range, sync::Arc};

use commit_log::batch::{Batch, BatchError, ControlRecord, EndTransaction};
use common::{LeaderEpoch, Offset};
use coordinator::{Coordinator, ProducerId};
use replica::Isolation;
use thiserror::Error;
use tokio::sync::Notify;

use super::codec::{self, BadRecord};
use crate::partition::{News, Partition, PartitionError, Reader};

/// Bytes of one read.
const READ_BYTES: usize = 2 << 20;

/// Largest batch, decompressed. The topic takes none that is near.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// Why a partition is not loaded.
#[derive(Debug, Error)]
pub(super) enum LoadError {
    /// It cannot be read, or is not led here any more.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// What was read is no batch.
    #[error("the batch at offset {offset}: {error}")]
    Batch {
        /// Where.
        offset: Offset,
        /// What is wrong.
        error: BatchError,
    },
    /// A record makes no sense.
    #[error("the record at offset {offset}: {error}")]
    Record {
        /// Where.
        offset: Offset,
        /// What is wrong.
        error: BadRecord,
    },
    /// The process is ending.
    #[error("the process is ending")]
    Ending,
}

/// How far it is.
#[derive(Debug)]
struct Progress {
    coordinator: Coordinator,
    /// The next offset.
    next: Offset,
    /// What was committed when it was last looked.
    high_watermark: Offset,
    records: u64,
}

/// Replays a partition that is led here in this epoch into a new coordinator. Gives how many records there were, too.
pub(super) async fn load(
    partition: &Arc<Partition>,
    epoch: LeaderEpoch,
    settings: coordinator::Settings,
) -> Result<(Coordinator, u64), LoadError> {
    let news = Arc::new(Notify::new());
    let _watch = partition.watch(News::Committed, &news);
    let Range { start, end } = partition.led_log(epoch)?;
    let coordinator = Coordinator::new(settings);
    let mut progress = Progress { coordinator, next: start, high_watermark: start, records: 0 };
    while progress.next < end {
        let partition = Arc::clone(partition);
        let read = tokio::task::spawn_blocking(move || read_committed(&partition, epoch, progress)).await;
        progress = match read {
            Ok(progress) => progress?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(LoadError::Ending),
        };
        if progress.next < end {
            news.notified().await;
        }
    }
    Ok((progress.coordinator, progress.records))
}

/// Reads on until everything is read that is committed by then. Blocks.
fn read_committed(
    partition: &Arc<Partition>,
    epoch: LeaderEpoch,
    mut progress: Progress,
) -> Result<Progress, LoadError> {
    let reader = Reader::Consumer {
        isolation: Isolation::ReadUncommitted,
        leader_epoch: Some(epoch),
        last_fetched_epoch: None,
        from_follower: false,
    };
    loop {
        let planned = partition.plan_read(reader, progress.next, READ_BYTES)?;
        progress.high_watermark = planned.marks.high_watermark;
        if progress.next >= progress.high_watermark {
            return Ok(progress);
        }
        let before = progress.next;
        for piece in planned.read()?.pieces {
            for batch in Batch::all(&piece) {
                let batch = batch.map_err(|error| LoadError::Batch { offset: progress.next, error })?;
                replay_batch(&batch, &mut progress)?;
            }
        }
        if progress.next == before {
            // Nothing is left there: compaction took the last batches.
            progress.next = progress.high_watermark;
        }
    }
}

fn replay_batch(batch: &Batch<'_>, progress: &mut Progress) -> Result<(), LoadError> {
    let header = batch.header();
    let broken = |error| LoadError::Batch { offset: header.base_offset, error };
    let payload = batch.payload(BATCH_BYTES_MAX).map_err(broken)?;
    let attributes = header.attributes;
    let producer = ProducerId(header.producer_id);
    for record in payload.records() {
        let record = record.map_err(broken)?;
        if record.offset < progress.next {
            continue;
        }
        if attributes.is_control() {
            if let Some(control) = ControlRecord::parse(&record) {
                let committed = control.end == EndTransaction::Commit;
                progress.coordinator.end_transaction(producer, committed);
            }
            continue;
        }
        progress.records += 1;
        match codec::decode(record.key.unwrap_or_default(), record.value) {
            Ok(Some(record)) if attributes.is_transactional() => {
                progress.coordinator.replay_transactional(producer, record);
            }
            Ok(Some(record)) => progress.coordinator.replay(record),
            Ok(None) => {}
            Err(error) if error.is_of_the_future() => {
                let offset = record.offset;
                tracing::warn!(event = "coordinator.passed_over", %offset, "{error}");
            }
            Err(error) => return Err(LoadError::Record { offset: record.offset, error }),
        }
    }
    progress.next = progress.next.max(header.next_offset());
    Ok(())
}
