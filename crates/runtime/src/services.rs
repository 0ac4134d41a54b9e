//! Reading `services.json` from disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use common::config::{ClusterConfig, ConfigErrors};
use thiserror::Error;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error("{path} is wrong:\n{errors}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, one per line.
        errors: ConfigErrors,
    },
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// [`LoadError`]: a reason to exit with code 2.
pub fn load(path: &Path) -> Result<ClusterConfig, LoadError> {
    let text = fs::read_to_string(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    ClusterConfig::parse(&text).map_err(|errors| LoadError::Invalid { path: path.to_owned(), errors })
}
