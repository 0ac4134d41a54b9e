//! Which directories hold logs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{exit::Failure, output::say};

/// Name of the file that a broker puts into the directory of each partition.
const PARTITION_METADATA: &str = "partition.metadata";

/// The file that a running broker holds locked, in its data directory.
const LOCK_FILE: &str = ".lock";

/// Directories that hold logs.
#[derive(Debug)]
pub(super) struct LogDirs {
    /// In order of their names.
    pub(super) dirs: Vec<PathBuf>,
    /// Whether a data directory was named, not a partition's.
    pub(super) many: bool,
}

impl LogDirs {
    /// `dir` itself, or those in it.
    ///
    /// # Errors
    /// If it cannot be read, or holds no log.
    pub(super) fn find(dir: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::failed(format!("{}: {error}", dir.display()));
        warn_if_in_use(dir);
        if holds_log(dir).map_err(failed)? {
            return Ok(Self { dirs: vec![dir.to_owned()], many: false });
        }
        let mut dirs = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() && holds_log(&path).map_err(failed)? {
                dirs.push(path);
            }
        }
        if dirs.is_empty() {
            return Err(Failure::usage(format!(
                "{}: neither a partition's directory nor a data directory that holds any",
                dir.display()
            )));
        }
        dirs.sort();
        Ok(Self { dirs, many: true })
    }
}

/// The directory's own name: `orders-0`.
pub(super) fn name(dir: &Path) -> String {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    full.file_name().map_or_else(|| full.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn holds_log(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let is_segment = name.len() == 24 && name.ends_with(".log");
        if is_segment || name == PARTITION_METADATA || name == "checkpoint" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a running broker is just writing looks like what a crash leaves.
fn warn_if_in_use(dir: &Path) {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let in_use = full.ancestors().take(2).any(|dir| {
        fs::File::open(dir.join(LOCK_FILE))
            .is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)))
    });
    if in_use {
        say!("a broker is running here: what it is just writing looks like the torn end of a crash");
    }
}
