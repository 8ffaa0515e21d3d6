//! The address of a store, read from text: `sqlite:PATH` or `postgres://..`. Opens nothing.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::postgres::{self, Server};

/// The address of a store. Its `Debug` and `Display` show no password.
///
/// | text | store |
/// |---|---|
/// | `sqlite:data/store.db` | a file; its directory must exist and be on a local disk |
/// | `postgres://user:password@host:5432/database` | a PostgreSQL server; with the options of libpq that tokio-postgres knows |
/// | `postgres://user@one,two/database` | the one of the two servers that takes writes |
/// | `..?sslmode=require&sslrootcert=ca.pem` | over TLS, with a certificate that this authority has signed |
///
/// Over TLS the certificate is always verified, by the system's authorities or those in `sslrootcert`. Without
/// `sslmode`, the connection to a server on this machine is in clear text, and to any other over TLS only.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(pub(super) Place);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres(Box<Server>),
}

/// Why a text is no address of a store. The message never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// It begins neither with `sqlite:` nor with `postgres://`.
    #[error(
        "it begins with neither sqlite: nor postgres://: write sqlite:PATH or postgres://user:password@host/database"
    )]
    Scheme,
    /// `sqlite:` without a path.
    #[error("the path is missing: write sqlite:PATH, such as sqlite:data/store.db")]
    NoPath,
    /// The address of a PostgreSQL server is malformed.
    #[error("{0}: write postgres://user:password@host:port/database")]
    Postgres(String),
}

impl StoreUrl {
    /// The address of a SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> StoreUrl {
        StoreUrl(Place::Sqlite(path.into()))
    }

    /// The path, if it is a SQLite file.
    pub fn path(&self) -> Option<&std::path::Path> {
        match &self.0 {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<StoreUrl, StoreUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return if path.is_empty() { Err(StoreUrlError::NoPath) } else { Ok(StoreUrl::sqlite(path)) };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(StoreUrlError::Scheme);
        }
        postgres::parse(text).map(|server| StoreUrl(Place::Postgres(Box::new(server)))).map_err(StoreUrlError::Postgres)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Postgres(server) => f.write_str(&server.name),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse::<StoreUrl>().map(|url| url.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn both_engines_are_read_and_shown_without_secrets() {
        assert_eq!(read("sqlite:data/store.db"), Ok("sqlite:data/store.db".to_owned()));
        for text in [
            "postgres://me:hunter2@db.example:6543/shop",
            "postgresql://me:hunter2@db.example:6543/shop?sslmode=require",
        ] {
            assert_eq!(read(text), Ok("postgres://me@db.example:6543/shop".to_owned()));
        }
        let two = "postgres://me:hunter2@one,two:7000/shop?sslmode=disable&target_session_attrs=any";
        assert_eq!(read(two), Ok("postgres://me@one:5432,two:7000/shop".to_owned()));
        let socket = read("postgres:///shop?host=/run/postgresql&user=me&password=hunter2");
        assert_eq!(socket, Ok("postgres://me@/run/postgresql:5432/shop".to_owned()));
        let url: StoreUrl = "postgres://me:hunter2@localhost/shop".parse().unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_none_is_refused_in_words_without_secrets() {
        for (text, word) in [
            ("", "neither sqlite: nor postgres://"),
            ("redis://localhost", "neither sqlite: nor postgres://"),
            ("data/store.db", "neither sqlite: nor postgres://"),
            ("sqlite:", "the path is missing"),
            ("postgres://me:hunter2@localhost:port/shop", "write postgres://"),
            ("postgres://me:hunter2@localhost/shop?sslmode=sometimes", "write postgres://"),
            ("postgres://me:hunter2@localhost/shop?colour=red", "colour"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(word) && !said.contains("hunter2"), "{text}: {said}");
        }
    }
}
