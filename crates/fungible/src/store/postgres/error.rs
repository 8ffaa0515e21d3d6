//! Errors of the server and of the driver as errors of the store.

use deadpool_postgres::PoolError;
use deadpool_postgres::{HookError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::store::error::StoreError;

/// The error of a statement, or of an attempt to connect.
pub(super) fn from_driver(error: &Error, store: &str) -> StoreError {
    if let Some(said) = error.as_db_error() {
        return from_server(said, store);
    }
    let reason = with_sources(error);
    // Trying again does not help against a wrong certificate.
    if reason.contains("certificate") || reason.contains("server does not support TLS") {
        return StoreError::Refused { store: store.to_owned(), reason };
    }
    if std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>) || error.is_closed()
    {
        return StoreError::Unreachable { store: store.to_owned(), reason };
    }
    if reason.starts_with("error connecting") || reason.contains("timed out") || reason.contains("timeout") {
        return StoreError::Unreachable { store: store.to_owned(), reason };
    }
    StoreError::Sql(reason)
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

fn from_server(said: &DbError, store: &str) -> StoreError {
    let (store, reason) = (store.to_owned(), said.message().to_owned());
    let state = said.code();
    // <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    match (&state.code()[..2], state) {
        (_, state) if *state == SqlState::DISK_FULL => StoreError::Full { store },
        // Serialization failures and deadlocks; a lock, or a statement, that took too long; too little memory.
        ("40" | "55", _) => StoreError::Busy,
        (_, state) if *state == SqlState::QUERY_CANCELED => StoreError::Busy,
        // The cached plan is older than a migration: a new connection makes its own.
        ("0A", _) if reason.contains("cached plan") => StoreError::Busy,
        // Lost connections, too many of them, and a server that is stopping, starting, or read-only.
        ("08" | "53" | "57", _) => StoreError::Unreachable { store, reason },
        (_, state) if *state == SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::Unreachable { store, reason },
        ("28" | "3D", _) => StoreError::Refused { store, reason },
        (_, state) if *state == SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Refused { store, reason },
        ("23", _) => StoreError::Constraint(reason),
        (_, state) if *state == SqlState::DATA_CORRUPTED || *state == SqlState::INDEX_CORRUPTED => {
            StoreError::Damaged { store }
        }
        _ => StoreError::Sql(format!("{reason} ({})", state.code())),
    }
}

/// The error of a COMMIT. An error of the server itself means that the transaction was rolled back; with any other, it is
/// unknown whether it was committed.
pub(super) fn of_commit(error: &Error, store: &str) -> StoreError {
    match error.as_db_error() {
        Some(said)
            if said.parsed_severity() == Some(Severity::Error)
                && *said.code() != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN =>
        {
            from_server(said, store)
        }
        _ => StoreError::Unknown(with_sources(error)),
    }
}

/// The error of the pool when there is no connection.
pub(super) fn from_pool(error: &PoolError, store: &str) -> StoreError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy,
        PoolError::Timeout(_) => {
            StoreError::Unreachable { store: store.to_owned(), reason: "it did not answer in time".to_owned() }
        }
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => from_driver(error, store),
        PoolError::Closed => StoreError::Closed,
        other => StoreError::Unreachable { store: store.to_owned(), reason: other.to_string() },
    }
}
