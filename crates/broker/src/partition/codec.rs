//! The codec of a topic's batches (`compression.type`): what a client compressed otherwise is made anew before it is
//! appended, as in Kafka. Followers and compaction keep what is there.

use std::sync::atomic::{AtomicI16, Ordering};

use bytes::Bytes;
use commit_log::{
    Refused,
    batch::{Batch, BatchHeader, Compression, InvalidBatch, TargetCodec, recompress},
};
use common::topic_config;

use super::{Partition, PartitionError, state::State};

/// Whatever a client likes (`producer`).
const ANY: i16 = -1;

/// The codec that batches are to have, where everybody who appends can see it without the partition's lock.
#[derive(Debug)]
pub(super) struct Wanted(AtomicI16);

impl Wanted {
    pub(super) fn new(compression: topic_config::Compression) -> Self {
        let wanted = Self(AtomicI16::new(ANY));
        wanted.set(compression);
        wanted
    }

    pub(super) fn set(&self, compression: topic_config::Compression) {
        let code = target(compression).map_or(ANY, |target| target.codec.code());
        self.0.store(code, Ordering::Relaxed);
    }

    /// Whether a batch that begins so has another one. Of what is no batch nothing is known.
    fn is_other(&self, batch: &[u8]) -> bool {
        let wanted = self.0.load(Ordering::Relaxed);
        if wanted == ANY {
            return false;
        }
        let codec = BatchHeader::parse(batch).and_then(|header| header.attributes.compression());
        codec.is_ok_and(|codec| codec.code() != wanted)
    }
}

impl Partition {
    /// Whether [`produce`](Self::produce) makes this batch anew first: that takes its time, up to tens of ms for one of
    /// the largest.
    pub fn recompresses(&self, batch: &Bytes) -> bool {
        self.codec.is_other(batch)
    }

    /// The batch under the topic's codec.
    pub(super) fn recompressed(&self, batch: Bytes) -> Result<Bytes, PartitionError> {
        if !self.recompresses(&batch) {
            return Ok(batch);
        }
        let (target, rules) = {
            let mut state = self.lock();
            let target = wanted(&state);
            (target, state.running()?.log.options().rules)
        };
        let Some(target) = target else { return Ok(batch) };
        let invalid = |error: InvalidBatch| PartitionError::Refused(Refused::Invalid(error));
        let (sent, rest) = Batch::split_first(&batch).map_err(|error| invalid(error.into()))?;
        if !rest.is_empty() {
            return Err(invalid(InvalidBatch::Form("more than one batch")));
        }
        let made = recompress(&sent, target, &rules, self.services.now().wall_ms).map_err(invalid)?;
        Ok(made.into())
    }
}

fn wanted(state: &State) -> Option<TargetCodec> {
    target(state.wanted.config.compression)
}

/// `None`: each as it was sent.
fn target(compression: topic_config::Compression) -> Option<TargetCodec> {
    use topic_config::Compression as Setting;
    let (codec, level) = match compression {
        Setting::Producer => return None,
        Setting::Uncompressed => (Compression::None, None),
        Setting::Gzip { level } => (Compression::Gzip, Some(level)),
        Setting::Snappy => (Compression::Snappy, None),
        Setting::Lz4 => (Compression::Lz4, None),
        Setting::Zstd { level } => (Compression::Zstd, Some(level)),
    };
    Some(TargetCodec { codec, level })
}
