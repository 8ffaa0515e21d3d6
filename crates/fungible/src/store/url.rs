//! Where the store is, as people write it: `sqlite:PATH` or `postgres://..`. Opens and reaches nothing.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of a store. Its `Debug` and `Display` show no password.
///
/// | text | store |
/// |---|---|
/// | `sqlite:data/store.db` | a file; its directory must exist and be on a local disk |
/// | `postgres://user:password@host:5432/database` | a PostgreSQL server; all of libpq's words that tokio-postgres knows |
/// | `postgres://user@one,two/database` | whichever of the two takes writes |
/// | `..?sslmode=require&sslrootcert=ca.pem` | encrypted, and the server's certificate must be signed by this authority |
///
/// Over TLS the certificate is always verified, by the system's authorities or those in `sslrootcert`. Without
/// `sslmode` a server on this machine is spoken to in the clear, any other one over TLS only.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(pub(super) Place);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres(Box<Server>),
}

/// A PostgreSQL server.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) config: tokio_postgres::Config,
    /// A file with the certificates of the authorities to believe.
    pub(super) authorities: Option<PathBuf>,
    /// What people call it: without password and options.
    pub(super) name: String,
}

/// Why a text is no address of a store. It never repeats the text, in which a password may stand.
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
    /// PostgreSQL's part cannot be read.
    #[error("{0}: write postgres://user:password@host:port/database")]
    Postgres(String),
}

impl StoreUrl {
    /// A SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> StoreUrl {
        StoreUrl(Place::Sqlite(path.into()))
    }

    /// The file, where it is one.
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
        super::postgres::parse(text)
            .map(|server| StoreUrl(Place::Postgres(Box::new(server))))
            .map_err(StoreUrlError::Postgres)
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
