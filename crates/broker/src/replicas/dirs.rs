//! What is on disk, and the few operations on it. All of it blocks: for threads that may.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use common::{BrokerId, PartitionId, Topic, TopicId, TopicName};
use metadata_core::State;

use super::layout::{
    Aside, DirKind, PARTITION_METADATA, aside_dir_name, dir_kind, parse_partition_metadata,
    partition_metadata, replica_dir_name,
};

/// The replica directories under a data directory. The process is the only one that changes them.
#[derive(Debug)]
pub struct ReplicaDirs {
    root: PathBuf,
    /// Every replica directory with a readable topic id.
    replicas: BTreeMap<(TopicName, PartitionId), TopicId>,
    /// Names of directories that await their removal.
    deleted: BTreeSet<String>,
    /// How many directories were put aside because something else needed their name.
    strays: usize,
}

/// What came of [`ReplicaDirs::ensure`].
#[derive(Debug, Default)]
pub struct Ensured {
    /// How many directories are new.
    pub created: usize,
    /// Former topics of this name whose replicas have the places of some of its partitions.
    pub in_the_way: BTreeSet<TopicId>,
}

impl ReplicaDirs {
    /// Reads what is there.
    pub fn open(root: &Path) -> io::Result<Self> {
        let mut dirs =
            Self { root: root.to_owned(), replicas: BTreeMap::new(), deleted: BTreeSet::new(), strays: 0 };
        for entry in fs::read_dir(root).map_err(|error| name_path(error, root))? {
            let entry = entry.map_err(|error| name_path(error, root))?;
            // What is not UTF-8 is not ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !entry.file_type()?.is_dir() {
                continue;
            }
            match dir_kind(&name) {
                DirKind::Replica(topic, partition) => {
                    if let Some(topic_id) = dirs.read_topic_id(&name)? {
                        dirs.replicas.insert((topic, partition), topic_id);
                    }
                }
                DirKind::Deleted => {
                    dirs.deleted.insert(name);
                }
                DirKind::Stray => dirs.strays += 1,
                DirKind::Other => {}
            }
        }
        Ok(dirs)
    }

    /// The directory of a replica, if it is there and belongs to exactly this topic.
    pub fn path(&self, topic: &Topic, partition: PartitionId) -> Option<PathBuf> {
        let replica = (topic.topic_name.clone(), partition);
        let is_its = self.replicas.get(&replica) == Some(&topic.topic_id);
        is_its.then(|| self.root.join(replica_dir_name(&replica.0, partition)))
    }

    /// How many replicas there are on disk.
    pub fn replica_count(&self) -> usize {
        self.replicas.len()
    }

    /// How many directories were put aside for a person to judge.
    pub fn stray_count(&self) -> usize {
        self.strays
    }

    /// Directories whose topics were deleted.
    pub fn deleted(&self) -> impl Iterator<Item = &str> {
        self.deleted.iter().map(String::as_str)
    }

    /// Creates the directories of those partitions of `topic` that `broker` holds, but for places that another
    /// topic of this name has.
    pub fn ensure(&mut self, topic: &Topic, broker: BrokerId) -> io::Result<Ensured> {
        let mut ensured = Ensured::default();
        for partition in topic.partitions.iter().filter(|partition| partition.replicas.contains(&broker)) {
            let replica = (topic.topic_name.clone(), partition.id);
            match self.replicas.get(&replica) {
                Some(topic_id) if *topic_id == topic.topic_id => continue,
                Some(other) => {
                    ensured.in_the_way.insert(*other);
                    continue;
                }
                None => {}
            }
            self.create(&replica_dir_name(&replica.0, replica.1), topic.topic_id)?;
            self.replicas.insert(replica, topic.topic_id);
            ensured.created += 1;
        }
        Ok(ensured)
    }

    /// Makes durable what [`ReplicaDirs::ensure`] made, before anybody stores records in it: one call for all, as there
    /// may be thousands.
    pub fn sync(&self) -> io::Result<()> {
        let root = fs::File::open(&self.root).map_err(|error| name_path(error, &self.root))?;
        nix::unistd::syncfs(root).map_err(|error| name_path(error.into(), &self.root))
    }

    /// Takes the replicas of a topic out of service: to be removed, since its deletion was committed, or to be kept
    /// for a person to judge, since they are in the way.
    pub(super) fn retire(&mut self, topic: &TopicName, topic_id: TopicId, aside: Aside) -> io::Result<()> {
        let replicas: Vec<_> = self
            .replicas
            .range(partitions_of(topic))
            .filter(|(_, id)| **id == topic_id)
            .map(|(replica, _)| replica.clone())
            .collect();
        for replica in &replicas {
            self.rename_aside(&replica_dir_name(&replica.0, replica.1), aside)?;
            self.replicas.remove(replica);
        }
        Ok(())
    }

    /// Takes one replica out of service, since it is none any more: to be removed.
    pub(super) fn retire_one(
        &mut self,
        topic: &TopicName,
        topic_id: TopicId,
        partition: PartitionId,
    ) -> io::Result<()> {
        let replica = (topic.clone(), partition);
        if self.replicas.get(&replica) == Some(&topic_id) {
            self.rename_aside(&replica_dir_name(topic, partition), Aside::Deleted)?;
            self.replicas.remove(&replica);
        }
        Ok(())
    }

    /// Replicas on disk of which the metadata say that `broker` holds none: their topic and partition are known, and
    /// others hold it.
    pub(super) fn not_held(&self, state: &State, broker: BrokerId) -> BTreeSet<(TopicId, PartitionId)> {
        let held_by_others = |topic_id: TopicId, partition: PartitionId| {
            let topic = state.topic_by_id(topic_id)?;
            let partition = topic.partitions.get(usize::try_from(partition.0).ok()?)?;
            Some(!partition.replicas.contains(&broker))
        };
        let replicas = self.replicas.iter().map(|((_, partition), topic_id)| (*topic_id, *partition));
        replicas.filter(|(id, partition)| held_by_others(*id, *partition) == Some(true)).collect()
    }

    /// Removes a directory that [`ReplicaDirs::retire`] put aside, with all that is in it.
    pub fn remove(&mut self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(name_path(error, &path)),
            _ => {
                self.deleted.remove(name);
                Ok(())
            }
        }
    }

    /// Topics that have replicas on disk, but are not in the metadata under this id.
    pub fn unknown_topics(&self, state: &State) -> BTreeSet<(TopicName, TopicId)> {
        self.replicas
            .iter()
            .filter(|((topic, _), id)| state.topic(topic.as_str()).is_none_or(|known| known.topic_id != **id))
            .map(|((topic, _), id)| (topic.clone(), *id))
            .collect()
    }

    /// The topic id that a directory was made for. `None` if it was not made completely: then it holds nothing,
    /// and is made again when it is needed.
    fn read_topic_id(&self, name: &str) -> io::Result<Option<TopicId>> {
        let path = self.root.join(name).join(PARTITION_METADATA);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(parse_partition_metadata(&text)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                Ok(None)
            }
            Err(error) => Err(name_path(error, &path)),
        }
    }

    /// Makes a replica's directory. One that is there already was not made completely, if it holds nothing else;
    /// if it does hold something, nobody knows what, and it is put aside.
    fn create(&mut self, name: &str, topic_id: TopicId) -> io::Result<()> {
        let dir = self.root.join(name);
        match fs::create_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if holds_data(&dir)? {
                    self.rename_aside(name, Aside::Stray)?;
                    fs::create_dir(&dir).map_err(|error| name_path(error, &dir))?;
                }
            }
            Err(error) => return Err(name_path(error, &dir)),
        }
        let file = dir.join(PARTITION_METADATA);
        fs::write(&file, partition_metadata(topic_id)).map_err(|error| name_path(error, &file))
    }

    fn rename_aside(&mut self, name: &str, aside: Aside) -> io::Result<()> {
        let new_name = aside_dir_name(name, aside);
        let dir = self.root.join(name);
        match fs::rename(&dir, self.root.join(&new_name)) {
            Ok(()) => {}
            // Somebody removed it by hand: there is nothing to put aside.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(name_path(error, &dir)),
        }
        match aside {
            Aside::Deleted => {
                tracing::info!(event = "replica.retired", dir = name, now = %new_name, "deleted, or moved away");
                self.deleted.insert(new_name);
            }
            Aside::Stray => {
                tracing::warn!(event = "replica.stray", dir = name, now = %new_name, "put aside for a person to judge");
                self.strays += 1;
            }
        }
        Ok(())
    }
}

/// Every possible partition of a topic.
fn partitions_of(topic: &TopicName) -> RangeInclusive<(TopicName, PartitionId)> {
    (topic.clone(), PartitionId(i32::MIN))..=(topic.clone(), PartitionId(i32::MAX))
}

/// Whether there is anything in `dir` besides the file that says whose it is.
fn holds_data(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir).map_err(|error| name_path(error, dir))? {
        if entry?.file_name() != PARTITION_METADATA {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An error that says which path it is about.
fn name_path(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
