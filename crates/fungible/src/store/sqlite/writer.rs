//! The one thread of this process that writes. It takes the ticket, which orders the writers of all processes, runs the
//! work that waits in one transaction, commits, and only then answers. Knows nothing of what the work does.

use std::fs::File;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::database;
use super::error::from_io;
use crate::failpoint::failpoint;
use crate::store::error::{Result, StoreError};
use crate::store::options::StoreOptions;
use crate::store::work::{Ran, Work, at_once};

type Queued = Box<dyn Work<Connection>>;

/// The limits of a batch in pieces of work and in time, so that other processes get their turn.
const BATCH_SIZE: usize = 256;
const BATCH_TIME: Duration = Duration::from_millis(5);

struct Writer {
    connection: Rc<Connection>,
    /// The side file whose lock orders the writers of all processes.
    ticket: File,
    queue: Receiver<Queued>,
}

/// Opens the database on a new thread and returns the thread's queue. The thread ends when the queue is dropped.
///
/// The thread waits for the ticket without a limit; whoever waits for the thread has one.
pub(super) fn start(path: Arc<Path>, options: StoreOptions) -> Result<SyncSender<Queued>> {
    let (sender, queue) = mpsc::sync_channel(options.queue);
    let (opened, opening) = mpsc::sync_channel(1);
    let limit = options.wait_limit;
    let here = path.clone();
    let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        match Writer::open(&path, queue, &options) {
            Ok(writer) => {
                if opened.send(Ok(())).is_ok() {
                    writer.run();
                }
            }
            // The caller may no longer wait for the error.
            Err(error) => drop(opened.send(Err(error))),
        }
    });
    thread.map_err(|error| from_io(&error, &here))?;
    match opening.recv_timeout(limit) {
        Ok(result) => result.map(|()| sender),
        Err(RecvTimeoutError::Timeout) => Err(StoreError::Busy),
        Err(RecvTimeoutError::Disconnected) => Err(StoreError::Closed),
    }
}

impl Writer {
    fn open(path: &Arc<Path>, queue: Receiver<Queued>, options: &StoreOptions) -> Result<Writer> {
        let ticket = database::open_ticket(path)?;
        let connection = Rc::new(database::open_writer(path, &ticket, options)?);
        Ok(Writer { connection, ticket, queue })
    }

    fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let answers = match database::lock(&self.ticket, &self.connection.path) {
                Ok(()) => self.turn(first),
                Err(error) => vec![(first, Err(error))],
            };
            let _ = self.ticket.unlock();
            for (work, transaction) in answers {
                work.answer(transaction);
            }
        }
    }

    /// One turn with the ticket: a batch. When a batch fails as a whole and was not committed, each piece of work is run
    /// again alone, so that only the one that caused it fails.
    fn turn(&mut self, first: Queued) -> Vec<(Queued, Result<()>)> {
        let (batch, outcome) = self.transaction(first, BATCH_SIZE);
        let again = matches!(&outcome, Err(error) if !matches!(error, StoreError::Unknown(_))) && batch.len() > 1;
        if !again {
            return batch.into_iter().map(|work| (work, outcome.clone())).collect();
        }
        let alone = batch.into_iter().flat_map(|work| {
            let (work, outcome) = self.transaction(work, 1);
            work.into_iter().map(move |work| (work, outcome.clone()))
        });
        alone.collect()
    }

    /// Runs `first` and more work, up to `most` pieces, in one transaction. Returns the pieces that were begun.
    fn transaction(&mut self, first: Queued, most: usize) -> (Vec<Queued>, Result<()>) {
        if let Err(error) = self.begin(&*first) {
            return (vec![first], Err(error));
        }
        let end = Instant::now() + BATCH_TIME;
        let mut begun = Vec::new();
        let mut next = Some(first);
        while let Some(mut work) = next {
            if work.take() {
                let step = self.step(&mut *work);
                begun.push(work);
                if let Err(error) = step {
                    self.roll_back();
                    return (begun, Err(error));
                }
            }
            let full = begun.len() >= most || Instant::now() >= end;
            next = if full { None } else { self.queue.try_recv().ok() };
        }
        let outcome = if begun.is_empty() { Ok(()) } else { self.commit() };
        self.roll_back();
        (begun, outcome)
    }

    /// Begins to write. While a program that takes no ticket holds SQLite's own lock, the caller of `first` may take it
    /// back.
    fn begin(&mut self, first: &dyn Work<Connection>) -> Result<()> {
        loop {
            match self.connection.control("BEGIN IMMEDIATE") {
                Err(StoreError::Busy) if first.is_queued() => {}
                result => return result,
            }
        }
    }

    /// Runs one piece of work in a savepoint of its own. An error means that the whole transaction is lost.
    fn step(&mut self, work: &mut dyn Work<Connection>) -> Result<()> {
        self.connection.control("SAVEPOINT command")?;
        let ran = at_once(work.run(self.connection.clone()));
        // ON CONFLICT ROLLBACK, or SQLite itself on a full disk, rolls everything back.
        if self.connection.inner.is_autocommit() {
            return Err(StoreError::Sql("a statement rolled the whole transaction back".to_owned()));
        }
        if !matches!(ran, Ran::Keep) {
            self.connection.control("ROLLBACK TO command")?;
        }
        self.connection.control("RELEASE command")
    }

    fn commit(&mut self) -> Result<()> {
        failpoint("store.before-commit");
        self.connection.control("COMMIT").map_err(|error| match error {
            // These are reported before the commit is in the log.
            StoreError::Full { .. } | StoreError::Constraint(_) | StoreError::Busy => error,
            error => StoreError::Unknown(error.to_string()),
        })?;
        failpoint("store.after-commit");
        Ok(())
    }

    /// Rolls back the transaction if one is still open.
    fn roll_back(&mut self) {
        if !self.connection.inner.is_autocommit()
            && let Err(error) = self.connection.control("ROLLBACK")
        {
            tracing::error!(%error, "rolling back");
        }
    }
}
