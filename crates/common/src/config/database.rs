//! Database URLs: what they may look like, and that they are never printed with their secrets.

use std::fmt;

use thiserror::Error;

/// A metadata node's database: `sqlite:<path>` or `postgres://...`. It may contain a password, or `${VAR}` where
/// one is to be put in; `Debug` and `Display` show neither the password nor the parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file beside the node.
    Sqlite,
    /// A server.
    Postgres,
}

/// Why a text is no database URL. Says nothing of the text, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidDatabaseUrl {
    /// Neither of the two.
    #[error("a database must be `sqlite:<path>` or `postgres://<user>@<host>/<database>`")]
    Scheme,
    /// No file named.
    #[error("`sqlite:` must be followed by the path of a file")]
    SqlitePath,
    /// A database that would be gone with the process.
    #[error("an in-memory SQLite database forgets its votes with the process; name a file")]
    InMemory,
    /// `${` without a name or without its end.
    #[error("`${{` must be followed by the name of an environment variable (A-Z a-z 0-9 _) and `}}`")]
    Variable,
}

/// A variable that a database URL needs and the environment does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the database URL needs the environment variable {name}, which is not set")]
pub struct MissingVariable {
    /// Its name.
    pub name: String,
}

/// A piece of a URL with variables.
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl DatabaseUrl {
    /// Checks the form.
    ///
    /// # Errors
    /// [`InvalidDatabaseUrl`].
    pub fn parse(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        pieces(url)?;
        // `postgres:///db?host=/run/postgresql` (a socket) has no host between the slashes.
        let known_later = url.starts_with("${");
        let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        match url.strip_prefix("sqlite:") {
            Some(path) if path.contains(":memory:") || path.contains("mode=memory") => {
                Err(InvalidDatabaseUrl::InMemory)
            }
            Some(path) if path.trim_start_matches('/').is_empty() => Err(InvalidDatabaseUrl::SqlitePath),
            Some(_) => Ok(Self(url.to_owned())),
            None if postgres || known_later => Ok(Self(url.to_owned())),
            None => Err(InvalidDatabaseUrl::Scheme),
        }
    }

    /// The URL of a SQLite file.
    pub fn sqlite(path: &str) -> Self {
        Self(format!("sqlite:{path}"))
    }

    /// Which database it is; `None` while the whole URL is still a variable.
    pub fn kind(&self) -> Option<DatabaseKind> {
        if self.0.starts_with("sqlite:") {
            Some(DatabaseKind::Sqlite)
        } else if self.0.starts_with("postgres") {
            Some(DatabaseKind::Postgres)
        } else {
            None
        }
    }

    /// Puts the values of variables in; `lookup` gives the value of an environment variable. A value is taken as
    /// it is and not expanded again.
    ///
    /// # Errors
    /// [`MissingVariable`] for the first one that is not set.
    pub fn expand(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let mut expanded = String::with_capacity(self.0.len());
        for piece in pieces(&self.0).unwrap_or_default() {
            match piece {
                Piece::Text(text) => expanded.push_str(text),
                Piece::Variable(name) => {
                    let value = lookup(name).ok_or_else(|| MissingVariable { name: name.to_owned() })?;
                    expanded.push_str(&value);
                }
            }
        }
        Ok(Self(expanded))
    }

    /// The file of a SQLite database, without parameters.
    pub fn sqlite_path(&self) -> Option<&str> {
        let path = self.0.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        path.split('?').next()
    }

    /// With a relative SQLite path put behind `base`; anything else stays as it is.
    #[must_use]
    pub fn with_sqlite_base(&self, base: &str) -> Self {
        let relative = self.0.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        match relative.filter(|path| !path.starts_with('/')) {
            Some(path) => Self(format!("sqlite:{}/{path}", base.trim_end_matches('/'))),
            None => self.clone(),
        }
    }

    /// The whole URL, secrets included: for opening the database, for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact_url(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// `url` without what could be a secret: the password and the parameters.
///
/// `postgres://dmq:geheim@db/raft?password=x` becomes `postgres://dmq:***@db/raft`.
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.split('?').next().unwrap_or_default().to_owned();
    };
    // The last `@` ends the user part: a password may contain `@`, `/` and `?`, if it was written wrongly.
    let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
    let host = host.split(['?', '#']).next().unwrap_or_default();
    match user.map(|user| user.split_once(':').map_or((user, false), |(name, _)| (name, true))) {
        Some((name, true)) => format!("{scheme}://{name}:***@{host}"),
        Some((name, false)) => format!("{scheme}://{name}@{host}"),
        None => format!("{scheme}://{host}"),
    }
}

fn pieces(url: &str) -> Result<Vec<Piece<'_>>, InvalidDatabaseUrl> {
    let mut pieces = Vec::new();
    let mut rest = url;
    while let Some((text, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or(InvalidDatabaseUrl::Variable)?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !is_name {
            return Err(InvalidDatabaseUrl::Variable);
        }
        pieces.extend([Piece::Text(text), Piece::Variable(name)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_both_databases_and_nothing_else() {
        for url in
            ["sqlite:data/raft.db", "sqlite:///var/raft.db", "postgres://a:b@h/d", "postgresql:///d", "${DB}"]
        {
            assert!(DatabaseUrl::parse(url).is_ok(), "{url}");
        }
        let wrong = [
            ("", InvalidDatabaseUrl::Scheme),
            ("mysql://x", InvalidDatabaseUrl::Scheme),
            ("sqlite:", InvalidDatabaseUrl::SqlitePath),
            ("sqlite://", InvalidDatabaseUrl::SqlitePath),
            ("sqlite::memory:", InvalidDatabaseUrl::InMemory),
            ("sqlite:x?mode=memory", InvalidDatabaseUrl::InMemory),
            ("postgres://a:${}@h/d", InvalidDatabaseUrl::Variable),
            ("postgres://a:${PASS WORD}@h/d", InvalidDatabaseUrl::Variable),
            ("postgres://a:${PASSWORD@h/d", InvalidDatabaseUrl::Variable),
        ];
        for (url, expected) in wrong {
            assert_eq!(DatabaseUrl::parse(url), Err(expected), "{url}");
        }
    }

    #[test]
    fn variables_come_from_the_environment_and_a_missing_one_is_named() {
        let url = DatabaseUrl::parse("postgres://dmq:${PW}@${HOST}/raft").unwrap();
        let lookup = |name: &str| match name {
            "PW" => Some("a${HOST}".to_owned()),
            "HOST" => Some("db".to_owned()),
            _ => None,
        };
        assert_eq!(url.expand(lookup).unwrap().expose(), "postgres://dmq:a${HOST}@db/raft");
        let missing = url.expand(|name| (name == "PW").then(String::new)).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the database URL needs the environment variable HOST, which is not set"
        );
    }

    #[test]
    fn relative_files_get_a_base_and_keep_their_parameters() {
        let based = |url: &str| DatabaseUrl::parse(url).unwrap().with_sqlite_base("/var/dmq/");
        assert_eq!(based("sqlite:data/raft.db?x=1").expose(), "sqlite:/var/dmq/data/raft.db?x=1");
        assert_eq!(based("sqlite://data/raft.db").sqlite_path(), Some("/var/dmq/data/raft.db"));
        assert_eq!(based("sqlite:///srv/raft.db").expose(), "sqlite:///srv/raft.db");
        assert_eq!(based("postgres://db/raft").expose(), "postgres://db/raft");
    }

    #[test]
    fn secrets_are_never_printed() {
        let cases = [
            ("postgres://dmq:geheim@db:5432/raft?password=x", "postgres://dmq:***@db:5432/raft"),
            ("postgres://dmq:a@b/c@db/raft", "postgres://dmq:***@db/raft"),
            ("postgres://dmq:a?b@db/raft", "postgres://dmq:***@db/raft"),
            ("postgres://dmq@db/raft", "postgres://dmq@db/raft"),
            ("postgres:///raft?host=/run&password=x", "postgres:///raft"),
            ("sqlite:data/raft.db?key=x", "sqlite:data/raft.db"),
        ];
        for (url, expected) in cases {
            let url = DatabaseUrl::parse(url).unwrap();
            assert_eq!(url.to_string(), expected);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({expected})"));
        }
    }
}
