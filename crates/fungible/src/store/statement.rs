//! What a statement of a caller must not do, whichever engine runs it. Runs nothing.

use super::error::{Result, StoreError};
use super::value::{Params, Value};

/// The most values of one statement.
pub(super) const MOST_VALUES: usize = 24;

/// Words that begin statements which would end or change a transaction, or the connection, that the store manages.
const FORBIDDEN: &[&str] = &[
    "ABORT",
    "ATTACH",
    "BEGIN",
    "COMMIT",
    "DETACH",
    "DISCARD",
    "END",
    "PRAGMA",
    "PREPARE",
    "RELEASE",
    "RESET",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "START",
    "VACUUM",
];

/// Refuses a statement or values that neither engine may get.
pub(super) fn check(sql: &str, params: Params<'_>) -> Result<()> {
    if let Some(word) = forbidden(sql) {
        return Err(StoreError::Sql(format!(
            "{word} is not allowed: the store manages transactions and connections itself"
        )));
    }
    if params.len() > MOST_VALUES {
        return Err(StoreError::Sql(format!("a statement takes at most {MOST_VALUES} values")));
    }
    if params.iter().any(|value| matches!(value, Value::Text(text) if text.contains('\0'))) {
        return Err(StoreError::Nul);
    }
    Ok(())
}

/// The forbidden word that a statement begins with, if it does.
pub(super) fn forbidden(sql: &str) -> Option<&'static str> {
    let mut rest = sql.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(after) = rest.strip_prefix(';') {
            rest = after.trim_start();
        } else {
            break;
        }
    }
    let word = rest.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    FORBIDDEN.iter().find(|forbidden| forbidden.eq_ignore_ascii_case(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_steer_the_transaction_are_recognised() {
        for sql in ["COMMIT", " commit;", "-- x\n\tROLLBACK TO a", "/* x */ pragma user_version", ";attach 'a' AS b"] {
            assert!(forbidden(sql).is_some(), "{sql}");
        }
        for sql in ["SELECT 'COMMIT'", "-- COMMIT", "UPDATE begin_times SET a = 1", "", "commits"] {
            assert!(forbidden(sql).is_none(), "{sql}");
        }
    }
}
