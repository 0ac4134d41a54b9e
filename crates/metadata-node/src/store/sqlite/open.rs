//! Opening the file: what is refused, and how a second process is kept out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::super::common_sql::Migration;
use super::super::database::open_error;
use super::super::handle::Parts;
use super::super::options::SqliteUrl;
use super::super::{OpenError, StoreOptions};
use super::{Bulk, SqliteDatabase, classify, sql};

/// The schema's history.
pub(in crate::store) const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, sql: include_str!("../../../../../migrations/sqlite/0001_raft_and_metadata.sql") },
    Migration {
        number: 2,
        sql: include_str!("../../../../../migrations/sqlite/0002_disks_and_reassignments.sql"),
    },
];

/// The first version without the WAL-reset bug (<https://sqlite.org/wal.html>), which can lose committed pages.
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);
/// Up to this size the whole file is checked at start; it is read at some hundred MB/s.
const CHECKED_BYTES_MAX: u64 = 256 << 20;

/// Opens the file for this process alone, creating it if it is not there.
pub(in crate::store) async fn open(
    options: &StoreOptions,
    url: &SqliteUrl,
) -> Result<Parts<SqliteDatabase>, OpenError> {
    let text = options.database.as_str();
    let io_error = |what: &str, error: std::io::Error| OpenError::Database {
        url: text.to_owned(),
        reason: format!("{what}: {error}"),
    };
    let path = prepare_path(&url.path).map_err(|error| io_error("its directory cannot be used", error))?;
    let lock = lock_file(&path, text, options).await?;
    let synchronous = synchronous(&url.synchronous, text)?;
    let existed = path.metadata().map_or(0, |metadata| metadata.len());
    let mut connect = connect_options(&path).synchronous(synchronous);
    if let Some(count) = url.max_page_count {
        connect = connect.pragma("max_page_count", count.to_string());
    }
    let mut connection = connect.connect().await.map_err(|error| open_error(text, classify(error)))?;
    check_settings(&mut connection, text).await?;
    if existed > 0 && existed <= CHECKED_BYTES_MAX {
        check_pages(&mut connection, text).await?;
    }
    let failed = |error: sqlx::Error| open_error(text, classify(error));
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(failed)?;
    let exists: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'raft_node'")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let owner = format!("process {}", std::process::id());
    let (node, fresh) = sql::claim(&mut connection, exists, MIGRATIONS, options, text, &owner).await?;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await.map_err(failed)?;
    if let Some(directory) = path.parent() {
        // The file's name must survive a power cut as its content does.
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| io_error("fsync", error))?;
    }
    let (mark, first_index, snapshot_id_max) = sql::load(&mut connection, text).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(3))
        .connect_lazy_with(connect_options(&path).read_only(true).create_if_missing(false));
    Ok(Parts {
        database: SqliteDatabase {
            connection,
            bulk: Bulk::default(),
            owner_epoch: node.owner_epoch,
            wal_bytes: 0,
            _lock: lock,
        },
        reader: Box::new(sql::PoolReader(readers)),
        storage_id: node.storage_id,
        fresh,
        mark,
        first_index,
        snapshot_id_max,
        server_id: None,
    })
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(false)
        // A mapped file turns a failing disk into SIGBUS.
        .pragma("mmap_size", "0")
        // The writer does it when it suits.
        .pragma("wal_autocheckpoint", "0")
        .pragma("cache_size", "-4096")
        .statement_cache_capacity(256)
        .disable_statement_logging()
}

fn synchronous(wanted: &str, url: &str) -> Result<SqliteSynchronous, OpenError> {
    match wanted.to_ascii_lowercase().as_str() {
        "full" | "2" => Ok(SqliteSynchronous::Full),
        "extra" | "3" => Ok(SqliteSynchronous::Extra),
        _ => Err(OpenError::UnsafeSetting {
            url: url.to_owned(),
            setting: "synchronous",
            found: wanted.to_owned(),
            expected: "`full` (the default) or `extra`",
        }),
    }
}

/// Creates the directories that are missing, durably, and resolves links: two names of one file must not get two locks.
fn prepare_path(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let name = path.file_name().ok_or_else(|| std::io::Error::other("the path names no file"))?;
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    let missing: Vec<&Path> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    std::fs::create_dir_all(directory)?;
    for created in missing {
        if let Some(parent) = created.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    if path.exists() { path.canonicalize() } else { Ok(directory.canonicalize()?.join(name)) }
}

/// How long a lock that is held may still be given up.
const LOCK_PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);
const LOCK_RETRY: std::time::Duration = std::time::Duration::from_millis(10);

/// Takes the lock that keeps other processes out. It goes with this process, in whatever way it ends.
async fn lock_file(path: &Path, url: &str, options: &StoreOptions) -> Result<File, OpenError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let failed = |error: std::io::Error| OpenError::Database {
        url: url.to_owned(),
        reason: format!("lock file {}: {error}", lock_path.display()),
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(failed)?;
    match take_lock(&file).await {
        Ok(()) => {
            let holder = format!("process {} (node {})\n", std::process::id(), options.node_id);
            file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
            file.write_all(holder.as_bytes()).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                holder => holder.to_owned(),
            };
            Err(OpenError::InUse { url: url.to_owned(), holder })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Waits a moment for a holder that is ending: a killed process that is not buried yet, or a child of this process
/// between fork and exec, which holds the files of its parent for that long.
async fn take_lock(file: &File) -> Result<(), TryLockError> {
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOCK_RETRY).await;
            }
            taken => return taken,
        }
    }
}

async fn check_settings(connection: &mut SqliteConnection, url: &str) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| open_error(url, classify(error));
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await.map_err(failed)?;
    check_version(&version, url)?;
    let synchronous: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.map_err(failed)?;
    let journal: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.map_err(failed)?;
    let unsafe_setting = |setting, found, expected| {
        Err(OpenError::UnsafeSetting { url: url.to_owned(), setting, found, expected })
    };
    if synchronous < 2 {
        return unsafe_setting("synchronous", synchronous.to_string(), "2 (FULL) or 3 (EXTRA)");
    }
    if journal != "wal" {
        return unsafe_setting("journal_mode", journal, "wal: its file system must support shared memory");
    }
    Ok(())
}

fn check_version(version: &str, url: &str) -> Result<(), OpenError> {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    Err(OpenError::UnsafeSetting {
        url: url.to_owned(),
        setting: "sqlite_version()",
        found: version.to_owned(),
        expected: "3.51.3 or later",
    })
}

async fn check_pages(connection: &mut SqliteConnection, url: &str) -> Result<(), OpenError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| open_error(url, classify(error)))?;
    if found == "ok" { Ok(()) } else { Err(OpenError::Damaged { url: url.to_owned(), reason: found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_the_wal_reset_bug_are_refused() {
        for version in ["3.51.3", "3.52.0", "4.0.0", "3.51.10"] {
            assert!(check_version(version, "sqlite:x").is_ok(), "{version}");
        }
        for version in ["3.51.2", "3.7.17", "2.99.99", "nonsense"] {
            let error = check_version(version, "sqlite:x").unwrap_err().to_string();
            assert!(error.contains(version) && error.contains("3.51.3 or later"), "{error}");
        }
    }
}
