//! A database for each metadata node on one Postgres server, for `dmq up --postgres`.

use std::str::FromStr as _;

use common::{
    NodeId,
    config::{ClusterConfig, redact_url},
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use thiserror::Error;

/// Postgres' limit for names, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Why the databases are not there.
#[derive(Debug, Error)]
pub(super) enum DatabasesError {
    /// Not a Postgres URL.
    #[error("--postgres: {0}")]
    Url(String),
    /// The server cannot be used.
    #[error("cannot connect to {url}: {source}")]
    Server {
        /// Where, without secrets.
        url: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// A database cannot be made or dropped.
    #[error("database {name}: {source}")]
    Create {
        /// Which.
        name: String,
        /// What the server said.
        source: sqlx::Error,
    },
}

/// The databases of a cluster's metadata nodes.
#[derive(Debug)]
pub(super) struct Databases {
    server: PgConnectOptions,
    /// As given, for messages; without secrets.
    shown: String,
    /// Node, name of its database, URL of its database.
    databases: Vec<(NodeId, String, String)>,
}

impl Databases {
    /// Names them: `<cluster id>_metadata_<node id>`, for a throw-away cluster with something random in it.
    pub(super) fn new(url: &str, config: &ClusterConfig, ephemeral: bool) -> Result<Self, DatabasesError> {
        let shown = redact_url(url);
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(DatabasesError::Url(format!(
                "{shown:?} will not do; it must be a URL like postgres://user@host/postgres"
            )));
        }
        // The parser's own message may quote the URL.
        let server = PgConnectOptions::from_str(url)
            .map_err(|_| DatabasesError::Url(format!("{shown:?} cannot be read as a Postgres URL")))?;
        let prefix = if ephemeral {
            format!("dmq_ephemeral_{}", uuid::Uuid::new_v4().simple())
        } else {
            plain_name(&config.cluster_id.0)
        };
        let databases = config.metadata_nodes.iter().map(|node| {
            let suffix = format!("_metadata_{}", node.id);
            let prefix: String = prefix.chars().take(NAME_BYTES_MAX - suffix.len()).collect();
            let name = format!("{prefix}{suffix}");
            let url = with_database(url, &name);
            (node.id, name, url)
        });
        let databases = databases.collect();
        Ok(Self { server, shown, databases })
    }

    /// The environment variable that tells a node its URL.
    pub(super) fn variable(&self, node: NodeId) -> (String, String) {
        let url = self.databases.iter().find(|(id, ..)| *id == node).map(|(_, _, url)| url.clone());
        (format!("DMQ_DATABASE_{node}"), url.unwrap_or_default())
    }

    /// Makes those that are missing; returns their names.
    pub(super) async fn create_missing(&self) -> Result<Vec<&str>, DatabasesError> {
        let mut connection = self.connect().await?;
        let mut made = Vec::new();
        for (_, name, _) in &self.databases {
            let fail = |source| DatabasesError::Create { name: name.clone(), source };
            let exists: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
                .bind(name)
                .fetch_optional(&mut connection)
                .await
                .map_err(fail)?;
            if exists.is_none() {
                // A name cannot be a parameter; ours consist of letters, digits and `_`.
                let statement = AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
                sqlx::query(statement).execute(&mut connection).await.map_err(fail)?;
                made.push(name.as_str());
            }
        }
        Ok(made)
    }

    /// Drops them all.
    pub(super) async fn drop_all(&self) -> Result<(), DatabasesError> {
        let mut connection = self.connect().await?;
        for (_, name, _) in &self.databases {
            let statement = AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .map_err(|source| DatabasesError::Create { name: name.clone(), source })?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<PgConnection, DatabasesError> {
        let options = self.server.clone().disable_statement_logging();
        PgConnection::connect_with(&options)
            .await
            .map_err(|source| DatabasesError::Server { url: self.shown.clone(), source })
    }
}

/// A cluster id as an identifier of SQL that needs no quotes.
fn plain_name(cluster_id: &str) -> String {
    let plain: String = cluster_id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("dmq_{plain}") } else { plain }
}

/// `url` with another database.
fn with_database(url: &str, name: &str) -> String {
    let (head, query) = url.split_once('?').map_or((url, None), |(head, query)| (head, Some(query)));
    let (scheme, rest) = head.split_once("://").unwrap_or(("postgres", head));
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_a_database_of_its_own() {
        let config = ClusterConfig::local(3, 0);
        let databases =
            Databases::new("postgres://me:pw@db:5433/postgres?sslmode=disable", &config, false).unwrap();
        let (name, url) = databases.variable(NodeId(2));
        assert_eq!(name, "DMQ_DATABASE_2");
        assert_eq!(url, "postgres://me:pw@db:5433/dmq_local_metadata_2?sslmode=disable");
    }

    #[test]
    fn names_fit_into_postgres_limits_and_differ_for_throw_away_clusters() {
        let mut config = ClusterConfig::local(1, 0);
        config.cluster_id.0 = "9".repeat(64);
        let long = Databases::new("postgres://db", &config, false).unwrap();
        assert_eq!(long.databases[0].1.len(), NAME_BYTES_MAX);
        assert!(long.databases[0].1.starts_with("dmq_999") && long.databases[0].1.ends_with("_metadata_1"));
        let [one, two] = [(); 2].map(|()| Databases::new("postgres://db", &config, true).unwrap());
        assert_ne!(one.databases[0].1, two.databases[0].1);
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        let config = ClusterConfig::local(1, 0);
        let error = Databases::new("mysql://me:geheim@db/x", &config, false).unwrap_err().to_string();
        assert!(error.contains("mysql://me:***@db/x") && !error.contains("geheim"), "{error}");
    }
}
