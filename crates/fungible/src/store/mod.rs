//! The shared store: one SQLite file that any number of instances on one machine read and write at once.
//!
//! Writes of a process go through one thread, many in one durable transaction; a ticket (a lock on a side file)
//! gives each process its turn. Reads never wait for writes. The SQL is the portable subset (TEXT, BIGINT, BLOB,
//! times as epoch milliseconds, ids made by the program, `$1` markers, ON CONFLICT, RETURNING), so that another
//! engine fits behind the same calls. Knows nothing of users or HTTP requests.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

mod command;
mod database;
mod error;
mod migrate;
mod readers;
mod tx;
mod value;
mod writer;

use command::{Command, command};
pub use error::StoreError;
pub use migrate::Migration;
use readers::LookUps;
pub use tx::Tx;
pub use value::{FromValue, Params, Row, ToValue, Value};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The limits of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// How long a call waits for its turn before it gives up with [`StoreError::Busy`].
    pub wait_limit: Duration,
    /// Threads for [`Store::read`].
    pub reader_threads: usize,
    /// How many writes, and how many reads, may wait at the same time; those beyond are Busy at once.
    pub queue: usize,
    /// The database file grows no larger than about this many bytes; then writes give [`StoreError::Full`].
    pub max_bytes: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions { wait_limit: Duration::from_secs(5), reader_threads: 2, queue: 1024, max_bytes: None }
    }
}

/// A handle to the shared store; clones are the same store.
///
/// ```
/// use fungible::{Migration, Store, StoreError, Tx, params};
///
/// const NOTES: &[Migration] =
///     &[Migration { version: 1, name: "notes", sqlite: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT)" }];
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// # let directory = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
/// # std::fs::create_dir(&directory).unwrap();
/// # let path = directory.join("store.db");
/// let store = Store::open(path)?;
/// store.migrate("notes", NOTES).await?;
/// let text = String::from("milk");
/// let add = async move |tx: &mut Tx| {
///     tx.execute("INSERT INTO notes (id, text) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", params![7, text]).await
/// };
/// let added = store.write(add).await?;
/// let note = store.get("SELECT text FROM notes WHERE id = $1", params![7]).await?;
/// assert_eq!(note.unwrap().get::<String>("text")?, "milk");
/// # assert_eq!(added, 1);
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// Beside the database `x.db` stand `x.db-wal` and `x.db-shm`, which are part of it, and `x.db-ticket`, which is
/// empty. All must be on a local disk.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    options: StoreOptions,
    writer: SyncSender<Box<dyn Command>>,
    readers: SyncSender<Box<dyn Command>>,
    look_ups: LookUps,
}

impl Store {
    /// Opens the store in the file `path`, which is created when it does not exist; its directory must exist.
    ///
    /// # Errors
    /// When the file cannot be opened or written, is no database, or is another program's.
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::open_with(path, StoreOptions::default())
    }

    /// As [`Store::open`], with limits.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(path: impl AsRef<Path>, options: StoreOptions) -> Result<Store> {
        let path: Arc<Path> = path.as_ref().into();
        let writer = writer::start(path.clone(), options.clone())?;
        let readers = readers::start(&path, &options)?;
        Ok(Store { shared: Arc::new(Shared { options, writer, readers, look_ups: LookUps::new(path) }) })
    }

    /// Runs `closure` in a transaction that may write, and answers when its work is on the disk: `Ok` is durable.
    /// When the closure returns an error, what it did is undone.
    ///
    /// The closure may be run again, so it must have no effect outside of the store. It may await the store's `Tx`
    /// only. When the future is dropped, the command is taken back if it has not begun; else it is carried out.
    ///
    /// # Errors
    /// The closure's own. [`StoreError::Busy`] when its turn did not come within the limit: nothing was done.
    /// [`StoreError::Unknown`] when it is not known whether it was carried out.
    pub async fn write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.send(&self.shared.writer, closure).await
    }

    /// Runs `closure` over one state of the store, on a thread for reading: for lists and everything longer than a
    /// look-up by key. It cannot write.
    ///
    /// # Errors
    /// The closure's own. [`StoreError::Busy`] when no thread was free within the limit.
    pub async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.send(&self.shared.readers, closure).await
    }

    /// The first row of a statement that only reads, on the calling thread: for look-ups by key, which take
    /// microseconds. Anything longer belongs into [`Store::read`], as it would hold up the other tasks of the thread.
    ///
    /// # Errors
    /// When the statement fails.
    #[expect(clippy::unused_async, reason = "waits on engines beyond SQLite")]
    pub async fn get(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        self.shared.look_ups.get(sql, params)
    }

    /// Whether the store can be read: what `/readyz` wants to know. The future does not borrow the store.
    ///
    /// # Errors
    /// When it cannot.
    pub fn health(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let store = self.clone();
        async move { store.get("SELECT 1 AS one FROM fungible_migrations LIMIT 1", &[]).await.map(drop) }
    }

    async fn send<T, E, F>(&self, queue: &SyncSender<Box<dyn Command>>, closure: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (command, waiting) = command(closure);
        match queue.try_send(command) {
            Ok(()) => waiting.within(self.shared.options.wait_limit).await,
            Err(TrySendError::Full(_)) => Err(StoreError::Busy.into()),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed.into()),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("look_ups", &self.shared.look_ups).finish_non_exhaustive()
    }
}
