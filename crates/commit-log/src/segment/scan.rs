//! Walking the batches of a `.log` file from front to back, each one checked by its CRC.

use std::{path::PathBuf, sync::Arc};

use crate::{
    batch::{Batch, BatchError, BatchHeader, HEADER_BYTES},
    disk::DiskFile,
    error::DiskError,
};

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Why a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScanEnd {
    /// Everything was good.
    Done,
    /// What comes next is no good batch.
    Bad(String),
}

/// The walk.
#[derive(Debug)]
pub(crate) struct Scanner {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// Of the next batch.
    position: u64,
    /// Where the file, or the part of it to walk, ends.
    until: u64,
    buffer: Vec<u8>,
    buffer_position: u64,
}

impl Scanner {
    pub(crate) fn new(file: Arc<dyn DiskFile>, path: PathBuf, from: u64, until: u64) -> Self {
        Self { file, path, position: from, until, buffer: Vec::new(), buffer_position: from }
    }

    /// The next batch, or why there is none; an error of the disk comes first.
    pub(crate) fn next_batch(&mut self) -> Result<Result<Batch<'_>, ScanEnd>, DiskError> {
        let left = usize::try_from(self.until.saturating_sub(self.position)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(Err(ScanEnd::Done));
        }
        self.fill(HEADER_BYTES.min(left))?;
        let size = match BatchHeader::parse(self.buffered()) {
            Ok(header) if header.size_bytes() > left => {
                let error = BatchError::Cut { needed: header.size_bytes(), have: left };
                return Ok(Err(ScanEnd::Bad(error.to_string())));
            }
            Ok(header) => header.size_bytes(),
            Err(error) => return Ok(Err(ScanEnd::Bad(error.to_string()))),
        };
        self.fill(size)?;
        let from = usize::try_from(self.position - self.buffer_position).unwrap_or(usize::MAX);
        let bytes = self.buffer.get(from..).unwrap_or_default();
        let result = Batch::split_first(bytes).and_then(|(batch, _)| {
            batch.check_crc()?;
            batch.header().check_offsets()?;
            Ok(batch)
        });
        Ok(match result {
            Ok(batch) => {
                self.position += size as u64;
                Ok(batch)
            }
            Err(error) => Err(ScanEnd::Bad(error.to_string())),
        })
    }

    fn buffered(&self) -> &[u8] {
        let from = usize::try_from(self.position - self.buffer_position).unwrap_or(usize::MAX);
        self.buffer.get(from..).unwrap_or_default()
    }

    /// Makes at least `len` bytes from the position on available, as far as the file has them.
    fn fill(&mut self, len: usize) -> Result<(), DiskError> {
        if self.buffered().len() >= len {
            return Ok(());
        }
        let left = usize::try_from(self.until.saturating_sub(self.position)).unwrap_or(usize::MAX);
        self.buffer.resize(len.max(CHUNK_BYTES).min(left), 0);
        self.buffer_position = self.position;
        let read = self
            .file
            .read_at(&mut self.buffer, self.position)
            .map_err(DiskError::during("read", &self.path))?;
        self.buffer.truncate(read);
        Ok(())
    }
}
