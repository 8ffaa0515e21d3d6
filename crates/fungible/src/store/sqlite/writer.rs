//! The one thread of this process that writes. It takes the ticket, which orders the writers of all processes, puts
//! the commands that wait into one transaction, commits, and only then answers. Knows nothing of what they do.

use std::fs::File;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::error::from_io;
use super::{Connection, database, now};
use crate::failpoint::failpoint;
use crate::store::command::Command;
use crate::store::{Result, StoreError, StoreOptions, Tx, tx};

/// A batch ends after this many commands or this long, so that other processes get their turn.
const BATCH_COMMANDS: usize = 256;
const BATCH_TIME: Duration = Duration::from_millis(5);

struct Writer {
    connection: Rc<Connection>,
    tx: Tx,
    ticket: File,
    queue: Receiver<Box<dyn Command>>,
}

/// Opens the database on a new thread, which lives until the queue that comes back is dropped.
///
/// The thread may wait for the ticket without limit, as the one who waits for the thread does not.
pub(super) fn start(path: Arc<Path>, options: StoreOptions) -> Result<SyncSender<Box<dyn Command>>> {
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
            // When nobody listens any more, nobody misses the error.
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
    fn open(path: &Arc<Path>, queue: Receiver<Box<dyn Command>>, options: &StoreOptions) -> Result<Writer> {
        let ticket = database::open_ticket(path)?;
        let connection = Rc::new(database::open_writer(path, &ticket, options)?);
        let tx = Tx::new(tx::Connection::Sqlite(connection.clone()));
        Ok(Writer { connection, tx, ticket, queue })
    }

    fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let answers = match database::lock(&self.ticket, &self.connection.path) {
                Ok(()) => self.turn(first),
                Err(error) => vec![(first, Err(error))],
            };
            let _ = self.ticket.unlock();
            for (command, transaction) in answers {
                command.answer(transaction);
            }
        }
    }

    /// One turn with the ticket: a batch; and when a batch fails as a whole without having been carried out, each of
    /// its commands alone, so that only the culprit is hit.
    fn turn(&mut self, first: Box<dyn Command>) -> Vec<(Box<dyn Command>, Result<()>)> {
        let (commands, outcome) = self.transaction(first, BATCH_COMMANDS);
        let again = matches!(&outcome, Err(error) if !matches!(error, StoreError::Unknown(_))) && commands.len() > 1;
        if !again {
            return commands.into_iter().map(|command| (command, outcome.clone())).collect();
        }
        let alone = commands.into_iter().flat_map(|command| {
            let (command, outcome) = self.transaction(command, 1);
            command.into_iter().map(move |command| (command, outcome.clone()))
        });
        alone.collect()
    }

    /// Runs `first` and up to `most` commands in one transaction. Gives back those that were begun.
    fn transaction(&mut self, first: Box<dyn Command>, most: usize) -> (Vec<Box<dyn Command>>, Result<()>) {
        if let Err(error) = self.begin(&*first) {
            return (vec![first], Err(error));
        }
        let end = Instant::now() + BATCH_TIME;
        let mut begun = Vec::new();
        let mut next = Some(first);
        while let Some(mut command) = next {
            if command.take() {
                let step = self.step(&mut *command);
                begun.push(command);
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

    /// Begins to write. As long as a program without a ticket holds SQLite's own lock, `first` can be taken back.
    fn begin(&mut self, first: &dyn Command) -> Result<()> {
        loop {
            match self.connection.control("BEGIN IMMEDIATE") {
                Err(StoreError::Busy) if first.is_queued() => {}
                result => return result,
            }
        }
    }

    /// Runs one command in a savepoint of its own. An error means that the transaction is lost.
    fn step(&mut self, command: &mut dyn Command) -> Result<()> {
        self.connection.control("SAVEPOINT command")?;
        let keep = now(command.run(&mut self.tx));
        // ON CONFLICT ROLLBACK, or SQLite itself on a full disk, takes everything back.
        if self.connection.inner.is_autocommit() {
            return Err(StoreError::Sql("a statement rolled the whole transaction back".to_owned()));
        }
        if !keep {
            self.connection.control("ROLLBACK TO command")?;
        }
        self.connection.control("RELEASE command")
    }

    fn commit(&mut self) -> Result<()> {
        failpoint("store.before-commit");
        self.connection.control("COMMIT").map_err(|error| match error {
            // These come before the commit is in the log.
            StoreError::Full { .. } | StoreError::Constraint(_) | StoreError::Busy => error,
            error => StoreError::Unknown(error.to_string()),
        })?;
        failpoint("store.after-commit");
        Ok(())
    }

    /// Ends a transaction that is still open, if there is one.
    fn roll_back(&mut self) {
        if !self.connection.inner.is_autocommit()
            && let Err(error) = self.connection.control("ROLLBACK")
        {
            tracing::error!(%error, "rolling back");
        }
    }
}
