//! The shared store: one set of calls over two engines. Knows nothing of users or HTTP requests.
//!
//! The arrows between the files: [`Store`] sends a caller's closure, as a `command`, to an engine. The engines (`sqlite`,
//! `postgres`) run it as `work` of any kind; only the command knows that it runs over a [`Tx`].

use std::sync::Arc;
use std::time::Duration;

mod command;
mod error;
mod migrate;
mod options;
mod postgres;
mod sqlite;
mod statement;
mod tx;
mod url;
mod value;
mod work;

use command::command;
use error::Result;
pub use error::StoreError;
pub use migrate::Migration;
pub use options::StoreOptions;
use statement::check;
pub use tx::Tx;
pub use url::{StoreUrl, StoreUrlError};
pub use value::{FromValue, Params, Row, ToValue, Value};

/// A handle to the shared store: a SQLite file for any number of instances on one machine, or PostgreSQL for instances on
/// several. Clones are handles to the same store.
///
/// ```
/// use fungible::{Migration, Store, StoreError, StoreUrl, params};
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
/// let sql = "INSERT INTO notes (id, text) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
/// let added = store.write(async move |tx| tx.execute(sql, params![7, text]).await).await?;
/// let note = store.get("SELECT text FROM notes WHERE id = $1", params![7]).await?;
/// assert_eq!(note.unwrap().get::<String>("text")?, "milk");
/// # assert_eq!(added, 1);
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # SQL for both engines
///
/// The same SQL runs on both engines if it keeps to the portable subset: columns of type TEXT, BIGINT, and BLOB or BYTEA;
/// times as epoch milliseconds; ids made by the program; `$1` markers; `ON CONFLICT` and `RETURNING`. The function
/// `fungible_now_ms()` is the store's clock: use it for times that instances compare, as the clocks of machines differ.
///
/// # Files of a SQLite store
///
/// A store `x.db` has `x.db-wal` and `x.db-shm` beside it, which are part of it, and `x.db-ticket`, which is empty. All
/// must be on a local disk.
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
    /// Opens the store at `url`. A SQLite file is created if it does not exist.
    ///
    /// # Errors
    /// When the store cannot be reached, opened or written, or belongs to another program.
    pub async fn open(url: &StoreUrl) -> Result<Store> {
        Store::open_with(url, StoreOptions::default()).await
    }

    /// [`Store::open`] with other limits.
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

    /// The same store, but on PostgreSQL [`Store::write`] runs READ COMMITTED transactions instead of serializable ones: for
    /// many concurrent transactions on the same rows that are correct by their statements alone (conditions in UPDATE and
    /// DELETE, unique keys, [`Tx::try_lock`]). Each statement sees what is committed by then, so no transaction is restarted
    /// because of another. On SQLite nothing changes, as its writers take turns.
    #[must_use]
    pub fn read_committed(&self) -> Store {
        Store { read_committed: true, ..self.clone() }
    }

    /// Runs `closure` in a transaction that may write. When it returns `Ok` the transaction is committed and durable; when
    /// it returns an error, the transaction is rolled back. Transactions are serializable; see also
    /// [`Store::read_committed`].
    ///
    /// The closure may be run more than once, so it must have no effect outside the store. It may await nothing but its
    /// `Tx`. When the returned future is dropped, a closure that has not begun is not run; one that has begun is completed.
    ///
    /// # Errors
    /// The closure's own. [`StoreError::Busy`] when its turn did not come within [`StoreOptions::wait_limit`], and
    /// [`StoreError::Unreachable`] when the server did not come back within it: nothing was done.
    /// [`StoreError::Unknown`] when it is unknown whether the transaction was committed.
    pub async fn write<T, F>(&self, closure: F) -> Result<T>
    where
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.try_write(closure).await
    }

    /// As [`Store::write`], for a closure that can also refuse with an error of its own type: the transaction is rolled
    /// back, and the error returned.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn try_write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: AsyncFn(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (command, waiting) = command(closure);
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => sqlite.write(Box::new(command))?,
            Engine::Postgres(postgres) => {
                let kind = if self.read_committed { postgres::Kind::ReadCommitted } else { postgres::Kind::Write };
                postgres.send(kind, Box::new(command))?;
            }
        }
        waiting.within(self.shared.wait_limit).await
    }

    /// Runs `closure` in a transaction that only reads, and sees one state of the store: for everything longer than a
    /// look-up by key.
    ///
    /// # Errors
    /// The closure's own; [`StoreError::Busy`] and [`StoreError::Unreachable`] as with [`Store::write`].
    pub async fn read<T, F>(&self, closure: F) -> Result<T>
    where
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (command, waiting) = command(closure);
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => sqlite.read(Box::new(command))?,
            Engine::Postgres(postgres) => postgres.send(postgres::Kind::Read, Box::new(command))?,
        }
        waiting.within(self.shared.wait_limit).await
    }

    /// The first row of a statement that only reads: for look-ups by key. On SQLite it runs on the calling thread and
    /// takes microseconds; use [`Store::read`] for anything longer, which would block the other tasks of the thread.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn get(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        check(sql, params)?;
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => sqlite.get(sql, params),
            Engine::Postgres(postgres) => {
                let rows = self.one(postgres, postgres::Kind::Get, sql, params).await?;
                Ok(rows.into_iter().next())
            }
        }
    }

    /// All rows of a statement that only reads and finds them by key: for lists that are usually short. On SQLite it runs
    /// on the calling thread; a list of more than 100 rows is read again, as [`Store::read`] does it.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn list(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        check(sql, params)?;
        match &self.shared.engine {
            Engine::Sqlite(sqlite) => {
                if let Some(rows) = sqlite.short_list(sql, params)? {
                    return Ok(rows);
                }
                let (sql, params) = (sql.to_owned(), owned(params));
                self.read(async move |tx| tx.query(&sql, &params).await).await
            }
            Engine::Postgres(postgres) => self.one(postgres, postgres::Kind::Get, sql, params).await,
        }
    }

    /// Runs one statement that may write, and returns its rows; with `Ok` it is durable. On PostgreSQL it is READ
    /// COMMITTED: many may change the same row at once and none is restarted; each sees the row as committed by then.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn statement(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        match &self.shared.engine {
            Engine::Sqlite(_) => {
                let (sql, params) = (sql.to_owned(), owned(params));
                self.write(async move |tx| tx.query(&sql, &params).await).await
            }
            Engine::Postgres(postgres) => self.one(postgres, postgres::Kind::ReadCommitted, sql, params).await,
        }
    }

    /// The end of a SELECT of rows that are taken one by one, so that no transaction waits for a row that another is
    /// taking. SQLite has one writer at a time.
    pub(crate) fn skip_locked(&self) -> &'static str {
        match &self.shared.engine {
            Engine::Sqlite(_) => "",
            Engine::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Checks that the store can be read, as for `/readyz`. The future does not borrow the store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn health(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let store = self.clone();
        async move { store.get("SELECT 1 AS one FROM fungible_migrations LIMIT 1", &[]).await.map(drop) }
    }

    /// Applies the migrations that the store does not have, all or none. Any number of processes may call it at the same
    /// time. Component names that begin with `fungible` are reserved for the toolkit.
    ///
    /// # Errors
    /// [`StoreError::NewerThanProgram`] and [`StoreError::OtherMigration`] when the store has seen migrations that are not
    /// in the list; else as [`Store::write`].
    pub async fn migrate(&self, component: &'static str, migrations: &'static [Migration]) -> Result<()> {
        migrate::check_order(component, migrations)?;
        if self.read(async move |tx| migrate::missing(tx, component, migrations).await).await?.is_empty() {
            return Ok(());
        }
        self.write(async move |tx| migrate::apply(tx, component, migrations).await).await
    }

    async fn one(
        &self,
        postgres: &postgres::Postgres,
        kind: postgres::Kind,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>> {
        let (sql, params) = (sql.to_owned(), owned(params));
        let (command, waiting) = command(async move |tx| tx.query(&sql, &params).await);
        postgres.send(kind, Box::new(command))?;
        waiting.within(self.shared.wait_limit).await
    }
}

fn owned(params: Params<'_>) -> Vec<Value<'static>> {
    params.iter().cloned().map(Value::into_owned).collect()
}
