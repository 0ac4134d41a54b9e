//! Whose data directory this is. A broker id, a cluster and a directory belong together: a broker that starts on
//! the directory of another would serve that one's records as its own.
//!
//! `meta.properties` holds the three names, as in Kafka: `cluster.id`, `node.id` and `directory.id`. The last one is
//! drawn when the directory is made, so that a wiped disk under the same broker id can be told from the former
//! one (KIP-858). `.lock` is locked for as long as the process lives; the system frees it however the process ends.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use common::{BrokerId, ClusterId, DirectoryId};
use runtime::atomic_file::{self, ReadError, WriteError};
use thiserror::Error;
use uuid::Uuid;

/// The file that says whose directory it is.
pub const META_PROPERTIES: &str = "meta.properties";
/// The file that the running process holds a lock on.
pub const LOCK_FILE: &str = ".lock";
/// The version of the format of [`META_PROPERTIES`].
const FORMAT_VERSION: u32 = 1;

/// What [`META_PROPERTIES`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The cluster that the data belongs to.
    pub cluster_id: ClusterId,
    /// The broker that the data belongs to.
    pub broker_id: BrokerId,
    /// This directory, since it was made.
    pub directory_id: DirectoryId,
}

/// Why a broker does not start on a directory.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// The system refuses.
    #[error("data directory {path}: cannot {action}: {source}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// Another process has it.
    #[error("data directory {path} is in use by another process; each broker needs a directory of its own")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to somebody else.
    #[error("data directory {path} has {name} `{found}`, but this broker has `{expected}`")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Which of the names differs: `cluster.id` or `node.id`.
        name: &'static str,
        /// What the directory says.
        found: String,
        /// What this broker is configured with.
        expected: String,
    },
    /// It holds replicas, but does not say whose.
    #[error(
        "data directory {path} holds `{entry}` but no {META_PROPERTIES}: whose data is it? Restore the file, or \
         move the data away"
    )]
    Unnamed {
        /// The directory.
        path: PathBuf,
        /// Something in it.
        entry: String,
    },
    /// [`META_PROPERTIES`] cannot be read.
    #[error("data directory: {0}")]
    Unreadable(#[from] ReadError),
    /// [`META_PROPERTIES`] lacks something.
    #[error("{path}: `{name}` is missing or is no {name}")]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Which name.
        name: &'static str,
    },
    /// [`META_PROPERTIES`] cannot be written.
    #[error("data directory: {0}")]
    Unwritable(#[from] WriteError),
}

/// A data directory that is ours alone until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: Identity,
    /// Holds the lock.
    _lock: File,
}

impl DataDir {
    /// Takes the directory at `path` for this broker; makes it if there is none.
    pub fn open(path: &Path, cluster_id: &ClusterId, broker_id: BrokerId) -> Result<Self, DataDirError> {
        fs::create_dir_all(path).map_err(|source| fail(path, "create it", source))?;
        let lock = lock(path)?;
        let file = path.join(META_PROPERTIES);
        let identity = match atomic_file::read(&file, FORMAT_VERSION)? {
            Some(text) => Identity::parse(&file, &text)?,
            None => {
                refuse_unnamed_data(path)?;
                let identity = Identity {
                    cluster_id: cluster_id.clone(),
                    broker_id,
                    directory_id: DirectoryId(Uuid::new_v4()),
                };
                atomic_file::write(&file, FORMAT_VERSION, identity.to_text().as_bytes())?;
                tracing::info!(event = "data_dir.created", path = %path.display(), directory_id = %identity.directory_id, "a new data directory");
                identity
            }
        };
        identity.must_be(path, "cluster.id", &identity.cluster_id, cluster_id)?;
        identity.must_be(path, "node.id", &identity.broker_id, &broker_id)?;
        Ok(Self { path: path.to_owned(), identity, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl Identity {
    fn to_text(&self) -> String {
        let Self { cluster_id, broker_id, directory_id } = self;
        format!("cluster.id={cluster_id}\nnode.id={broker_id}\ndirectory.id={directory_id}\n")
    }

    fn parse(file: &Path, text: &[u8]) -> Result<Self, DataDirError> {
        let text = String::from_utf8_lossy(text);
        let incomplete = |name| DataDirError::Incomplete { path: file.to_owned(), name };
        let value = |name: &'static str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| incomplete(name))
        };
        Ok(Self {
            cluster_id: ClusterId(value("cluster.id")?.to_owned()),
            broker_id: value("node.id")?.parse().map_err(|_| incomplete("node.id"))?,
            directory_id: value("directory.id")?.parse().map_err(|_| incomplete("directory.id"))?,
        })
    }

    fn must_be<T: PartialEq + std::fmt::Display>(
        &self,
        path: &Path,
        name: &'static str,
        found: &T,
        expected: &T,
    ) -> Result<(), DataDirError> {
        if found == expected {
            return Ok(());
        }
        let (found, expected) = (found.to_string(), expected.to_string());
        Err(DataDirError::Foreign { path: path.to_owned(), name, found, expected })
    }
}

/// Locks the directory against a second process.
fn lock(path: &Path) -> Result<File, DataDirError> {
    let file = path.join(LOCK_FILE);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file)
        .map_err(|source| fail(&file, "open it", source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(fail(&file, "lock it", source)),
    }
}

/// A directory with data but without a name was not made by this broker, or lost its name by accident.
fn refuse_unnamed_data(path: &Path) -> Result<(), DataDirError> {
    for entry in fs::read_dir(path).map_err(|source| fail(path, "list it", source))? {
        let entry = entry.map_err(|source| fail(path, "list it", source))?;
        if entry.path().join(crate::replicas::PARTITION_METADATA).exists() {
            let entry = entry.file_name().to_string_lossy().into_owned();
            return Err(DataDirError::Unnamed { path: path.to_owned(), entry });
        }
    }
    Ok(())
}

fn fail(path: &Path, action: &'static str, source: io::Error) -> DataDirError {
    DataDirError::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str) -> ClusterId {
        ClusterId(name.to_owned())
    }

    #[test]
    fn a_directory_keeps_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/broker-101");
        let first = DataDir::open(&path, &cluster("c"), BrokerId(101)).unwrap().identity().clone();
        let second = DataDir::open(&path, &cluster("c"), BrokerId(101)).unwrap().identity().clone();
        assert_eq!(first, second);
        let wiped = dir.path().join("other");
        let third = DataDir::open(&wiped, &cluster("c"), BrokerId(101)).unwrap().identity().clone();
        assert_ne!(first.directory_id, third.directory_id);
    }

    #[test]
    fn another_clusters_or_brokers_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path(), &cluster("c"), BrokerId(101)).unwrap());
        let error = DataDir::open(dir.path(), &cluster("d"), BrokerId(101)).unwrap_err();
        assert!(error.to_string().contains("has cluster.id `c`, but this broker has `d`"), "{error}");
        let error = DataDir::open(dir.path(), &cluster("c"), BrokerId(102)).unwrap_err();
        assert!(error.to_string().contains("has node.id `101`, but this broker has `102`"), "{error}");
    }

    #[test]
    fn a_second_process_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path(), &cluster("c"), BrokerId(101)).unwrap();
        let second = DataDir::open(dir.path(), &cluster("c"), BrokerId(101));
        assert!(matches!(second, Err(DataDirError::InUse { .. })));
        drop(first);
        DataDir::open(dir.path(), &cluster("c"), BrokerId(101)).unwrap();
    }

    #[test]
    fn a_damaged_identity_is_not_taken_for_a_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path(), &cluster("c"), BrokerId(101)).unwrap());
        let file = dir.path().join(META_PROPERTIES);
        let text = fs::read_to_string(&file).unwrap();
        for damaged in [text.replace("101", "102"), text[..text.len() - 3].to_owned(), String::new()] {
            fs::write(&file, damaged).unwrap();
            let error = DataDir::open(dir.path(), &cluster("c"), BrokerId(101)).unwrap_err();
            assert!(matches!(error, DataDirError::Unreadable(_)), "{error}");
        }
    }

    #[test]
    fn data_without_a_name_is_not_adopted() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("orders-0")).unwrap();
        fs::write(dir.path().join("orders-0/partition.metadata"), "").unwrap();
        let error = DataDir::open(dir.path(), &cluster("c"), BrokerId(101)).unwrap_err();
        assert!(error.to_string().contains("holds `orders-0` but no meta.properties"), "{error}");
    }
}
