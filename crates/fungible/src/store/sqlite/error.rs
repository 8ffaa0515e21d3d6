//! Errors of SQLite and of the system as errors of the store.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::error::StoreError;

/// An error of SQLite about the file at `path`.
pub(super) fn from_sqlite(error: &rusqlite::Error, path: &Path) -> StoreError {
    let store = path.display().to_string();
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::Sql(error.to_string());
    };
    let reason = error.to_string();
    let extended = error.sqlite_error().map(|error| error.extended_code);
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => StoreError::Busy,
        ErrorCode::DiskFull => StoreError::Full { store },
        // There is no space to extend the -shm file, which holds the index of the log.
        ErrorCode::SystemIoFailure if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
            StoreError::Full { store }
        }
        ErrorCode::NotADatabase => StoreError::NotADatabase { store },
        ErrorCode::DatabaseCorrupt => StoreError::Damaged { store },
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
            StoreError::Unwritable { store, reason }
        }
        ErrorCode::SystemIoFailure => StoreError::Io { store, reason },
        ErrorCode::ConstraintViolation => StoreError::Constraint(reason),
        _ => StoreError::Sql(reason),
    }
}

/// An error of the system about the file at `path`.
pub(super) fn from_io(error: &std::io::Error, path: &Path) -> StoreError {
    StoreError::Unwritable { store: path.display().to_string(), reason: error.to_string() }
}
