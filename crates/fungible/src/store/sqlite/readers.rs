//! Reads: a few threads for long ones, and spare connections for look-ups by key on the calling thread.

use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::connection::Connection;
use super::database;
use super::error::from_io;
use crate::store::error::Result;
use crate::store::options::StoreOptions;
use crate::store::value::{Params, Row};
use crate::store::work::{Work, at_once};

/// How long a look-up may block the calling thread while another process repairs the log after a crash.
const LOOK_UP_PATIENCE: Duration = Duration::from_millis(100);

/// Starts the reader threads and returns their queue. They end when it is dropped.
pub(super) fn start(path: &Arc<Path>, options: &StoreOptions) -> Result<SyncSender<Box<dyn Work<Connection>>>> {
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

fn run(queue: &Mutex<Receiver<Box<dyn Work<Connection>>>>, connection: Connection) {
    let connection = Rc::new(connection);
    // The lock is held while waiting: one reader that waits for the queue is enough.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(mut work) = next() {
        if work.take() {
            let outcome = snapshot(&connection, &mut *work);
            work.answer(outcome);
        }
    }
}

/// Runs a piece of work over one state of the database, whatever is written meanwhile.
fn snapshot(connection: &Rc<Connection>, work: &mut dyn Work<Connection>) -> Result<()> {
    connection.control("BEGIN")?;
    // How a read ends makes no difference to its transaction.
    at_once(work.run(connection.clone()));
    connection.control("ROLLBACK")
}

/// Connections for look-ups: as many as were ever in use at once, at most one per thread.
#[derive(Debug)]
pub(super) struct LookUps {
    path: Arc<Path>,
    spare: Mutex<Vec<Connection>>,
}

impl LookUps {
    pub(super) fn new(path: Arc<Path>) -> LookUps {
        LookUps { path, spare: Mutex::default() }
    }

    /// All rows; `None` when there are more than `most`.
    pub(super) fn rows(&self, most: Option<usize>, sql: &str, params: Params<'_>) -> Result<Option<Vec<Row>>> {
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
