//! The real disk, with a difference.

use std::{
    io::IoSlice,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use commit_log::disk::{Disk, DiskFile, FileEntry, RealDisk};

/// What a disk does with names, the real one's way.
macro_rules! names {
    () => {
        fn create_dir(&self, path: &Path) -> std::io::Result<()> {
            RealDisk.create_dir(path)
        }
        fn list(&self, dir: &Path) -> std::io::Result<Vec<FileEntry>> {
            RealDisk.list(dir)
        }
        fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
            RealDisk.rename(from, to)
        }
        fn remove(&self, path: &Path) -> std::io::Result<()> {
            RealDisk.remove(path)
        }
        fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
            RealDisk.sync_dir(dir)
        }
    };
}

/// The real disk, with a sync that takes longer, and calls that are counted.
#[derive(Debug, Clone)]
pub(crate) struct SlowDisk {
    sync: Duration,
    calls: Arc<AtomicU64>,
}

impl SlowDisk {
    /// `sync` in place of the real one; zero: the real one.
    pub(crate) fn new(sync: Duration) -> Self {
        Self { sync, calls: Arc::default() }
    }

    /// Calls on files, opening them included.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct SlowFile(Arc<dyn DiskFile>, SlowDisk);

impl Disk for SlowDisk {
    fn open(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        self.count();
        Ok(Arc::new(SlowFile(RealDisk.open(path)?, self.clone())))
    }
    fn create(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        self.count();
        Ok(Arc::new(SlowFile(RealDisk.create(path)?, self.clone())))
    }
    names!();
}

impl DiskFile for SlowFile {
    fn size(&self) -> std::io::Result<u64> {
        self.1.count();
        self.0.size()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
        self.1.count();
        self.0.read_at(buffer, position)
    }
    fn append(&self, parts: &mut [IoSlice<'_>]) -> std::io::Result<()> {
        self.1.count();
        self.0.append(parts)
    }
    fn truncate(&self, size: u64) -> std::io::Result<()> {
        self.1.count();
        self.0.truncate(size)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.1.count();
        if self.1.sync.is_zero() {
            return self.0.sync();
        }
        std::thread::sleep(self.1.sync);
        Ok(())
    }
}

/// The real disk, where zeros at the end of what is written become a hole: large logs that need little room.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SparseDisk;

#[derive(Debug)]
struct SparseFile(Arc<dyn DiskFile>);

impl Disk for SparseDisk {
    fn open(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SparseFile(RealDisk.open(path)?)))
    }
    fn create(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SparseFile(RealDisk.create(path)?)))
    }
    names!();
}

impl DiskFile for SparseFile {
    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
        self.0.read_at(buffer, position)
    }
    fn append(&self, parts: &mut [IoSlice<'_>]) -> std::io::Result<()> {
        for part in parts {
            let end = self.0.size()? + part.len() as u64;
            let full = part.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            self.0.append(&mut [IoSlice::new(part.get(..full).unwrap_or_default())])?;
            self.0.truncate(end)?;
        }
        Ok(())
    }
    fn truncate(&self, size: u64) -> std::io::Result<()> {
        self.0.truncate(size)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.0.sync()
    }
}
