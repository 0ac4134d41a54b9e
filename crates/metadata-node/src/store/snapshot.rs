//! Snapshots: stored in chunks that are written one by one between other transactions, and switched to in one.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::batch::{Done, Op};
use super::{Image, SnapshotRecord, Store, StoreError};

/// A chunk is one value in one row, and one write that the log has to wait for.
const CHUNK_BYTES: usize = 1 << 20;

impl Store {
    /// Stores a snapshot in place of the former one, unless that covers more already. Durable on return.
    pub async fn save_snapshot(&self, record: SnapshotRecord, data: Bytes) -> Result<(), StoreError> {
        self.put_snapshot(record, data, None).await
    }

    /// Stores a snapshot of the leader in place of the former one and rewrites the projection from `image` (unless it is
    /// further on already, as at a restart), in one transaction. Durable on return. The log is left alone: openraft
    /// purges it.
    pub async fn install_snapshot(
        &self,
        record: SnapshotRecord,
        data: Bytes,
        image: Image,
    ) -> Result<(), StoreError> {
        self.put_snapshot(record, data, Some(image)).await
    }

    /// The snapshot that is stored, checked against its checksum.
    pub async fn snapshot(&self) -> Result<Option<(SnapshotRecord, Bytes)>, StoreError> {
        // None is switched to, and so none deleted, while its chunks are read.
        let _guard = self.shared.snapshot.lock().await;
        let reader = &self.shared.reader;
        let Some(head) = reader.snapshot().await.map_err(|error| self.read_error(error))? else {
            return Ok(None);
        };
        let damaged = |reason: String| StoreError::Damaged { backend: self.backend(), reason };
        let mut data = BytesMut::new();
        let mut seq = 0;
        while let Some(chunk) = reader.chunk(head.id, seq).await.map_err(|error| self.read_error(error))? {
            data.extend_from_slice(&chunk);
            seq += 1;
        }
        if i64::try_from(data.len()) != Ok(head.bytes) {
            return Err(damaged(format!(
                "snapshot {} has {} bytes instead of {}",
                head.id,
                data.len(),
                head.bytes
            )));
        }
        let data = data.freeze();
        let sha256 = sha256_hex(data.clone()).await?;
        if sha256 != head.sha256 {
            return Err(damaged(format!(
                "snapshot {} has checksum {sha256} instead of {}",
                head.id, head.sha256
            )));
        }
        Ok(Some((head.record, data)))
    }

    async fn put_snapshot(
        &self,
        record: SnapshotRecord,
        data: Bytes,
        image: Option<Image>,
    ) -> Result<(), StoreError> {
        let _guard = self.shared.snapshot.lock().await;
        let id = self.shared.snapshot_id.fetch_add(1, Ordering::Relaxed) + 1;
        let last = record.last;
        let bytes = i64::try_from(data.len()).map_err(|error| StoreError::Misuse(error.to_string()))?;
        let sha256 = sha256_hex(data.clone()).await?;
        let record = Box::new(record);
        self.ask(|done| Op::StageSnapshot { id, record, bytes, sha256, done }).await?;
        let mut rest = data;
        let mut seq = 0;
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(CHUNK_BYTES));
            self.ask(|done| Op::SnapshotChunk { id, seq, data, done }).await?;
            seq += 1;
        }
        self.ask(|done| Op::CompleteSnapshot { id, last, image, done }).await
    }

    /// Queues an operation and waits until it is durable.
    pub(crate) async fn ask(&self, op: impl FnOnce(Done) -> Op) -> Result<(), StoreError> {
        let (done, answer) = Done::channel();
        self.send(op(done)).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Some 100 ms for a snapshot of a million partitions: not on a thread that serves others.
async fn sha256_hex(data: Bytes) -> Result<String, StoreError> {
    let digest = tokio::task::spawn_blocking(move || Sha256::digest(&data));
    let digest = digest.await.map_err(|error| StoreError::Misuse(format!("checksum: {error}")))?;
    Ok(digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    }))
}
