//! Where the database is and who opens it.

use std::path::PathBuf;
use std::time::Duration;

use common::{ClusterId, NodeId};

use super::OpenError;

/// The kinds of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file, opened by this process alone.
    Sqlite,
    /// A Postgres server: a database, or a schema of one, for this node alone.
    Postgres,
}

impl Backend {
    /// Its name in the REST API and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What to open, for whom, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `sqlite:PATH[?synchronous=full|extra&max_page_count=N]` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE[?...]`.
    pub database: String,
    /// The cluster it must belong to.
    pub cluster_id: ClusterId,
    /// The node it must belong to.
    pub node_id: NodeId,
    /// How long an unreachable database is waited for at start.
    pub connect_timeout: Duration,
    /// How long a connection that broke is tried to be made again before the node gives up.
    pub reconnect_timeout: Duration,
    /// How long one transaction may take before its connection is taken for broken.
    pub commit_timeout: Duration,
    /// How long applied changes may wait for their rows in the projection.
    pub projection_delay: Duration,
    /// How many applied entries may wait for their rows in the projection.
    pub projection_entries: usize,
}

impl StoreOptions {
    /// With the default timings.
    pub fn new(database: impl Into<String>, cluster_id: ClusterId, node_id: NodeId) -> Self {
        Self {
            database: database.into(),
            cluster_id,
            node_id,
            connect_timeout: Duration::from_secs(10),
            reconnect_timeout: Duration::from_secs(10),
            commit_timeout: Duration::from_secs(10),
            projection_delay: Duration::from_millis(100),
            projection_entries: 1000,
        }
    }
}

/// Where a database is.
pub(super) enum DatabaseUrl {
    Sqlite(SqliteUrl),
    Postgres(Box<sqlx::postgres::PgConnectOptions>),
}

/// `sqlite:PATH[?synchronous=full|extra&max_page_count=N]`
pub(super) struct SqliteUrl {
    pub(super) path: PathBuf,
    pub(super) synchronous: String,
    /// How large the file may become, in pages of 4 KiB; as if the disk were full then.
    pub(super) max_page_count: Option<u32>,
}

impl DatabaseUrl {
    /// Reads a URL; the error's text has no password in it.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let bad = |reason: String| OpenError::BadUrl { url: without_password(url), reason };
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return SqliteUrl::parse(rest).map(Self::Sqlite).map_err(bad);
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options: sqlx::postgres::PgConnectOptions =
                url.parse().map_err(|error: sqlx::Error| bad(error.to_string()))?;
            if options.get_database().is_none_or(str::is_empty) {
                return Err(bad("it names no database".to_owned()));
            }
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(bad("it begins with neither `sqlite:` nor `postgres://`".to_owned()))
    }
}

impl SqliteUrl {
    fn parse(rest: &str) -> Result<Self, String> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.is_empty() || path == ":memory:" {
            return Err(format!(
                "`{path}` is no file: a Raft log in memory would forget what it acknowledged"
            ));
        }
        let mut synchronous = "full".to_owned();
        let mut max_page_count = None;
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            match setting.split_once('=') {
                Some(("synchronous", value)) => synchronous = value.to_owned(),
                Some(("max_page_count", value)) => {
                    let count = value.parse().map_err(|_| format!("`{setting}`: not a number of pages"))?;
                    max_page_count = Some(count);
                }
                _ => return Err(format!("`{setting}` is not known; `synchronous` and `max_page_count` are")),
            }
        }
        Ok(Self { path: PathBuf::from(path), synchronous, max_page_count })
    }
}

/// A URL as it may be shown: a password, wherever it stands, is replaced by stars.
pub(super) fn without_password(url: &str) -> String {
    let mut shown = url.to_owned();
    if let Some(start) = shown.find("://").map(|at| at + 3) {
        let end = shown.get(start..).and_then(|rest| rest.find('@')).map(|at| at + start);
        let colon = end.and_then(|end| shown.get(start..end)?.find(':').map(|at| (at + start, end)));
        if let Some((colon, end)) = colon {
            shown.replace_range(colon + 1..end, "***");
        }
    }
    if let Some(at) = shown.find("password=").map(|at| at + "password=".len()) {
        let end = shown.get(at..).and_then(|rest| rest.find('&')).map_or(shown.len(), |end| at + end);
        shown.replace_range(at..end, "***");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://u:secret@h:5/d", "postgres://u:***@h:5/d"),
            ("postgres://u@h/d?password=secret&x=y", "postgres://u@h/d?password=***&x=y"),
            ("postgres://h/d", "postgres://h/d"),
            ("sqlite:a/b.db", "sqlite:a/b.db"),
        ] {
            assert_eq!(shown, without_password(url));
        }
    }

    #[test]
    fn urls_that_cannot_be_are_refused_with_what_would_be_right() {
        for url in
            ["", "mysql://x/y", "sqlite:", "sqlite::memory:", "sqlite:x?mode=ro", "postgres://u:secret@h"]
        {
            let error = match DatabaseUrl::parse(url) {
                Ok(_) => panic!("`{url}` was taken"),
                Err(error) => error.to_string(),
            };
            assert!(error.contains("sqlite:PATH") && !error.contains("secret"), "{error}");
        }
        for url in
            ["sqlite:data/raft.db", "sqlite:///var/raft.db?synchronous=extra", "postgres://u:p@h:5432/d"]
        {
            assert!(DatabaseUrl::parse(url).is_ok(), "{url}");
        }
    }
}
