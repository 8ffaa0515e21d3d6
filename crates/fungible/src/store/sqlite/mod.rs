//! The engine in a file: one SQLite database that any number of instances on one machine read and write at once.
//!
//! Writes of a process go through one thread, many in one durable transaction; a ticket (a lock on a side file)
//! gives each process its turn. Reads never wait for writes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::task::{Context, Poll, Waker};

use super::command::{Command, Run};
use super::{Params, Result, Row, StoreError, StoreOptions};

mod connection;
mod database;
mod error;
mod readers;
mod writer;

pub(super) use connection::Connection;

/// Rows that may be read on the calling thread: about a tenth of a millisecond.
const SHORT_LIST: usize = 100;

#[derive(Debug)]
pub(super) struct Sqlite {
    writer: SyncSender<Box<dyn Command>>,
    readers: SyncSender<Box<dyn Command>>,
    look_ups: readers::LookUps,
}

impl Sqlite {
    /// Opens the file, which is created when it does not exist; its directory must exist.
    pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Sqlite> {
        let path: Arc<Path> = path.into();
        let writer = writer::start(path.clone(), options.clone())?;
        let readers = readers::start(&path, options)?;
        Ok(Sqlite { writer, readers, look_ups: readers::LookUps::new(path) })
    }

    pub(super) fn write(&self, command: Box<dyn Command>) -> Result<()> {
        send(&self.writer, command)
    }

    pub(super) fn read(&self, command: Box<dyn Command>) -> Result<()> {
        send(&self.readers, command)
    }

    pub(super) fn get(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.look_ups.rows(usize::MAX, sql, params)?.and_then(|rows| rows.into_iter().next()))
    }

    /// The rows of a short list, on the calling thread; none when it is a long one.
    pub(super) fn short_list(&self, sql: &str, params: Params<'_>) -> Result<Option<Vec<Row>>> {
        self.look_ups.rows(SHORT_LIST, sql, params)
    }
}

fn send(queue: &SyncSender<Box<dyn Command>>, command: Box<dyn Command>) -> Result<()> {
    queue.try_send(command).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    })
}

/// What a command comes to at once: nothing in it has to wait for anything. False when it must be rolled back.
fn now(mut run: Run<'_>) -> bool {
    matches!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true))
}
