//! A disk whose changes are forgotten: to see what opening a log would do without doing it.
//!
//! What is under it is only ever read. What is written goes to memory, and past a few MiB per file to a temporary file
//! that has no name, so that looking at a damaged log of any size takes little memory.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Disk, DiskFile, FileEntry};

/// Most written bytes of a file that are kept in memory.
const MEMORY_BYTES_MAX: usize = 4 << 20;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Overlay {
    base: Arc<dyn Disk>,
    /// Files that were opened, made or removed (`None`) by the name that they have here.
    nodes: Mutex<BTreeMap<PathBuf, Option<Arc<Node>>>>,
}

#[derive(Debug)]
struct Node {
    /// The file below.
    base: Option<PathBuf>,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    /// How much of the file below still counts.
    base_len: u64,
    added: Added,
}

/// What was written behind that.
#[derive(Debug)]
enum Added {
    Memory(Vec<u8>),
    Spilled(File, u64),
}

#[derive(Debug)]
struct OverlayFile {
    node: Arc<Node>,
    base: Option<Arc<dyn DiskFile>>,
}

impl Overlay {
    pub(crate) fn new(base: Arc<dyn Disk>) -> Self {
        Self { base, nodes: Mutex::default() }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Option<Arc<Node>>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of this name, if there is one.
    fn find(&self, path: &Path) -> io::Result<Arc<Node>> {
        let mut nodes = self.nodes();
        if let Some(known) = nodes.get(path) {
            return known.clone().ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        let node = Arc::new(Node::over(path.to_owned(), self.base.open(path)?.size()?));
        nodes.insert(path.to_owned(), Some(Arc::clone(&node)));
        Ok(node)
    }
}

impl Disk for Overlay {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let node = self.find(path)?;
        let base = node.base.as_ref().map(|below| self.base.open(below)).transpose()?;
        Ok(Arc::new(OverlayFile { node, base }))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = Arc::new(Node::empty());
        self.nodes().insert(path.to_owned(), Some(Arc::clone(&node)));
        Ok(Arc::new(OverlayFile { node, base: None }))
    }

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<FileEntry>> {
        let mut sizes: BTreeMap<String, u64> =
            self.base.list(dir)?.into_iter().map(|entry| (entry.name, entry.size)).collect();
        for (path, node) in &*self.nodes() {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if path.parent() != Some(dir) {
                continue;
            }
            match node {
                Some(node) => sizes.insert(name.to_owned(), node.changes().len()),
                None => sizes.remove(name),
            };
        }
        Ok(sizes.into_iter().map(|(name, size)| FileEntry { name, size }).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let mut nodes = self.nodes();
        nodes.insert(from.to_owned(), None);
        nodes.insert(to.to_owned(), Some(node));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.nodes().insert(path.to_owned(), None);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl Node {
    fn over(base: PathBuf, base_len: u64) -> Self {
        let changes = Changes { base_len, added: Added::Memory(Vec::new()) };
        Self { base: Some(base), changes: Mutex::new(changes) }
    }

    fn empty() -> Self {
        let changes = Changes { base_len: 0, added: Added::Memory(Vec::new()) };
        Self { base: None, changes: Mutex::new(changes) }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for OverlayFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.node.changes().len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let changes = self.node.changes();
        let mut read = 0;
        let left = usize::try_from(changes.base_len.saturating_sub(position)).unwrap_or(usize::MAX);
        let in_base = left.min(buffer.len());
        if let (Some(base), Some(front)) = (&self.base, buffer.get_mut(..in_base)) {
            read = base.read_at(front, position)?;
            if read < in_base {
                return Ok(read);
            }
        }
        let rest = buffer.get_mut(read..).unwrap_or_default();
        Ok(read + changes.added.read_at(rest, (position + read as u64).saturating_sub(changes.base_len))?)
    }

    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut changes = self.node.changes();
        parts.iter().try_for_each(|part| changes.added.append(part))
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let mut changes = self.node.changes();
        changes.base_len = changes.base_len.min(size);
        let added = size - changes.base_len;
        changes.added.truncate(added)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Changes {
    fn len(&self) -> u64 {
        self.base_len + self.added.len()
    }
}

impl Added {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spilled(_, len) => *len,
        }
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => {
                let from = usize::try_from(position).unwrap_or(usize::MAX);
                let found = bytes.get(from..).unwrap_or_default();
                let len = found.len().min(buffer.len());
                buffer.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
                Ok(len)
            }
            Self::Spilled(file, len) => {
                let left = usize::try_from(len.saturating_sub(position)).unwrap_or(usize::MAX);
                let wanted = left.min(buffer.len());
                let wanted = buffer.get_mut(..wanted).unwrap_or_default();
                file.read_exact_at(wanted, position)?;
                Ok(wanted.len())
            }
        }
    }

    fn append(&mut self, part: &[u8]) -> io::Result<()> {
        if let Self::Memory(bytes) = self
            && bytes.len() + part.len() > MEMORY_BYTES_MAX
        {
            let mut file = nameless_file()?;
            file.write_all(bytes)?;
            let len = bytes.len() as u64;
            *self = Self::Spilled(file, len);
        }
        match self {
            Self::Memory(bytes) => bytes.extend_from_slice(part),
            Self::Spilled(file, len) => {
                file.write_all_at(part, *len)?;
                *len += part.len() as u64;
            }
        }
        Ok(())
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX)),
            Self::Spilled(file, len) => {
                *len = size.min(*len);
                file.set_len(*len)?;
            }
        }
        Ok(())
    }
}

/// A temporary file that is gone once it is closed.
fn nameless_file() -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("dmq-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = env::temp_dir().join(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    fn read(file: &dyn DiskFile) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap() + 1];
        let read = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(read);
        bytes
    }

    #[test]
    fn changes_show_here_and_not_below() {
        let base = SimDisk::new();
        let dir = Path::new("d");
        base.create_dir(dir).unwrap();
        for name in ["a", "b", "c"] {
            let file = base.create(&dir.join(name)).unwrap();
            file.append(&mut [IoSlice::new(b"0123456789")]).unwrap();
        }
        let overlay = Overlay::new(Arc::new(base.clone()));
        let a = overlay.open(&dir.join("a")).unwrap();
        a.truncate(4).unwrap();
        a.append(&mut [IoSlice::new(b"xy"), IoSlice::new(b"z")]).unwrap();
        assert_eq!(read(&*a), b"0123xyz");
        a.truncate(5).unwrap();
        overlay.rename(&dir.join("a"), &dir.join("b")).unwrap();
        assert_eq!(read(&*overlay.open(&dir.join("b")).unwrap()), b"0123x");
        overlay.remove(&dir.join("c")).unwrap();
        assert!(overlay.open(&dir.join("a")).is_err() && overlay.remove(&dir.join("c")).is_err());
        overlay.create(&dir.join("d")).unwrap();
        assert!(overlay.create(&dir.join("d")).is_err());
        let names = |disk: &dyn Disk| -> Vec<_> {
            disk.list(dir).unwrap().into_iter().map(|entry| (entry.name, entry.size)).collect()
        };
        assert_eq!(names(&overlay), [("b".to_owned(), 5), ("d".to_owned(), 0)]);
        assert_eq!(names(&base).len(), 3);
        assert_eq!(read(&*base.open(&dir.join("a")).unwrap()), b"0123456789");
    }

    #[test]
    fn what_is_large_is_kept_in_a_file() {
        let mut added = Added::Memory(Vec::new());
        let part = [7; 1 << 20];
        for _ in 0..6 {
            added.append(&part).unwrap();
        }
        assert!(matches!(added, Added::Spilled(..)));
        assert_eq!(added.len(), 6 << 20);
        let mut buffer = [0; 10];
        assert_eq!(added.read_at(&mut buffer, (6 << 20) - 4).unwrap(), 4);
        assert_eq!(buffer, [7, 7, 7, 7, 0, 0, 0, 0, 0, 0]);
        added.truncate(3).unwrap();
        assert_eq!((added.len(), added.read_at(&mut buffer, 0).unwrap()), (3, 3));
    }
}
