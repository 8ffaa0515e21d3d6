//! The errors of the store: a message for the operator, and an HTTP response that tells a client nothing about SQL or
//! files.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The result of a call to the store.
pub(super) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An error of the store. As a response it is a status and a sentence for the client; the message goes to the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The wait for other writers (in this process or another) took longer than the limit. Nothing was done.
    #[error("the store is busy: other writers took longer than the limit; nothing was done, try again")]
    Busy,
    /// The server cannot be reached, or the connection was lost, as during a restart or a switch-over. Nothing was done.
    #[error("{store} cannot be reached: {reason}; is the server running, and is the address right? nothing was done")]
    Unreachable {
        /// The store.
        store: String,
        /// What the system or the server says.
        reason: String,
    },
    /// The server refused the connection: the user, password, database or certificate is wrong.
    #[error("{store} refused the connection: {reason}")]
    Refused {
        /// The store.
        store: String,
        /// What the server says.
        reason: String,
    },
    /// A text holds the character NUL, which PostgreSQL cannot store. Nothing was done.
    #[error("a text holds the character NUL, which cannot be stored")]
    Nul,
    /// The store failed during COMMIT: it is unknown whether the transaction was committed.
    #[error("the store failed during COMMIT, and it is unknown whether the transaction was committed: {0}")]
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
    /// The database belongs to another program.
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
    /// A migration in the store has another name than in the program: the two have different histories.
    #[error(
        "{store}: version {version} of {component} is `{found}` in the store and `{known}` in the program: \
         a released migration must not change"
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
    #[error("{store} cannot be opened or written: {reason}; does the directory exist, and may this user write to it?")]
    Unwritable {
        /// The store.
        store: String,
        /// What the system says.
        reason: String,
    },
    /// Reading or writing the file failed.
    #[error("{store}: {reason}; check the disk and the system's log")]
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
    /// The linked SQLite has a known bug that corrupts databases with several connections.
    #[error("SQLite {found} is linked, at least 3.51.3 is needed: older versions can corrupt a shared database")]
    OldSqlite {
        /// The version that was found.
        found: &'static str,
    },
    /// A constraint of the schema was violated (UNIQUE, NOT NULL, CHECK, FOREIGN KEY).
    #[error("a constraint was violated: {0}")]
    Constraint(String),
    /// A statement is wrong, or is not allowed here.
    #[error("SQL: {0}")]
    Sql(String),
    /// A row has no such column, or the column holds another type.
    #[error("column `{column}`: {problem}")]
    Column {
        /// The column's name.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The closure awaited something other than the store. Its transaction was rolled back.
    #[error("a closure given to the store awaited something other than the store: await it before or after")]
    Waited,
    /// The closure panicked. Its transaction was rolled back.
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

    /// The error of a statement whose number of values differs from its markers.
    pub(super) fn wrong_count(needs: usize, given: usize) -> StoreError {
        StoreError::Sql(format!("the statement needs {needs} values, {given} were given"))
    }

    /// The error of a statement that writes in a read.
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
