//! Open files, of all logs of a broker together: bounded, so that ten thousand partitions need no more
//! descriptors than are in use.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::disk::{Disk, DiskFile, RealDisk};

/// Files kept open by default.
pub const OPEN_FILES_DEFAULT: usize = 1_024;

/// A disk with a bounded number of files kept open. Logs of one broker share one.
#[derive(Debug)]
pub struct Files {
    disk: Arc<dyn Disk>,
    open: Mutex<Generations>,
    /// Bound of each generation.
    half: usize,
}

/// A file stays open if it is used again before as many others as fit were.
#[derive(Debug, Default)]
struct Generations {
    /// Counts the files that were taken away: one that was opened meanwhile may be one of them.
    changes: u64,
    young: HashMap<PathBuf, Arc<dyn DiskFile>>,
    old: HashMap<PathBuf, Arc<dyn DiskFile>>,
}

impl Default for Files {
    fn default() -> Self {
        Self::new(Arc::new(RealDisk), OPEN_FILES_DEFAULT)
    }
}

impl Files {
    /// Keeps at most `open_max` files of `disk` open; files in use come on top.
    pub fn new(disk: Arc<dyn Disk>, open_max: usize) -> Self {
        Self { disk, open: Mutex::default(), half: (open_max / 2).max(1) }
    }

    /// How many files are kept open.
    pub fn open_count(&self) -> usize {
        self.with(|open| open.young.len() + open.old.len())
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// A file that is there.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let (known, changes) = self.with(|open| {
            let known = open.young.get(path).cloned().or_else(|| {
                let (path, file) = open.old.remove_entry(path)?;
                open.insert(path, Arc::clone(&file), self.half);
                Some(file)
            });
            (known, open.changes)
        });
        if let Some(file) = known {
            return Ok(file);
        }
        let file = self.disk.open(path)?;
        self.with(|open| {
            if open.changes == changes {
                open.insert(path.to_owned(), Arc::clone(&file), self.half);
            }
        });
        Ok(file)
    }

    /// A new file.
    pub(crate) fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.forget(path);
        let file = self.disk.create(path)?;
        self.with(|open| open.insert(path.to_owned(), Arc::clone(&file), self.half));
        Ok(file)
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let result = self.disk.remove(path);
        self.forget(path);
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Renames a file over another.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let result = self.disk.rename(from, to);
        self.forget(from);
        self.forget(to);
        result
    }

    /// Replaces a small file whole: after a crash it has its old or its new bytes, durably the new ones once this
    /// has returned.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        self.remove(&temporary)?;
        let file = self.disk.create(&temporary)?;
        file.append(&mut [io::IoSlice::new(bytes)])?;
        file.sync()?;
        self.rename(&temporary, path)?;
        self.disk.sync_dir(path.parent().unwrap_or_else(|| Path::new(".")))
    }

    /// Closes a file that nobody uses.
    pub(crate) fn forget(&self, path: &Path) {
        self.with(|open| {
            open.changes += 1;
            (open.young.remove(path), open.old.remove(path))
        });
    }

    fn with<R>(&self, f: impl FnOnce(&mut Generations) -> R) -> R {
        f(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    fn insert(&mut self, path: PathBuf, file: Arc<dyn DiskFile>, half: usize) {
        if self.young.len() >= half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(path, file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn the_number_of_open_files_is_bounded_and_used_ones_stay() {
        let disk = SimDisk::new();
        disk.create_dir(Path::new("d")).unwrap();
        let files = Files::new(Arc::new(disk.clone()), 8);
        let path = |n: usize| PathBuf::from(format!("d/{n}"));
        for n in 0..100 {
            files.create(&path(n)).unwrap();
            files.open(&path(0)).unwrap();
            assert!(files.open_count() <= 8);
        }
        let calls = disk.calls();
        files.open(&path(0)).unwrap();
        assert_eq!(disk.calls(), calls, "the file in use was still open");
    }
}
