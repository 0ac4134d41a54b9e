//! The few things a log asks of a disk, so that a simulated one can be put in the real one's place.
//!
//! Files only grow at their end, shrink, and are replaced whole by renaming. Nothing is ever overwritten in
//! place, so a crash can damage only what was not yet synced.

mod overlay;
mod real;
pub mod sim;

use std::{
    fmt::Debug,
    fs::File,
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};

pub(crate) use overlay::Overlay;
pub use real::{ReadOnlyDisk, RealDisk};

/// A file system, as far as a log needs one.
///
/// Duties of an implementer: an `Ok` of [`DiskFile::sync`] means that the file's bytes and length survive a power
/// cut, an `Ok` of [`Disk::sync_dir`] that the names made, changed and removed in that directory do. Without
/// these, a crash may undo any of it, in any order.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file that is there, for reading and appending.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates a file, for reading and appending; `AlreadyExists` if it is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates a directory and those above it, durably.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The files of a directory, in order of their names.
    fn list(&self, dir: &Path) -> io::Result<Vec<FileEntry>>;

    /// Renames a file within its directory; replaces a file of the new name in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Those who have it open can still read it.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` from `position` on; less than all of it only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all parts behind the end. After an error any front of them may be there.
    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()>;

    /// Cuts the file to `size` bytes.
    fn truncate(&self, size: u64) -> io::Result<()>;

    /// Makes bytes and length durable.
    fn sync(&self) -> io::Result<()>;

    /// The operating system's file, for zero-copy sends; `None` if there is none.
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// A file in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
}

/// Reads `len` bytes at `position`; `UnexpectedEof` if the file ends before.
pub(crate) fn read_exact_at(file: &dyn DiskFile, position: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; len];
    let read = file.read_at(&mut buffer, position)?;
    if read == len { Ok(buffer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
