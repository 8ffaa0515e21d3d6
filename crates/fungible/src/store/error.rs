//! What can go wrong in the store, each as a sentence for the person who reads it, and as an HTTP answer that
//! tells a client nothing about SQL or files.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An error of the store. As a response it is a status and a sentence for the client; the details go to the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The wait for other writers (in this process or another) took longer than the limit. Nothing was done.
    #[error("the store is busy: other writers took longer than the limit; nothing was done, try again")]
    Busy,
    /// The server cannot be reached, or went away: it is restarting, say, or another one is taking over. Nothing was done.
    #[error("{store} cannot be reached: {reason}; is the server running, and is the address right? nothing was done")]
    Unreachable {
        /// The store.
        store: String,
        /// What the system or the server says.
        reason: String,
    },
    /// The server does not let us in: name, password, database or certificate is wrong.
    #[error("{store} refuses us: {reason}")]
    Refused {
        /// The store.
        store: String,
        /// What the server says.
        reason: String,
    },
    /// A text that was given holds the character NUL, which PostgreSQL cannot keep. Nothing was done.
    #[error("a text holds the character NUL, which cannot be kept")]
    Nul,
    /// The store failed during COMMIT: whether the command was carried out is not known.
    #[error("the store failed during COMMIT, it is not known whether the command was carried out: {0}")]
    Unknown(String),
    /// The disk is full, or the store has reached its size limit. Nothing was done.
    #[error("{store} is full: free some disk space; nothing was done and nothing is damaged")]
    Full {
        /// The store.
        store: String,
    },
    /// The file is not a SQLite database.
    #[error("{store} is not a SQLite database: name another file or move this one away")]
    NotADatabase {
        /// The store.
        store: String,
    },
    /// The file is a SQLite database, but its content is damaged.
    #[error("{store} is damaged: stop all instances and restore it from a backup")]
    Damaged {
        /// The store.
        store: String,
    },
    /// The database is another program's.
    #[error("{store} is the database of another program: name another one")]
    OtherApplication {
        /// The store.
        store: String,
    },
    /// The store has seen migrations that this program does not know.
    #[error(
        "{store} is newer than this program: {component} is at version {found} and the program knows {known}; \
         run the newer program"
    )]
    NewerThanProgram {
        /// The store.
        store: String,
        /// The component whose tables are newer.
        component: String,
        /// The version in the store.
        found: u32,
        /// The newest version that the program knows.
        known: u32,
    },
    /// A migration in the store has another name than in the program: two histories of the same component.
    #[error(
        "{store}: version {version} of {component} is `{found}` in the store and `{known}` in the program: \
         a migration that was released must not change"
    )]
    OtherMigration {
        /// The store.
        store: String,
        /// The component.
        component: String,
        /// The version that differs.
        version: u32,
        /// The name in the store.
        found: String,
        /// The name in the program.
        known: String,
    },
    /// The file or its directory cannot be opened, read or written.
    #[error("{store} cannot be opened or written: {reason}; is the directory there, and may this user write in it?")]
    Unwritable {
        /// The store.
        store: String,
        /// What the system says.
        reason: String,
    },
    /// Reading or writing the file failed.
    #[error("{store}: {reason}; look at the disk and the system's log")]
    Io {
        /// The store.
        store: String,
        /// What the system says.
        reason: String,
    },
    /// The file system cannot hold a store that several processes share.
    #[error("{store} does not support write-ahead logging (is it on a network disk?): use a local disk")]
    NoWriteAheadLog {
        /// The store.
        store: String,
    },
    /// The SQLite that was linked has a known bug that corrupts databases with several connections.
    #[error("SQLite {found} is linked, at least 3.51.3 is needed: older ones can damage a shared database")]
    OldSqlite {
        /// The version that was found.
        found: &'static str,
    },
    /// A constraint of the schema was violated (UNIQUE, NOT NULL, CHECK, FOREIGN KEY).
    #[error("a constraint was violated: {0}")]
    Constraint(String),
    /// A statement is wrong, or must not be used here.
    #[error("SQL: {0}")]
    Sql(String),
    /// A column is missing in a row or holds another type.
    #[error("column `{column}`: {problem}")]
    Column {
        /// The column's name.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The closure awaited something other than the store. It was rolled back.
    #[error("a closure given to the store awaited something other than the store: do that before or after")]
    Waited,
    /// The closure panicked. It was rolled back.
    #[error("a closure given to the store panicked")]
    Panicked,
    /// The store's threads have ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether nothing was done and the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, StoreError::Busy | StoreError::Unreachable { .. })
    }

    /// The HTTP status for a client.
    pub fn status(&self) -> StatusCode {
        match self {
            StoreError::Busy | StoreError::Unreachable { .. } | StoreError::Closed | StoreError::Unknown(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            StoreError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::Nul => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One sentence for a client: what to do, and nothing about SQL or files.
    pub fn sentence(&self) -> &'static str {
        match self {
            StoreError::Busy | StoreError::Unreachable { .. } | StoreError::Closed => {
                "The service is busy and did nothing; please try again."
            }
            StoreError::Unknown(_) => "It is not known whether this was saved; please look, and send it again if not.",
            StoreError::Nul => "What was sent holds the character NUL, which cannot be kept.",
            StoreError::Full { .. } => "The service has no space left and saved nothing; please tell its operator.",
            _ => "The service failed and saved nothing; please tell its operator.",
        }
    }

    /// A statement with another number of values than it has markers.
    pub(super) fn wrong_count(needs: usize, given: usize) -> StoreError {
        StoreError::Sql(format!("the statement needs {needs} values, {given} were given"))
    }

    /// A statement in a read that writes.
    pub(super) fn writes_in_a_read() -> StoreError {
        StoreError::Sql("this statement writes: use Store::write".to_owned())
    }
}

impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        if self.is_retryable() || self == StoreError::Nul {
            tracing::warn!(error = %self, "store");
        } else {
            tracing::error!(error = %self, "store");
        }
        let status = self.status();
        let mut response = (status, format!("{}\n", self.sentence())).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
