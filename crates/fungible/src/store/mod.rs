//! The shared store: what all instances remember together. Two engines, one set of calls: a SQLite file for any number
//! of instances on one machine, PostgreSQL beyond that.
//!
//! The SQL is the portable subset: TEXT, BIGINT, BLOB or BYTEA, times as epoch milliseconds (`fungible_now_ms()` is the
//! store's own), ids made by the program, `$1` markers, ON CONFLICT, RETURNING. Knows nothing of users or HTTP requests.

use std::sync::Arc;
use std::time::Duration;

mod command;
mod error;
mod migrate;
mod postgres;
mod sqlite;
mod tx;
mod url;
mod value;

use command::command;
pub use error::StoreError;
pub use migrate::Migration;
pub use tx::Tx;
pub use url::{StoreUrl, StoreUrlError};
pub use value::{FromValue, Params, Row, ToValue, Value};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The limits of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// How long a call waits for its turn, or for a server that has gone away to come back, before it gives up with
    /// [`StoreError::Busy`] or [`StoreError::Unreachable`].
    pub wait_limit: Duration,
    /// How many writes, and how many reads, may wait at the same time; those beyond are Busy at once.
    pub queue: usize,
    /// SQLite: threads for [`Store::read`].
    pub reader_threads: usize,
    /// SQLite: the file grows no larger than about this many bytes; then writes give [`StoreError::Full`].
    pub max_bytes: Option<u64>,
    /// PostgreSQL: how many connections one process opens at most.
    pub connections: usize,
    /// PostgreSQL: how long one statement may take. After that the server counts as gone.
    pub statement_limit: Duration,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            wait_limit: Duration::from_secs(5),
            queue: 1024,
            reader_threads: 2,
            max_bytes: None,
            connections: 8,
            statement_limit: Duration::from_secs(10),
        }
    }
}

/// A handle to the shared store; clones are the same store.
///
/// ```
/// use fungible::{Migration, Store, StoreError, StoreUrl, Tx, params};
///
/// const TABLE: &str = "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT)";
/// const NOTES: &[Migration] = &[Migration { version: 1, name: "notes", sqlite: TABLE, postgres: TABLE }];
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// # let directory = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
/// # std::fs::create_dir(&directory).unwrap();
/// # let url = StoreUrl::sqlite(directory.join("store.db"));
/// let store = Store::open(&url).await?;
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
/// A SQLite store `x.db` has `x.db-wal` and `x.db-shm` beside it, which are part of it, and `x.db-ticket`, which is
/// empty. All must be on a local disk.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// See [`Store::read_committed`].
    read_committed: bool,
}

#[derive(Debug)]
struct Shared {
    wait_limit: Duration,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Store {
    /// Opens the store at `url`. A SQLite file is created when it does not exist.
    ///
    /// # Errors
    /// When the store cannot be reached, opened or written, or is another program's.
    pub async fn open(url: &StoreUrl) -> Result<Store> {
        Store::open_with(url, StoreOptions::default()).await
    }

    /// As [`Store::open`], with limits.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(url: &StoreUrl, options: StoreOptions) -> Result<Store> {
        let engine = match &url.0 {
            url::Place::Sqlite(path) => Engine::Sqlite(sqlite::Sqlite::open(path, &options)?),
            url::Place::Postgres(server) => Engine::Postgres(postgres::Postgres::open(server, &options).await?),
        };
        Ok(Store { shared: Arc::new(Shared { wait_limit: options.wait_limit, engine }), read_committed: false })
    }

    /// The same store, whose [`Store::write`] is READ COMMITTED on PostgreSQL instead of serializable: for transactions that
    /// many make at once on the same rows, and that are right by their statements alone (conditions in UPDATE and DELETE,
    /// unique keys, [`Tx::try_lock`]). Each statement sees what is committed by then, so none has to begin again because of
    /// another. On SQLite nothing changes: its writers take turns.
    #[must_use]
    pub fn read_committed(&self) -> Store {
        Store { read_committed: true, ..self.clone() }
    }

    /// Runs `closure` in a transaction that may write, and answers when its work is durable: nothing that was answered
    /// with `Ok` is lost. Transactions are serializable, but see [`Store::read_committed`]. When the closure returns an error, what it did is undone.
    ///
    /// The closure may be run again, so it must have no effect outside of the store. It may await the store's `Tx`
    /// only. When the future is dropped, the command is taken back if it has not begun; else it is carried out.
    ///
    /// # Errors
    /// The closure's own. [`StoreError::Busy`] when its turn did not come within the limit, and
    /// [`StoreError::Unreachable`] when the server did not come back within it: nothing was done.
    /// [`StoreError::Unknown`] when it is not known whether it was carried out.
    pub async fn write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (command, waiting) = command(closure);
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => sqlite.write(command)?,
            Engine::Postgres(postgres) => {
                let kind = if self.read_committed { postgres::Kind::ReadCommitted } else { postgres::Kind::Write };
                postgres.send(kind, command)?;
            }
        }
        waiting.within(self.shared.wait_limit).await
    }

    /// Runs `closure` over one state of the store: for lists and everything longer than a look-up by key. It cannot
    /// write.
    ///
    /// # Errors
    /// The closure's own; [`StoreError::Busy`] and [`StoreError::Unreachable`] as with [`Store::write`].
    pub async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (command, waiting) = command(closure);
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => sqlite.read(command)?,
            Engine::Postgres(postgres) => postgres.send(postgres::Kind::Read, command)?,
        }
        waiting.within(self.shared.wait_limit).await
    }

    /// The first row of a statement that only reads: for look-ups by key. On SQLite it runs on the calling thread and
    /// takes microseconds; anything longer belongs into [`Store::read`], as it would hold up the other tasks of the
    /// thread.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn get(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        tx::check(sql, params)?;
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => sqlite.get(sql, params),
            Engine::Postgres(postgres) => {
                let rows = self.one(postgres, postgres::Kind::Get, sql, params).await?;
                Ok(rows.into_iter().next())
            }
        }
    }

    /// All rows of a statement that only reads and finds them by key: for lists that are short as a rule. On SQLite it
    /// runs on the calling thread; a list that turns out to be long is read anew, as [`Store::read`] does it.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn list(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        tx::check(sql, params)?;
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => {
                if let Some(rows) = sqlite.short_list(sql, params)? {
                    return Ok(rows);
                }
                let (sql, params) = (sql.to_owned(), owned(params));
                self.read(async move |tx: &mut Tx| tx.query(&sql, &params).await).await
            }
            Engine::Postgres(postgres) => self.one(postgres, postgres::Kind::Get, sql, params).await,
        }
    }

    /// One statement that may write, and its rows; `Ok` is durable. On PostgreSQL it is READ COMMITTED: many may change
    /// the same row at once and none has to begin again, but the statement sees its row as it is by then.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn statement(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        match &self.shared.engine {
            Engine::Sqlite(_) => {
                let (sql, params) = (sql.to_owned(), owned(params));
                self.write(async move |tx: &mut Tx| tx.query(&sql, &params).await).await
            }
            Engine::Postgres(postgres) => self.one(postgres, postgres::Kind::ReadCommitted, sql, params).await,
        }
    }

    /// What stands behind a SELECT of rows that are taken one by one, so that nobody waits for a row that another is just
    /// taking. SQLite's writers are alone.
    pub(crate) fn skip_locked(&self) -> &'static str {
        match &self.shared.engine {
            Engine::Sqlite(_) => "",
            Engine::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Whether the store can be read: what `/readyz` wants to know. The future does not borrow the store.
    ///
    /// # Errors
    /// When it cannot.
    pub fn health(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let store = self.clone();
        async move { store.get("SELECT 1 AS one FROM fungible_migrations LIMIT 1", &[]).await.map(drop) }
    }

    async fn one(
        &self,
        postgres: &postgres::Postgres,
        kind: postgres::Kind,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>> {
        let (sql, params) = (sql.to_owned(), owned(params));
        let (command, waiting) = command(async move |tx: &mut Tx| tx.query(&sql, &params).await);
        postgres.send(kind, command)?;
        waiting.within(self.shared.wait_limit).await
    }
}

fn owned(params: Params<'_>) -> Vec<Value<'static>> {
    params.iter().cloned().map(Value::into_owned).collect()
}
