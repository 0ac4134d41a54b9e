//! A disk in memory that fails as real ones do.
//!
//! **What a crash does.** Synced bytes and synced names survive. Of the rest, each directory keeps some front of
//! its unsynced changes of names, as a journal does, or any of them, which is all that POSIX promises, with those of one
//! name in order; and each file gets some length between its synced and its last one, where every sector of 512 bytes is,
//! each on its own, as it was last written, as it was last synced, or noise. So writes are dropped, torn and reordered.
//!
//! **What an error does.** A failed append leaves a front of its bytes. A failed sync loses what it should have
//! made durable: later syncs succeed and still do not save it, as Linux does (fsyncgate), though the bytes can be
//! read until the next crash.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Disk, DiskFile, FileEntry};

/// What is torn and reordered as one.
const SECTOR_BYTES: usize = 512;

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    interruption: Arc<Mutex<Option<Interruption>>>,
}

/// What is done in front of the call with this number.
struct Interruption(u64, Box<dyn FnOnce() + Send>);

impl fmt::Debug for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interruption").field(&self.0).finish_non_exhaustive()
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full (ENOSPC).
    Full,
    /// The disk is broken (EIO).
    Broken,
    /// The power is cut: the call and all later ones fail until [`SimDisk::reboot`].
    PowerCut,
}

#[derive(Debug, Clone, Default)]
struct State {
    dirs: BTreeMap<PathBuf, Dir>,
    files: BTreeMap<u64, Inode>,
    next_inode: u64,
    calls: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
}

#[derive(Debug, Clone, Default)]
struct Dir {
    names: BTreeMap<String, u64>,
    synced: BTreeMap<String, u64>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Set(String, u64),
    Rename(String, String),
    Remove(String),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    /// A sync failed: later ones do nothing.
    lost: bool,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
}

/// Numbers that depend on nothing but the seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next_u64() % bound).unwrap_or(0)
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another disk with the same on it. Files that are open stay with this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.lock().clone())), ..Self::default() }
    }

    /// How many calls were made so far; reads count.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Lets the call fail that comes after `calls` more ones; 0 means the next.
    pub fn fail_after(&self, calls: u64, fault: Fault) {
        let mut state = self.lock();
        state.fault = Some((state.calls + calls, fault));
    }

    /// Does something else after so many more calls, before the next one: as if another thread had come between there. Not
    /// done at all if the calls do not come, and [`SimDisk::uninterrupted`] is called.
    pub fn interrupt_after(&self, calls: u64, meanwhile: impl FnOnce() + Send + 'static) {
        let at = self.lock().calls + calls;
        *self.interruption() = Some(Interruption(at, Box::new(meanwhile)));
    }

    /// Takes back what has not come between yet. Whether there was anything.
    pub fn uninterrupted(&self) -> bool {
        self.interruption().take().is_some()
    }

    /// Whether a fault was set that has not struck yet.
    pub fn has_fault(&self) -> bool {
        self.lock().fault.is_some()
    }

    /// Takes back a fault that has not struck yet.
    pub fn clear_fault(&self) {
        self.lock().fault = None;
    }

    /// Cuts the power, if that has not happened, decides what is left, and starts again without faults.
    pub fn reboot(&self, seed: u64) {
        let mut random = Random::new(seed);
        let mut guard = self.lock();
        let state = &mut *guard;
        (state.dead, state.fault) = (false, None);
        for dir in state.dirs.values_mut() {
            dir.crash(&mut random);
        }
        for inode in state.files.values_mut() {
            inode.crash(&mut random);
        }
        let linked: Vec<u64> = state.dirs.values().flat_map(|dir| dir.names.values().copied()).collect();
        state.files.retain(|inode, _| linked.contains(inode));
    }

    /// Alters a file as rot does: what is synced is altered too.
    pub fn damage(&self, path: &Path, alter: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.find(path)?;
        let file = state.files.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        alter(&mut file.bytes);
        file.synced.clone_from(&file.bytes);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interruption(&self) -> MutexGuard<'_, Option<Interruption>> {
        self.interruption.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call, and tells what goes wrong with it.
    fn call(&self) -> (MutexGuard<'_, State>, io::Result<()>) {
        let calls = self.calls();
        let due = self.interruption().take_if(|interruption| interruption.0 <= calls);
        if let Some(Interruption(_, meanwhile)) = due {
            meanwhile();
        }
        let mut state = self.lock();
        let call = state.calls;
        state.calls += 1;
        let result = if state.dead {
            Err(io::Error::other("the power is cut"))
        } else if let Some((at, fault)) = state.fault
            && at == call
        {
            state.fault = None;
            Err(match fault {
                Fault::Full => io::ErrorKind::StorageFull.into(),
                Fault::Broken => io::Error::other("simulated EIO"),
                Fault::PowerCut => {
                    state.dead = true;
                    io::Error::other("the power is cut")
                }
            })
        } else {
            Ok(())
        };
        (state, result)
    }

    fn file(&self, inode: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), inode })
    }
}

impl State {
    fn dir(&mut self, path: &Path) -> io::Result<(&mut Dir, String)> {
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.dirs.get_mut(parent).ok_or(io::ErrorKind::NotFound)?;
        Ok((dir, name.to_owned()))
    }

    fn find(&mut self, path: &Path) -> io::Result<u64> {
        let (dir, name) = self.dir(path)?;
        dir.names.get(&name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.files.get_mut(&inode).ok_or_else(|| io::Error::other("the file was open when the power was cut"))
    }
}

impl Dir {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.unsynced.push(change);
    }

    fn crash(&mut self, random: &mut Random) {
        let journaled = random.below(2) == 0;
        let front = random.below(self.unsynced.len() + 1);
        let mut lost: Vec<String> = Vec::new();
        for (number, change) in self.unsynced.drain(..).enumerate() {
            let survives = if journaled { number < front } else { random.below(2) == 0 };
            // What comes after a change of the same name came of that.
            if survives && !change.names().any(|name| lost.contains(name)) {
                change.apply(&mut self.synced);
            } else {
                lost.extend(change.names().cloned());
            }
        }
        self.names.clone_from(&self.synced);
    }
}

impl Change {
    /// The names that it is about.
    fn names(&self) -> impl Iterator<Item = &String> {
        let (name, other) = match self {
            Self::Set(name, _) | Self::Remove(name) => (name, None),
            Self::Rename(from, to) => (from, Some(to)),
        };
        [Some(name), other].into_iter().flatten()
    }

    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Set(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Inode {
    fn crash(&mut self, random: &mut Random) {
        let (low, high) = (self.bytes.len().min(self.synced.len()), self.bytes.len().max(self.synced.len()));
        let len = low + random.below(high - low + 1);
        let mut left = Vec::with_capacity(len);
        for at in (0..len).step_by(SECTOR_BYTES) {
            let sector = at..len.min(at + SECTOR_BYTES);
            let pick = |bytes: &[u8]| {
                let mut part = bytes.get(at..bytes.len().min(sector.end)).unwrap_or_default().to_vec();
                part.resize(sector.len(), 0);
                part
            };
            let (written, synced) = (pick(&self.bytes), pick(&self.synced));
            // What both agree on was not being written when the power went.
            left.extend(match random.below(8) {
                _ if written == synced && sector.end <= low => synced,
                0..=3 => written,
                4..=6 => synced,
                _ => sector
                    .map(|at| {
                        let same = at < low && self.bytes.get(at) == self.synced.get(at);
                        let noise = random.next_u64().to_le_bytes()[0];
                        if same { self.synced.get(at).copied().unwrap_or(noise) } else { noise }
                    })
                    .collect(),
            });
        }
        self.bytes.clone_from(&left);
        self.synced = left;
        self.lost = false;
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let (mut state, result) = self.call();
        result?;
        Ok(self.file(state.find(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let (mut state, result) = self.call();
        result?;
        let inode = state.next_inode;
        let (dir, name) = state.dir(path)?;
        if dir.names.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        dir.change(Change::Set(name, inode));
        state.files.insert(inode, Inode::default());
        state.next_inode += 1;
        Ok(self.file(inode))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, result) = self.call();
        result?;
        state.dirs.entry(path.to_owned()).or_default();
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<FileEntry>> {
        let (mut guard, result) = self.call();
        result?;
        let state = &mut *guard;
        let names = &state.dirs.get(dir).ok_or(io::ErrorKind::NotFound)?.names;
        let size = |inode| state.files.get(inode).map_or(0, |file| file.bytes.len() as u64);
        Ok(names.iter().map(|(name, inode)| FileEntry { name: name.clone(), size: size(inode) }).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, result) = self.call();
        result?;
        state.find(from)?;
        let (_, new) = state.dir(to)?;
        let (dir, old) = state.dir(from)?;
        dir.change(Change::Rename(old, new));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut state, result) = self.call();
        result?;
        state.find(path)?;
        let (dir, name) = state.dir(path)?;
        dir.change(Change::Remove(name));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, result) = self.call();
        result?;
        let dir = state.dirs.get_mut(dir).ok_or(io::ErrorKind::NotFound)?;
        dir.synced.clone_from(&dir.names);
        dir.unsynced.clear();
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        let (mut state, result) = self.disk.call();
        result?;
        Ok(state.inode(self.inode)?.bytes.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let (mut state, result) = self.disk.call();
        result?;
        let bytes = &state.inode(self.inode)?.bytes;
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        let part = bytes.get(from..).unwrap_or_default();
        let len = part.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), part.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }

    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let (mut state, result) = self.disk.call();
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        if result.is_err() {
            // A front of the bytes gets through; how much depends on the call alone.
            let mut random = Random::new(state.calls);
            bytes.truncate(random.below(bytes.len() + 1));
        }
        if let Ok(inode) = state.inode(self.inode) {
            inode.bytes.extend_from_slice(&bytes);
        }
        result?;
        state.inode(self.inode).map(|_| ())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let (mut state, result) = self.disk.call();
        result?;
        let size = usize::try_from(size).map_err(io::Error::other)?;
        state.inode(self.inode)?.bytes.resize(size, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, result) = self.disk.call();
        let inode = state.inode(self.inode)?;
        inode.lost |= result.is_err();
        result?;
        if !inode.lost {
            inode.synced.clone_from(&inode.bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(file: &dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
        file.append(&mut [IoSlice::new(bytes)])
    }

    #[test]
    fn only_what_was_synced_is_sure_to_survive() {
        let (mut lost_name, mut lost_bytes, mut kept_bytes) = (false, false, false);
        for seed in 0..200 {
            let disk = SimDisk::new();
            disk.create_dir(Path::new("d")).unwrap();
            let file = disk.create(Path::new("d/a")).unwrap();
            append(&*file, &[1; 700]).unwrap();
            file.sync().unwrap();
            disk.sync_dir(Path::new("d")).unwrap();
            append(&*file, &[2; 2_000]).unwrap();
            disk.create(Path::new("d/b")).unwrap();
            disk.reboot(seed);
            let file = disk.open(Path::new("d/a")).unwrap();
            let mut bytes = vec![0; 2_700];
            let len = file.read_at(&mut bytes, 0).unwrap();
            assert!(len >= 700 && bytes[..700] == [1; 700], "seed {seed} lost synced bytes");
            lost_name |= disk.open(Path::new("d/b")).is_err();
            lost_bytes |= bytes[700..] != [2; 2_000];
            kept_bytes |= bytes[700..].contains(&2);
        }
        assert!(lost_name && lost_bytes && kept_bytes);
    }

    #[test]
    fn a_failed_sync_is_never_made_good() {
        let disk = SimDisk::new();
        disk.create_dir(Path::new("d")).unwrap();
        let file = disk.create(Path::new("d/a")).unwrap();
        disk.sync_dir(Path::new("d")).unwrap();
        append(&*file, &[1; 512]).unwrap();
        disk.fail_after(0, Fault::Broken);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        let lost = (0..50).any(|seed| {
            disk.reboot(seed);
            disk.open(Path::new("d/a")).unwrap().size().unwrap() < 512
        });
        assert!(lost);
    }
}
