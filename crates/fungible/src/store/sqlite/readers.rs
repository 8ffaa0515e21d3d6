//! Reading: a few threads for longer reads, and spare connections for look-ups by key on the caller's own thread.

use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::error::from_io;
use super::{Connection, database, now};
use crate::store::command::Command;
use crate::store::{Params, Result, Row, StoreOptions, Tx, tx};

/// How long a look-up may hold up the caller's thread when another process repairs the log after a crash.
const LOOK_UP_PATIENCE: Duration = Duration::from_millis(100);

/// Starts the reader threads, which live until the queue that comes back is dropped.
pub(super) fn start(path: &Arc<Path>, options: &StoreOptions) -> Result<SyncSender<Box<dyn Command>>> {
    let (sender, queue) = mpsc::sync_channel(options.queue);
    let queue = Arc::new(Mutex::new(queue));
    for number in 1..=options.reader_threads.max(1) {
        let connection = database::open_reader(path, options.wait_limit)?;
        let queue = queue.clone();
        let thread = thread::Builder::new().name(format!("store-reader-{number}"));
        let thread = thread.spawn(move || run(&queue, connection));
        thread.map_err(|error| from_io(&error, path))?;
    }
    Ok(sender)
}

fn run(queue: &Mutex<Receiver<Box<dyn Command>>>, connection: Connection) {
    let connection = Rc::new(connection);
    let mut tx = Tx::new(tx::Connection::Sqlite(connection.clone()));
    // The lock is held while waiting: the one reader that waits for the queue is as good as all of them.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(mut command) = next() {
        if command.take() {
            let outcome = snapshot(&connection, &mut tx, &mut *command);
            command.answer(outcome);
        }
    }
}

/// Runs a command over one state of the database, whatever is written meanwhile.
fn snapshot(connection: &Connection, tx: &mut Tx, command: &mut dyn Command) -> Result<()> {
    connection.control("BEGIN")?;
    now(command.run(tx));
    connection.control("ROLLBACK")
}

/// Connections for look-ups: as many as were ever needed at the same moment, which is at most one per thread.
#[derive(Debug)]
pub(super) struct LookUps {
    path: Arc<Path>,
    spare: Mutex<Vec<Connection>>,
}

impl LookUps {
    pub(super) fn new(path: Arc<Path>) -> LookUps {
        LookUps { path, spare: Mutex::default() }
    }

    /// All rows, unless there are more than `most`: then none.
    pub(super) fn rows(&self, most: usize, sql: &str, params: Params<'_>) -> Result<Option<Vec<Row>>> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match spare {
            Some(connection) => connection,
            None => database::open_reader(&self.path, LOOK_UP_PATIENCE)?,
        };
        let rows = connection.query_up_to(most, sql, params);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        rows
    }
}
