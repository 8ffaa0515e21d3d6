//! Opens the database file: checks that it is a store and has a write-ahead log, and sets each kind of connection up.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;

use super::connection::Connection;
use super::error::{from_io, from_sqlite};
use crate::clock::now_ms;
use crate::store::error::{Result, StoreError};
use crate::store::options::StoreOptions;

/// The oldest SQLite without the bug that corrupts a database when several connections reset its write-ahead log.
const OLDEST_SQLITE: i32 = 3_051_003;

/// "FNGB": marks a file as a store, so that another program's database is recognised.
const APPLICATION_ID: i64 = 0x464E_4742;

/// Prepared statements kept per connection.
const STATEMENTS: usize = 128;

/// How long the writer waits inside SQLite for a program that writes without a ticket, before it checks whether its
/// caller still waits.
const WRITER_PATIENCE: Duration = Duration::from_millis(500);

/// The side file whose lock orders the writers of all processes: the database's name with `-ticket` behind it.
pub(super) fn open_ticket(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push("-ticket");
    let name = PathBuf::from(name);
    private(&name).map_err(|error| from_io(&error, &name))
}

/// Opens a file, or creates one that only its owner may read: password hashes will be in it. SQLite gives the files
/// beside a database the database's own mode.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Waits for the ticket without a limit.
pub(super) fn lock(ticket: &File, path: &Path) -> Result<()> {
    loop {
        match ticket.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(|error| from_io(&error, path)),
        }
    }
}

/// The connection of the writer thread. Sets the file up when it is new; that happens under the ticket, so that any
/// number of processes may open an empty file at once.
pub(super) fn open_writer(path: &Arc<Path>, ticket: &File, options: &StoreOptions) -> Result<Connection> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::OldSqlite { found: rusqlite::version() });
    }
    let connection = open(path, true, WRITER_PATIENCE)?;
    let on_path = |error| connection.error(error);
    if connection.inner.is_readonly("main").map_err(on_path)? {
        let reason = "it is read-only".to_owned();
        return Err(StoreError::Unwritable { store: path.display().to_string(), reason });
    }
    match is_set_up(&connection) {
        Ok(true) => {}
        // Busy: another process is setting it up.
        Ok(false) | Err(StoreError::Busy) => {
            lock(ticket, path)?;
            let result = set_up(&connection);
            let _ = ticket.unlock();
            result?;
        }
        Err(error) => return Err(error),
    }
    // A commit that was answered survives a power failure.
    connection.inner.pragma_update(None, "synchronous", "FULL").map_err(on_path)?;
    if let Some(bytes) = options.max_bytes {
        let page: i64 = connection.inner.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(on_path)?;
        let pages = (i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1)).max(1);
        connection.inner.pragma_update(None, "max_page_count", pages).map_err(on_path)?;
    }
    Ok(connection)
}

/// A connection that can only read. `patience` is how long it waits inside SQLite for another process that repairs
/// the write-ahead log after a crash; nothing else can block a reader.
pub(super) fn open_reader(path: &Arc<Path>, patience: Duration) -> Result<Connection> {
    let connection = open(path, false, patience)?;
    let on_path = |error| connection.error(error);
    connection.inner.pragma_update(None, "query_only", true).map_err(on_path)?;
    // Its mmap_size stays 0: SQLite maps the file anew after each write of any process, which costs more than it saves.
    Ok(connection)
}

fn open(path: &Arc<Path>, writes: bool, patience: Duration) -> Result<Connection> {
    // Without SQLITE_OPEN_URI: a path is a path, also when it begins with `file:`.
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, writes);
    if writes {
        // If the path is wrong, SQLite reports it below.
        let _ = private(path);
    }
    let inner = rusqlite::Connection::open_with_flags(path, flags).map_err(|error| from_sqlite(&error, path))?;
    let connection = Connection { inner, path: path.clone(), writes };
    let on_path = |error| connection.error(error);
    connection.inner.busy_timeout(patience).map_err(on_path)?;
    connection.inner.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it a statement is prepared anew whenever a value is bound that its plan might depend on, which is three
    // quarters of the cost of a look-up.
    let stable_plans = connection.inner.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    stable_plans.map_err(on_path)?;
    connection.inner.pragma_update(None, "foreign_keys", true).map_err(on_path)?;
    connection.inner.pragma_update(None, "trusted_schema", false).map_err(on_path)?;
    connection.inner.pragma_update(None, "temp_store", "MEMORY").map_err(on_path)?;
    // The store's time, in SQL. It is the machine's, as all instances are on one machine.
    let now =
        connection.inner.create_scalar_function("fungible_now_ms", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(now_ms()));
    now.map_err(on_path)?;
    Ok(connection)
}

fn is_set_up(connection: &Connection) -> Result<bool> {
    Ok(application_id(connection)? == APPLICATION_ID && journal_mode(connection)? == "wal")
}

fn set_up(connection: &Connection) -> Result<()> {
    let run = |sql: &str| connection.inner.execute_batch(sql).map_err(|error| connection.error(error));
    if application_id(connection)? != APPLICATION_ID {
        let tables = connection.inner.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
        let tables: i64 = tables.map_err(|error| connection.error(error))?;
        if tables != 0 || application_id(connection)? != 0 {
            return Err(StoreError::OtherApplication { store: connection.path.display().to_string() });
        }
        run(&format!(
            "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; {} COMMIT",
            include_str!("../../../migrations/sqlite/store.sql")
        ))?;
    }
    run("PRAGMA journal_mode = WAL")?;
    if journal_mode(connection)? != "wal" {
        return Err(StoreError::NoWriteAheadLog { store: connection.path.display().to_string() });
    }
    Ok(())
}

fn application_id(connection: &Connection) -> Result<i64> {
    let id = connection.inner.pragma_query_value(None, "application_id", |row| row.get(0));
    id.map_err(|error| connection.error(error))
}

fn journal_mode(connection: &Connection) -> Result<String> {
    let mode = connection.inner.pragma_query_value(None, "journal_mode", |row| row.get(0));
    mode.map_err(|error| connection.error(error))
}
