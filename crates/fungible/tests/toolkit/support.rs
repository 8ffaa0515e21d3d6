//! What the tests share: stores of their own on both engines, a server, and what came back from it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fungible::{Hasher, HasherOptions, ServeOptions, Store, StoreUrl};
use test_basics::{LIMIT, raw_async};
use test_postgres::Server as PostgresServer;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::helper::Helper;

/// A new directory, removed at the end of the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        let path = std::env::temp_dir().join(format!("fungible-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the tests put their store.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    pub(crate) fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.store())
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url()).await.unwrap()
    }

    /// The side file that orders the writers.
    pub(crate) fn ticket(&self) -> PathBuf {
        self.0.join("store.db-ticket")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where the store of a test is: one of both engines.
pub(crate) enum Engine {
    Sqlite(Directory),
    /// A database of a server.
    Postgres(Arc<PostgresServer>, String),
}

impl Engine {
    pub(crate) fn sqlite() -> Engine {
        Engine::Sqlite(Directory::new())
    }

    pub(crate) fn postgres() -> Engine {
        Engine::Postgres(Arc::new(PostgresServer::start_with(&["fsync=off"])), "postgres".to_owned())
    }

    /// A new store with the same engine.
    pub(crate) fn another(&self) -> Engine {
        match self {
            Engine::Sqlite(_) => Engine::sqlite(),
            Engine::Postgres(server, _) => {
                let database = format!("d{}", uuid::Uuid::new_v4().simple());
                server.sql("postgres", &format!("CREATE DATABASE {database}"));
                Engine::Postgres(server.clone(), database)
            }
        }
    }

    pub(crate) fn url(&self) -> StoreUrl {
        match self {
            Engine::Sqlite(directory) => directory.url(),
            Engine::Postgres(..) => self.address().parse().unwrap(),
        }
    }

    /// The same as text.
    pub(crate) fn address(&self) -> String {
        match self {
            Engine::Sqlite(directory) => format!("sqlite:{}", directory.store().display()),
            Engine::Postgres(server, database) => server.url(database),
        }
    }

    /// A handle on the store, as each instance has one.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url()).await.unwrap()
    }

    /// Whether these bytes stand in anything that the store keeps.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Engine::Sqlite(directory) => found_in(directory, bytes),
            Engine::Postgres(server, _) => {
                let folder = server.directory().join("data");
                server.sql("postgres", "CHECKPOINT");
                crate::helper::found_below(&folder, bytes)
            }
        }
    }

    /// SQLite looks at its file.
    pub(crate) fn assert_sound(&self) {
        if let Engine::Sqlite(directory) = self {
            assert_sound(&directory.store());
        }
    }
}

/// Tests that hold on both engines: each becomes a module with one test per engine.
#[macro_export]
macro_rules! on_both_engines {
    ($(async fn $name:ident($engine:ident: &Engine) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn on($engine: &$crate::support::Engine) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                on(&$crate::support::Engine::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                on(&$crate::support::Engine::postgres()).await;
            }
        }
    )*};
}

/// Password hashes that cost next to nothing.
pub(crate) fn quick_hasher() -> Hasher {
    Hasher::new(&HasherOptions::default().memory_kib(8).passes(1).at_once(2).waiting(64))
}

#[expect(clippy::print_stderr, reason = "the test harness shows it when the test fails")]
pub(crate) fn eprint(line: &str) {
    eprintln!("{line}");
}

/// The store is sound, as SQLite itself says.
pub(crate) fn assert_sound(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// Serves a router until the returned sender is used or dropped.
pub(crate) async fn start(router: Router, store: Option<Store>, options: ServeOptions) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ready = move || {
        let store = store.clone();
        async move {
            match store {
                Some(store) => store.health().await,
                None => Ok(()),
            }
        }
    };
    let stopped = async { drop(stopped.await) };
    let task = tokio::spawn(fungible::serve(listener, router, ready, stopped, options));
    Server { address, stop, task }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: tokio::sync::oneshot::Sender<()>,
    pub(crate) task: tokio::task::JoinHandle<fungible::Served>,
}

/// Sends one request (its head without the empty line) on a connection of its own and gives all that comes back.
pub(crate) async fn request(address: SocketAddr, head: &str, body: &str) -> String {
    let length = body.len();
    let text = format!("{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    raw_async(address, &text).await.unwrap().text()
}

/// Reads until the other side closes.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
}

/// Whether these bytes stand in any file of the directory. Another process looks: closing a file of the database in
/// this one would take SQLite's locks away.
pub(crate) fn found_in(directory: &Directory, bytes: &[u8]) -> bool {
    let mut helper = Helper::start("look", &directory.url());
    helper.tell(&URL_SAFE_NO_PAD.encode(bytes));
    helper.hear() == "found"
}
