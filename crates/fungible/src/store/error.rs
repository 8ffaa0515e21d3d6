//! What can go wrong in the store, each as a sentence for the person who reads it, and as an HTTP answer that
//! tells a client nothing about SQL or files.

use std::path::{Path, PathBuf};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rusqlite::ErrorCode;

/// An error of the store. As a response it is a status and a sentence for the client; the details go to the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The wait for other writers (in this process or another) took longer than the limit. Nothing was done.
    #[error("the store is busy: other writers took longer than the limit; nothing was done, try again")]
    Busy,
    /// The store failed during COMMIT: whether the command was carried out is not known.
    #[error("the store failed during COMMIT, it is not known whether the command was carried out: {0}")]
    Unknown(String),
    /// The disk is full, or the store has reached its size limit. Nothing was done.
    #[error("{} is full: free some disk space; nothing was done and nothing is damaged", path.display())]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a SQLite database.
    #[error("{} is not a SQLite database: name another file or move this one away", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a SQLite database, but its content is damaged.
    #[error("{} is damaged: stop all instances and restore it from a backup", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
    },
    /// The file is the database of another program.
    #[error("{} is the database of another program: name another file", path.display())]
    OtherApplication {
        /// The file.
        path: PathBuf,
    },
    /// The file has seen migrations that this program does not know.
    #[error(
        "{} is newer than this program: {component} is at version {found} and the program knows {known}; \
         run the newer program", path.display()
    )]
    NewerThanProgram {
        /// The database file.
        path: PathBuf,
        /// The component whose tables are newer.
        component: String,
        /// The version in the file.
        found: u32,
        /// The newest version that the program knows.
        known: u32,
    },
    /// A migration in the file has another name than in the program: two histories of the same component.
    #[error(
        "{}: version {version} of {component} is `{found}` in the file and `{known}` in the program: \
         a migration that was released must not change", path.display()
    )]
    OtherMigration {
        /// The database file.
        path: PathBuf,
        /// The component.
        component: String,
        /// The version that differs.
        version: u32,
        /// The name in the file.
        found: String,
        /// The name in the program.
        known: String,
    },
    /// The file or its directory cannot be opened, read or written.
    #[error("{} cannot be opened or written: {reason}; is the directory there, and may this user write in it?", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Reading or writing the file failed.
    #[error("{}: {reason}; look at the disk and the system's log", path.display())]
    Io {
        /// The database file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file system cannot hold a store that several processes share.
    #[error("{} does not support write-ahead logging (is it on a network disk?): use a local disk", path.display())]
    NoWriteAheadLog {
        /// The database file.
        path: PathBuf,
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
        matches!(self, StoreError::Busy)
    }

    /// The HTTP status for a client.
    pub fn status(&self) -> StatusCode {
        match self {
            StoreError::Busy | StoreError::Closed | StoreError::Unknown(_) => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One sentence for a client: what to do, and nothing about SQL or files.
    pub fn sentence(&self) -> &'static str {
        match self {
            StoreError::Busy | StoreError::Closed => "The service is busy and did nothing; please try again.",
            StoreError::Unknown(_) => "It is not known whether this was saved; please look, and send it again if not.",
            StoreError::Full { .. } => "The service has no space left and saved nothing; please tell its operator.",
            _ => "The service failed and saved nothing; please tell its operator.",
        }
    }

    /// Reads what SQLite says about the file at `path`.
    pub(super) fn from_sqlite(error: &rusqlite::Error, path: &Path) -> StoreError {
        let path = path.to_path_buf();
        let Some(code) = error.sqlite_error_code() else {
            return StoreError::Sql(error.to_string());
        };
        let reason = error.to_string();
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                StoreError::Busy
            }
            ErrorCode::DiskFull => StoreError::Full { path },
            // There is no room to make the file larger that the processes share their view of the log through.
            ErrorCode::SystemIoFailure if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
                StoreError::Full { path }
            }
            ErrorCode::NotADatabase => StoreError::NotADatabase { path },
            ErrorCode::DatabaseCorrupt => StoreError::Damaged { path },
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
                StoreError::Unwritable { path, reason }
            }
            ErrorCode::SystemIoFailure => StoreError::Io { path, reason },
            ErrorCode::ConstraintViolation => StoreError::Constraint(reason),
            _ => StoreError::Sql(reason),
        }
    }

    /// Reads what the system says about the file at `path`.
    pub(super) fn from_io(error: &std::io::Error, path: &Path) -> StoreError {
        StoreError::Unwritable { path: path.to_path_buf(), reason: error.to_string() }
    }
}

impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        if self.is_retryable() {
            tracing::warn!(error = %self, "store");
        } else {
            tracing::error!(error = %self, "store");
        }
        let mut response = (self.status(), format!("{}\n", self.sentence())).into_response();
        if self.is_retryable() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
