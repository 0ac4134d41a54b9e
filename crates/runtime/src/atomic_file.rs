//! Small files that a crash cannot tear: a broker's identity, checkpoints.
//!
//! # Format
//!
//! One header line, then the payload:
//!
//! ```text
//! dmq <format version> <payload length in bytes> <CRC-32C of the payload, 8 hex digits>\n
//! ```
//!
//! # Why a crash leaves the old file or the new one, whole
//!
//! [`write`] does, in this order: write `<name>.tmp`, fsync it, rename it over `<name>`, fsync the directory.
//!
//! | crash (process, system, power) | what [`read`] finds |
//! |---|---|
//! | before the rename is durable | the old file, untouched: nothing wrote to it. A left-over `.tmp` is overwritten by the next write |
//! | after it | the new file: its bytes were durable before the rename could be, because they were fsynced before |
//!
//! The rename is durable only once the directory is synced, so `write` returns after that, and never before.
//! Two threads must not write one file at once; each file has one owner. A failed fsync is returned, never
//! retried: the kernel may have dropped the dirty pages, and a second fsync would lie.
//!
//! What the argument does not cover, rot of the disk and writes by others, the checksum finds.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::crc32c::crc32c;

/// The largest payload: these are small files.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

const MAGIC: &str = "dmq";
const HEADER_BYTES_MAX: usize = 64;

/// Why a file was not written. The old one is still there.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The system refused.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Too much for a small file.
    #[error("{path}: {length} bytes are too many, the most is {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        length: usize,
    },
}

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error("{path}: cannot read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Its content is not what was written.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// Another version of this program wrote it.
    #[error("{path} has format version {found}; this program reads version {supported}")]
    Version {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: u32,
        /// What the caller reads.
        supported: u32,
    },
}

/// Replaces the file at `path` (or makes it), durably: when this returns, a crash cannot bring the old one back.
/// Blocks on the disk; from async code call it through `Tasks::spawn_blocking` or at start-up.
///
/// # Errors
/// [`WriteError`]; the old file is then still in place, and whole.
pub fn write(path: &Path, format_version: u32, payload: &[u8]) -> Result<(), WriteError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(WriteError::TooLarge { path: path.to_owned(), length: payload.len() });
    }
    let fail = |path: &Path, action| {
        let path = path.to_owned();
        move |source| WriteError::Io { path, action, source }
    };
    let temporary = temporary_path(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)
        .map_err(fail(&temporary, "create"))?;
    file.write_all(&encode(format_version, payload)).map_err(fail(&temporary, "write"))?;
    file.sync_all().map_err(fail(&temporary, "sync"))?;
    drop(file);
    fs::rename(&temporary, path).map_err(fail(path, "replace"))?;
    let directory = parent(path);
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(fail(directory, "sync"))
}

/// The payload of the file at `path`; `None` if there is no such file.
///
/// # Errors
/// [`ReadError`]; a damaged file is never taken for a missing one.
pub fn read(path: &Path, format_version: u32) -> Result<Option<Vec<u8>>, ReadError> {
    let bytes = match fs::metadata(path).and_then(|metadata| {
        let limit = PAYLOAD_BYTES_MAX + HEADER_BYTES_MAX;
        if usize::try_from(metadata.len()).is_ok_and(|length| length <= limit) {
            fs::read(path)
        } else {
            Err(io::Error::other(format!("it has {} bytes, the most is {limit}", metadata.len())))
        }
    }) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ReadError::Io { path: path.to_owned(), source }),
    };
    match decode(&bytes) {
        Ok((found, payload)) if found == format_version => Ok(Some(payload.to_vec())),
        Ok((found, _)) => Err(ReadError::Version { path: path.to_owned(), found, supported: format_version }),
        Err(detail) => Err(ReadError::Damaged { path: path.to_owned(), detail }),
    }
}

fn encode(format_version: u32, payload: &[u8]) -> Vec<u8> {
    let header = format!("{MAGIC} {format_version} {} {:08x}\n", payload.len(), crc32c(payload));
    let mut bytes = header.into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// The format version and the payload.
fn decode(bytes: &[u8]) -> Result<(u32, &[u8]), String> {
    let head = bytes.get(..HEADER_BYTES_MAX.min(bytes.len())).unwrap_or_default();
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        return Err(format!("no header line within the first {HEADER_BYTES_MAX} bytes"));
    };
    let (header, payload) = bytes.split_at(end);
    let payload = payload.get(1..).unwrap_or_default();
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text".to_owned())?;
    let fields: Vec<&str> = header.split(' ').collect();
    let [magic, version, length, checksum] = fields.as_slice() else {
        return Err(format!("its header {header:?} does not have 4 fields"));
    };
    if *magic != MAGIC {
        return Err(format!("it begins with {magic:?} instead of {MAGIC:?}"));
    }
    let version = version.parse().map_err(|_| format!("{version:?} is no format version"))?;
    let length: usize = length.parse().map_err(|_| format!("{length:?} is no length"))?;
    if length != payload.len() {
        return Err(format!("its header promises {length} bytes, {} are there", payload.len()));
    }
    let actual = format!("{:08x}", crc32c(payload));
    if actual != *checksum {
        return Err(format!("its checksum is {actual}, its header says {checksum:?}"));
    }
    Ok((version, payload))
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// The directory `path` is in; for a bare name the current one.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity");
        (directory, path)
    }

    #[test]
    fn reads_what_was_written_last() {
        let (_directory, path) = file();
        assert!(read(&path, 1).unwrap().is_none());
        write(&path, 1, b"first").unwrap();
        write(&path, 1, b"second, with\nlines\0").unwrap();
        assert_eq!(read(&path, 1).unwrap().unwrap(), b"second, with\nlines\0");
        write(&path, 1, b"").unwrap();
        assert_eq!(read(&path, 1).unwrap().unwrap(), b"");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        let (_directory, path) = file();
        let bytes = encode(3, b"epoch=7");
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(read(&path, 3), Err(ReadError::Damaged { .. })), "cut to {length} bytes");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                fs::write(&path, &damaged).unwrap();
                assert!(read(&path, 3).is_err(), "bit {bit} of byte {position} flipped");
            }
        }
    }

    #[test]
    fn a_torn_temporary_file_does_not_matter() {
        let (_directory, path) = file();
        write(&path, 1, b"old").unwrap();
        fs::write(temporary_path(&path), &encode(1, b"never finished")[..10]).unwrap();
        assert_eq!(read(&path, 1).unwrap().unwrap(), b"old");
        write(&path, 1, b"new").unwrap();
        assert_eq!(read(&path, 1).unwrap().unwrap(), b"new");
        assert!(!temporary_path(&path).exists());
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let (_directory, path) = file();
        write(&path, 2, b"x").unwrap();
        let error = read(&path, 1).unwrap_err().to_string();
        assert!(error.ends_with("has format version 2; this program reads version 1"), "{error}");
    }

    #[test]
    fn a_failed_write_names_the_place_and_keeps_the_old_file() {
        let (directory, path) = file();
        write(&path, 1, b"old").unwrap();
        fs::create_dir(temporary_path(&path)).unwrap();
        let error = write(&path, 1, b"new").unwrap_err().to_string();
        assert!(error.contains("identity.tmp: cannot create"), "{error}");
        assert_eq!(read(&path, 1).unwrap().unwrap(), b"old");
        let missing = directory.path().join("missing/identity");
        assert!(write(&missing, 1, b"new").unwrap_err().to_string().contains("missing/identity.tmp"));
    }
}
