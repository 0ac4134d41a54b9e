//! What can go wrong with a log, apart from a batch that is refused.

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::offset::Offset;

/// A call on a log that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The log takes no more changes; see [`Fence`].
    #[error(transparent)]
    Fenced(#[from] Fence),
    /// The disk failed while nothing was being changed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// What is asked for lies outside the log.
    #[error("offset {offset} is outside the log, which holds {} to {}", range.start, range.end)]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// From the log's start to its end, the end not included.
        range: Range<Offset>,
    },
    /// Part of what is asked for is altered on disk, and is not served.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A call on the disk that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct DiskError {
    /// What was being done.
    pub action: &'static str,
    /// To which file or directory.
    pub path: PathBuf,
    /// The error. Shared, so that everyone who waits can be told.
    pub source: Arc<io::Error>,
}

/// Why a log takes no more changes: a write or a sync failed, so what is on disk is no longer known.
///
/// It stays so for the life of this log object. There is no retry: after a failed sync the operating system may
/// call the lost pages clean (fsyncgate). Only opening the log anew, which looks at the disk, ends it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the log is fenced: {0}")]
pub struct Fence(pub DiskError);

/// Bytes on disk that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment} is damaged, offsets {} to {} are not readable: {reason}", range.start, range.end)]
pub struct Damage {
    /// Base offset of the segment.
    pub segment: Offset,
    /// Offsets that may be missing, the end not included: what a replica has to fetch again.
    pub range: Range<Offset>,
    /// What was found.
    pub reason: String,
}

impl DiskError {
    /// For `map_err`.
    pub(crate) fn during<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self { action, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        self.source.kind() == io::ErrorKind::StorageFull
    }
}

impl LogError {
    /// Whether a batch that was [appended](crate::Log::append) alone is certainly not in the log, now and after it is opened
    /// again: the disk had no space for all of it, and the next open cuts what there is of it.
    pub fn nothing_appended(&self) -> bool {
        matches!(self, Self::Fenced(Fence(error)) if error.is_disk_full())
    }
}

/// What a segment's index says wrongly, or cannot say.
#[derive(Debug, Clone)]
pub(crate) enum IndexError {
    /// The frame with this number is not what was written.
    Damaged(u32),
    Disk(DiskError),
}

impl From<DiskError> for IndexError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(index) => write!(f, "frame {index} is damaged"),
            Self::Disk(error) => error.fmt(f),
        }
    }
}
