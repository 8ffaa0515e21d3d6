//! What SQLite and the system say of a file, as errors of the store.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Reads what SQLite says about the file at `path`.
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
        // There is no room to make the file larger that the processes share their view of the log through.
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

/// Reads what the system says about the file at `path`.
pub(super) fn from_io(error: &std::io::Error, path: &Path) -> StoreError {
    StoreError::Unwritable { store: path.display().to_string(), reason: error.to_string() }
}
