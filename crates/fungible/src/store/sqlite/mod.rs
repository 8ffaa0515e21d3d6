//! The engine in a file: one SQLite database that any number of instances on one machine read and write at once.
//!
//! One thread per process writes, with many pieces of work in one durable transaction; a ticket (a lock on a side file)
//! gives each process its turn. Reads never wait for writes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::error::{Result, StoreError};
use super::options::StoreOptions;
use super::value::{Params, Row};
use super::work::Work;

mod connection;
mod database;
mod error;
mod readers;
mod writer;

pub(super) use connection::Connection;

/// The most rows that are read on the calling thread: that takes about 0.1 ms.
const SHORT_LIST: usize = 100;

#[derive(Debug)]
pub(super) struct Sqlite {
    writer: SyncSender<Box<dyn Work<Connection>>>,
    readers: SyncSender<Box<dyn Work<Connection>>>,
    look_ups: readers::LookUps,
}

impl Sqlite {
    /// Opens the file. It is created if it does not exist; its directory must exist.
    pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Sqlite> {
        let path: Arc<Path> = path.into();
        let writer = writer::start(path.clone(), options.clone())?;
        let readers = readers::start(&path, options)?;
        Ok(Sqlite { writer, readers, look_ups: readers::LookUps::new(path) })
    }

    pub(super) fn write(&self, work: Box<dyn Work<Connection>>) -> Result<()> {
        send(&self.writer, work)
    }

    pub(super) fn read(&self, work: Box<dyn Work<Connection>>) -> Result<()> {
        send(&self.readers, work)
    }

    pub(super) fn get(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.look_ups.rows(None, sql, params)?.and_then(|rows| rows.into_iter().next()))
    }

    /// The rows of a short list, read on the calling thread; `None` when the list is long.
    pub(super) fn short_list(&self, sql: &str, params: Params<'_>) -> Result<Option<Vec<Row>>> {
        self.look_ups.rows(Some(SHORT_LIST), sql, params)
    }
}

fn send(queue: &SyncSender<Box<dyn Work<Connection>>>, work: Box<dyn Work<Connection>>) -> Result<()> {
    queue.try_send(work).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    })
}
