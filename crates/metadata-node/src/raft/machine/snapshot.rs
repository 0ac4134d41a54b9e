//! Snapshots on their way: built from the state, read from the store, sent to a peer, received from one.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use common::ClusterId;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use openraft::RaftSnapshotBuilder;
use openraft::alias::SnapshotOf;

use super::Applied;
use super::codec::{decode, encode, record};
use crate::raft::net::Body;
use crate::raft::types::{LogId, SnapshotMeta, TypeConfig};
use crate::store::Store;

/// Size of the pieces a snapshot is sent in.
const CHUNK_BYTES: usize = 64 * 1024;
/// Largest snapshot that is received, compressed: some 10 million partitions.
const SNAPSHOT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A snapshot: its compressed bytes, and where it was received also what they mean.
#[derive(Debug)]
pub(crate) struct SnapshotData {
    bytes: Bytes,
    decoded: Option<Box<Applied>>,
}

impl SnapshotData {
    /// From the store.
    pub(super) fn stored(bytes: Bytes) -> Self {
        Self { bytes, decoded: None }
    }

    /// Receives a snapshot from a peer, checks it, and decodes it into a state beside the one in use.
    pub(crate) async fn receive<S, E>(mut body: S, cluster_id: ClusterId) -> io::Result<(SnapshotMeta, Self)>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(io::Error::other)?;
            if bytes.len() + chunk.len() > SNAPSHOT_BYTES_MAX {
                let text = format!("snapshot is larger than {SNAPSHOT_BYTES_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            bytes.extend_from_slice(&chunk);
        }
        let bytes = bytes.freeze();
        let applied = decode_off_thread(bytes.clone(), cluster_id).await?;
        let meta =
            SnapshotMeta { last_log_id: applied.last_applied, last_membership: applied.membership.clone() };
        Ok((meta, Self { bytes, decoded: Some(Box::new(applied)) }))
    }

    /// The bytes as a request body. May be called again for another attempt.
    pub(crate) fn body(&self) -> Body {
        let mut rest = self.bytes.clone();
        let chunks = std::iter::from_fn(move || {
            let size = rest.len().min(CHUNK_BYTES);
            (size > 0).then(|| Ok(Frame::data(rest.split_to(size))))
        });
        StreamBody::new(stream::iter(chunks)).boxed_unsync()
    }

    /// The bytes and what they mean.
    pub(super) async fn into_applied(self, cluster_id: ClusterId) -> io::Result<(Bytes, Applied)> {
        let applied = match self.decoded {
            Some(applied) => *applied,
            None => decode_off_thread(self.bytes.clone(), cluster_id).await?,
        };
        Ok((self.bytes, applied))
    }
}

/// Decodes where it may take its time.
pub(super) async fn decode_off_thread(bytes: Bytes, cluster_id: ClusterId) -> io::Result<Applied> {
    tokio::task::spawn_blocking(move || decode(&bytes, &cluster_id)).await.map_err(io::Error::other)?
}

/// Makes a snapshot of a view of the state, while the state goes on.
pub(crate) struct SnapshotBuilder {
    view: Arc<Applied>,
    store: Store,
    saved: Arc<tokio::sync::Mutex<Option<LogId>>>,
}

impl SnapshotBuilder {
    pub(super) fn new(view: Applied, store: Store, saved: Arc<tokio::sync::Mutex<Option<LogId>>>) -> Self {
        Self { view: Arc::new(view), store, saved }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, SnapshotData>> {
        let started = std::time::Instant::now();
        let view = Arc::clone(&self.view);
        let bytes = tokio::task::spawn_blocking(move || encode(&view)).await.map_err(io::Error::other)??;
        let mut saved = self.saved.lock().await;
        // A snapshot of the leader that is further on may have been installed meanwhile.
        if *saved < self.view.last_applied {
            self.store.save_snapshot(record(&self.view)?, bytes.clone()).await?;
            *saved = self.view.last_applied;
        }
        drop(saved);
        tracing::info!(
            event = "raft.snapshot_taken",
            index = self.view.last_applied.map_or(0, |last| last.index),
            bytes = bytes.len(),
            elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "took a snapshot"
        );
        let meta = SnapshotMeta {
            last_log_id: self.view.last_applied,
            last_membership: self.view.membership.clone(),
        };
        Ok(openraft::Snapshot { meta, snapshot: SnapshotData::stored(bytes) })
    }
}
