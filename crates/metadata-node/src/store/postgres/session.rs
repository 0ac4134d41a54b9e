//! Connecting: what is refused, how a second process is kept out, and how a broken connection is replaced.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::time::{Instant, sleep};

use super::super::common_sql::Migration;
use super::super::database::{DbError, open_error};
use super::super::handle::Parts;
use super::super::{OpenError, StoreOptions};
use super::{PostgresDatabase, classify, sql};

/// The schema's history.
pub(in crate::store) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        sql: include_str!("../../../../../migrations/postgres/0001_raft_and_metadata.sql"),
    },
    Migration {
        number: 2,
        sql: include_str!("../../../../../migrations/postgres/0002_disks_and_reassignments.sql"),
    },
];

/// How long a former process that was killed may take to vanish from the server before it is taken for alive.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Pause between attempts to connect, and to get the lock.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Settings with which the server may forget a commit that it reported, or tear a page, and what they must be.
const SAFE_SETTINGS: [(&str, &str, &[&str], &str); 3] = [
    ("fsync", "SHOW fsync", &["on"], "on"),
    ("full_page_writes", "SHOW full_page_writes", &["on"], "on"),
    (
        "synchronous_commit",
        "SHOW synchronous_commit",
        &["on", "local", "remote_write", "remote_apply"],
        "on (or local, remote_write, remote_apply)",
    ),
];

/// Held by a session as long as it lives: one writer per schema.
const TRY_LOCK: &str =
    "SELECT pg_try_advisory_lock(hashtextextended('distributedmq:' || current_schema(), 0))";

/// Who holds it.
const LOCK_HOLDER: &str = "
SELECT format('`%s` (backend %s, client %s, since %s)', a.application_name, a.pid,
              coalesce(host(a.client_addr), 'local'), date_trunc('second', a.backend_start))
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint
      = hashtextextended('distributedmq:' || current_schema(), 0)";

/// One session is told from another with the same process id by when it began.
const SELF: &str =
    "SELECT pid::bigint, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Ends a former session of ours that the server still takes for alive.
const TERMINATE: &str = "
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2";

/// How this process connects, and what it was when it took hold of the database.
pub(super) struct Session {
    options: PgConnectOptions,
    pub(super) owner_epoch: i64,
    /// Process id and start of the session that writes, or wrote.
    backend: (i64, String),
}

impl Session {
    /// A new connection in place of one that broke. On return the old one has ended, this one holds the lock, and nobody
    /// took hold of the database in between.
    pub(super) async fn reconnect(&mut self) -> Result<PgConnection, DbError> {
        let mut connection = self.options.clone().connect().await.map_err(classify)?;
        while !try_lock(&mut connection).await? {
            // Most likely it is our own former session, which the server has not missed yet, perhaps in the middle
            // of a commit. What that commit comes to is only known when the session has ended.
            let (pid, start) = &self.backend;
            let query = sqlx::query_scalar(TERMINATE).bind(pid).bind(start.as_str());
            let ended: i64 = query.fetch_one(&mut connection).await.map_err(classify)?;
            if ended == 0
                && let Some(holder) = lock_holder(&mut connection).await?
            {
                return Err(DbError::Fenced(holder));
            }
            sleep(RETRY_PAUSE).await;
        }
        let epoch: i64 = sqlx::query_scalar("SELECT owner_epoch FROM raft_node")
            .fetch_one(&mut connection)
            .await
            .map_err(classify)?;
        if epoch != self.owner_epoch {
            return Err(DbError::Fenced(format!(
                "owner {epoch}; this process is owner {}",
                self.owner_epoch
            )));
        }
        if let Some((setting, found, expected)) = unsafe_setting(&mut connection).await.map_err(classify)? {
            return Err(DbError::Other(format!("{setting} is `{found}` now, it must be {expected}")));
        }
        self.backend = sqlx::query_as(SELF).fetch_one(&mut connection).await.map_err(classify)?;
        Ok(connection)
    }
}

/// Connects, checks, migrates and takes hold of the database.
pub(in crate::store) async fn open(
    options: &StoreOptions,
    connect: PgConnectOptions,
    url: &str,
) -> Result<Parts<PostgresDatabase>, OpenError> {
    let name =
        |role: &str| format!("dmq metadata-node {} {role} (pid {})", options.node_id, std::process::id());
    let connect = connect
        .statement_cache_capacity(64)
        // The server notices within seconds that this host is gone, and frees the lock.
        .options([
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
        ])
        .disable_statement_logging();
    let writer = connect.clone().application_name(&name("writer"));
    let mut connection = first_connection(&writer, url, options.connect_timeout).await?;
    let failed = |error: sqlx::Error| open_error(url, classify(error));
    if let Some((setting, found, expected)) = unsafe_setting(&mut connection).await.map_err(failed)? {
        return Err(OpenError::UnsafeSetting { url: url.to_owned(), setting, found, expected });
    }
    lock(&mut connection, url).await?;

    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass(quote_ident(current_schema()) || '.raft_node') IS NOT NULL")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.map_err(failed)?;
    if exists {
        // Every transaction of a former owner has read this table: it is over before this is granted. One that begins
        // later reads the new epoch.
        let lock =
            sqlx::raw_sql("SET LOCAL lock_timeout = '5s'; LOCK TABLE raft_node IN ACCESS EXCLUSIVE MODE");
        lock.execute(&mut connection).await.map_err(failed)?;
    }
    let (node, fresh) =
        sql::claim(&mut connection, exists, MIGRATIONS, options, url, &name("writer")).await?;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await.map_err(failed)?;

    let (mark, first_index, snapshot_id_max) = sql::load(&mut connection, url).await?;
    let backend = sqlx::query_as(SELF).fetch_one(&mut connection).await.map_err(failed)?;
    // Some hosted servers do not let everybody see it.
    let server_id: Option<i64> = sqlx::query_scalar("SELECT system_identifier FROM pg_control_system()")
        .fetch_one(&mut connection)
        .await
        .ok();
    let readers = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(3))
        .idle_timeout(Duration::from_secs(60))
        .connect_lazy_with(
            connect.application_name(&name("reader")).options([("statement_timeout", "10000")]),
        );
    let session = Session { options: writer, owner_epoch: node.owner_epoch, backend };
    Ok(Parts {
        database: PostgresDatabase { session, connection: Some(connection) },
        reader: Box::new(sql::PoolReader(readers)),
        storage_id: node.storage_id,
        fresh,
        mark,
        first_index,
        snapshot_id_max,
        server_id: server_id.map(i64::cast_unsigned),
    })
}

/// Waits for a server that is not there yet, or is starting; any other answer is final.
async fn first_connection(
    options: &PgConnectOptions,
    url: &str,
    patience: Duration,
) -> Result<PgConnection, OpenError> {
    let began = Instant::now();
    let mut reason = String::from("no answer");
    while began.elapsed() < patience {
        let left = patience.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, options.clone().connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => match classify(error) {
                DbError::Lost(again) => reason = again,
                other => return Err(open_error(url, other)),
            },
            Err(_) => break,
        }
        sleep(RETRY_PAUSE).await;
    }
    Err(OpenError::Unreachable { url: url.to_owned(), waited_ms: began.elapsed().as_millis(), reason })
}

async fn lock(connection: &mut PgConnection, url: &str) -> Result<(), OpenError> {
    let failed = |error: DbError| open_error(url, error);
    let deadline = Instant::now() + LOCK_PATIENCE;
    while !try_lock(connection).await.map_err(failed)? {
        if Instant::now() > deadline {
            let holder = lock_holder(connection).await.map_err(failed)?;
            let holder = holder.unwrap_or_else(|| "another process".to_owned());
            return Err(OpenError::InUse { url: url.to_owned(), holder });
        }
        sleep(RETRY_PAUSE).await;
    }
    Ok(())
}

async fn try_lock(connection: &mut PgConnection) -> Result<bool, DbError> {
    let got: Option<bool> = sqlx::query_scalar(TRY_LOCK).fetch_one(connection).await.map_err(classify)?;
    got.ok_or_else(|| DbError::Other("the search_path names no schema that exists".to_owned()))
}

async fn lock_holder(connection: &mut PgConnection) -> Result<Option<String>, DbError> {
    sqlx::query_scalar(LOCK_HOLDER).fetch_optional(connection).await.map_err(classify)
}

type Unsafe = (&'static str, String, &'static str);

async fn unsafe_setting(connection: &mut PgConnection) -> Result<Option<Unsafe>, sqlx::Error> {
    for (setting, show, safe, expected) in SAFE_SETTINGS {
        let found: String = sqlx::query_scalar(show).fetch_one(&mut *connection).await?;
        if !safe.contains(&found.as_str()) {
            return Ok(Some((setting, found, expected)));
        }
    }
    Ok(None)
}
