//! Records that are missing on this broker's disk, asked of other replicas: of the leader, or by the leader of the others.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use commit_log::batch::{Batch, BatchError};
use common::{BrokerId, Offset};
use kafka_client::{Address, CallError, Connection, ConnectionOptions};
use kafka_wire::{
    ErrorCode,
    messages::{
        FetchRequest,
        fetch::{FetchPartition, FetchTopic},
    },
};
use runtime::Stop;

use super::fetcher::Shared;
use crate::partition::{Partition, PartitionError, Services};

/// Bytes asked for at a time.
const PIECE_BYTES: i32 = 4 << 20;

/// Until partitions that could not be repaired are tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Whoever names a rack gets what followers have, too (KIP-392). Nobody is there, so nobody is nearer.
const RACK: &str = "dmq-repair";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Repairer {
    pub(super) shared: Shared,
    pub(super) services: Arc<Services>,
}

/// Why a piece was not put back.
#[derive(Debug, thiserror::Error)]
enum RepairError {
    #[error("no other replica is there")]
    Alone,
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("broker {0} answers {1:?}")]
    Refused(BrokerId, ErrorCode),
    #[error("broker {0} does not have it either, or not yet")]
    Lacks(BrokerId),
    #[error("what broker {0} sent cannot be read: {1}")]
    Unreadable(BrokerId, BatchError),
    #[error(transparent)]
    NotPlaced(#[from] PartitionError),
}

impl Repairer {
    /// Repairs one partition after the other; those that cannot be repaired now are tried again for ever.
    pub(super) async fn run(self, stop: Stop) {
        let mut later: Vec<Arc<Partition>> = Vec::new();
        while !stop.is_requested() {
            let pause = async {
                if later.is_empty() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            };
            let mut due = tokio::select! {
                () = stop.requested() => return,
                found = self.services.repairs().take() => found,
                () = pause => Vec::new(),
            };
            due.append(&mut later);
            for partition in due {
                let Some(repaired) = stop.or(self.repair(&partition)).await else { return };
                if let Err(error) = repaired {
                    tracing::warn!(event = "partition.not_repaired", partition = %partition.name(), "{error}");
                    later.push(partition);
                }
            }
        }
    }

    async fn repair(&self, partition: &Arc<Partition>) -> Result<(), RepairError> {
        while let Some(range) = partition.missing() {
            let mut outcome = Err(RepairError::Alone);
            for source in self.sources(partition) {
                outcome = self.piece_from(source, partition, range.clone()).await;
                if outcome.is_ok() {
                    break;
                }
            }
            outcome?;
        }
        Ok(())
    }

    /// Whom to ask: the leader, or all the others if this broker leads.
    fn sources(&self, partition: &Partition) -> Vec<BrokerId> {
        if let Some(leader) = partition.following() {
            return vec![leader];
        }
        let name = partition.name();
        self.shared.image.read(|state| {
            let index = usize::try_from(name.partition.0).ok();
            let topic = state.topic_by_id(name.topic_id);
            let known = topic.and_then(|topic| topic.partitions.get(index?));
            let replicas = known.map(|partition| partition.isr.clone()).unwrap_or_default();
            replicas.into_iter().filter(|id| *id != self.shared.options.broker_id).collect()
        })
    }

    /// Puts the front of a range back.
    async fn piece_from(
        &self,
        source: BrokerId,
        partition: &Arc<Partition>,
        range: Range<Offset>,
    ) -> Result<(), RepairError> {
        let (piece, records) = self.fetch(source, partition, range).await?;
        let partition = Arc::clone(partition);
        match tokio::task::spawn_blocking(move || partition.fill(piece, records)).await {
            Ok(filled) => {
                filled?;
                Ok(())
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The process is ending: blocking work is cancelled then, and only then.
            Err(_) => Err(RepairError::Alone),
        }
    }

    /// All that `source` has at the front of a range, and how far that front reaches.
    async fn fetch(
        &self,
        source: BrokerId,
        partition: &Partition,
        range: Range<Offset>,
    ) -> Result<(Range<Offset>, Bytes), RepairError> {
        let address = self.shared.image.read(|state| {
            let broker = state.broker(source)?;
            Some(Address::new(broker.host.clone(), broker.kafka_port?))
        });
        let address = address.ok_or(RepairError::Alone)?;
        let options = ConnectionOptions {
            client_id: format!("dmq-broker-{}-repair", self.shared.options.broker_id),
            connection_setup_timeout: self.shared.options.session_timeout,
            request_timeout: self.shared.options.socket_timeout,
            ..ConnectionOptions::default()
        };
        let connection = Connection::open(&address, &options).await?;
        let response = connection.call(&request(partition, range.start)).await?;
        let data = response.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let data = data.ok_or(RepairError::Refused(source, response.error_code))?;
        if !data.error_code.is_none() {
            return Err(RepairError::Refused(source, data.error_code));
        }
        let records = data.records.bytes().cloned().unwrap_or_default();
        let front = front_of(&records, &range).map_err(|error| RepairError::Unreadable(source, error))?;
        match front {
            (until, bytes) if until > range.start => Ok((range.start..until, bytes)),
            // It has nothing there, and never will have.
            _ if records.is_empty() && data.high_watermark >= range.end.0 => Ok((range, Bytes::new())),
            _ => Err(RepairError::Lacks(source)),
        }
    }
}

fn request(partition: &Partition, from: Offset) -> FetchRequest {
    let name = partition.name();
    let wanted = FetchPartition {
        partition: name.partition.0,
        fetch_offset: from.0,
        partition_max_bytes: PIECE_BYTES,
        ..FetchPartition::default()
    };
    let topic =
        FetchTopic { topic: name.topic.to_string(), topic_id: name.topic_id.0, partitions: vec![wanted] };
    FetchRequest {
        max_bytes: PIECE_BYTES,
        topics: vec![topic],
        rack_id: RACK.to_owned(),
        ..FetchRequest::default()
    }
}

/// The whole batches that lie in `range`, and the offset up to which nothing else does.
fn front_of(records: &Bytes, range: &Range<Offset>) -> Result<(Offset, Bytes), BatchError> {
    let (mut until, mut bytes) = (range.start, 0..0);
    for batch in Batch::all(records) {
        let batch = match batch {
            Err(BatchError::Cut { .. }) => break,
            batch => batch?,
        };
        let (base, next) = (batch.header().base_offset, batch.header().next_offset());
        let size = batch.bytes().len();
        if base >= range.end {
            return Ok((range.end, records.slice(bytes)));
        }
        if base < range.start && bytes.is_empty() {
            // The fetch began within a batch.
            bytes = size..size;
            continue;
        }
        if next > range.end {
            break;
        }
        bytes.end += size;
        until = next;
    }
    Ok((until, records.slice(bytes)))
}

#[cfg(test)]
mod tests {
    use commit_log::batch::{BatchBuilder, Compression, NewRecord};

    use super::*;

    /// Batches of two records each, at these offsets.
    fn batches(bases: &[i64]) -> (Bytes, usize) {
        let mut all = Vec::new();
        let mut size = 0;
        for base in bases {
            let mut builder = BatchBuilder::new(Compression::None);
            for _ in 0..2 {
                builder.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(b"v"), headers: &[] });
            }
            let batch = builder.build(Offset(*base)).unwrap();
            size = batch.len();
            all.extend(batch);
        }
        (all.into(), size)
    }

    #[test]
    fn a_piece_is_what_lies_in_the_range() {
        let (records, size) = batches(&[8, 10, 12, 14, 20]);
        let front = |from, to| {
            let (until, bytes) = front_of(&records, &(Offset(from)..Offset(to))).unwrap();
            (until.0, bytes.len() / size)
        };
        assert_eq!(
            front(10, 14),
            (14, 2),
            "the batch before was asked for with it, the one behind is not missing"
        );
        assert_eq!(front(10, 18), (18, 3), "nothing is between the last one and the range's end");
        assert_eq!(front(10, 30), (22, 4), "there may be more");
        assert_eq!(front(10, 13), (12, 1), "a batch lies across the end: that is no piece");
        assert_eq!(front(30, 40), (30, 0));
    }
}
