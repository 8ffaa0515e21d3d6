//! Single pieces of the toolkit on SQLite: what a look-up of a session and a check of an access token cost, and what
//! `Once` adds to an effect.

use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use fungible::{
    CookieMode, Hasher, HasherOptions, IdempotencyKey, KeyOptions, KeyRing, Once, OnceError, OnceOptions, Secret,
    SessionOptions, Sessions, Store, StoreError, TokenOptions, Tokens, Tx, Users, params,
};
use nix::time::{ClockId, clock_gettime};

use super::{INSERT, MIGRATIONS, open, run};

const TIMES: u32 = 200_000;
const SESSIONS: usize = 10_000;
const EFFECTS: usize = 100;

/// All of it, as JSON.
pub(super) fn measure(directory: &Path) -> String {
    let session = session_look_up(&directory.join("sessions.db"));
    let token = token_check(&directory.join("tokens.db"));
    let [plain, once] = [false, true].map(|once| effects(&directory.join(format!("effects-{once}.db")), once));
    format!(
        r#"{{"session_us": {session:.2}, "token_us": {token:.2}, "effects": {EFFECTS}, "plain": {plain:?}, "once": {once:?}}}"#
    )
}

fn secret() -> Secret {
    Secret::parse(&"A".repeat(44)).unwrap()
}

/// Users whose passwords cost nothing.
fn users(store: &Store) -> Users {
    Users::new(store.clone(), Hasher::new(&HasherOptions::default().memory_kib(8).passes(1)))
}

/// Microseconds of this thread's CPU that one of many takes.
async fn cpu_of_one(each: impl AsyncFn(usize)) -> f64 {
    let start = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    for number in 0..TIMES as usize {
        each(number).await;
    }
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap() - start;
    Duration::from(time).as_secs_f64() * 1e6 / f64::from(TIMES)
}

/// Microseconds of CPU for one look-up among ten thousand sessions.
pub(super) fn session_look_up(path: &Path) -> f64 {
    let store = open(path);
    let users = users(&store);
    let sessions = Sessions::new(store, secret(), CookieMode::Plain, SessionOptions::default());
    let cookies: Vec<HeaderMap> = run(async {
        users.migrate().await.unwrap();
        sessions.migrate().await.unwrap();
        let mut cookies = Vec::new();
        for number in 0..SESSIONS {
            let account = users.register(&format!("user {number}"), "correct horse").await.unwrap();
            let cookie = sessions.start(&account, None).await.unwrap();
            let pair = cookie.header_value().split(';').next().unwrap().parse().unwrap();
            cookies.push(HeaderMap::from_iter([(header::COOKIE, pair)]));
        }
        cookies
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(cpu_of_one(async |number| {
        // A step that is coprime to the number of sessions, so that each look-up meets another one.
        let headers = &cookies[number * 7919 % cookies.len()];
        assert!(sessions.user(headers).await.unwrap().is_some());
    }))
}

/// Microseconds of CPU for one check of an access token.
fn token_check(path: &Path) -> f64 {
    let store = open(path);
    let users = users(&store);
    run(async {
        users.migrate().await.unwrap();
        let secret = secret();
        let ring = KeyRing::open(store.clone(), &secret, KeyOptions::default()).await.unwrap();
        let tokens = Tokens::new(store, ring, secret, TokenOptions::default().audience("bench"));
        tokens.migrate().await.unwrap();
        let account = users.register("a user", "correct horse").await.unwrap();
        let token = tokens.start(&account).await.unwrap().access_token;
        cpu_of_one(async |_| assert!(tokens.claims(&token).await.unwrap().is_some())).await
    })
}

#[derive(Debug)]
struct Failed;

impl From<StoreError> for Failed {
    fn from(_: StoreError) -> Failed {
        Failed
    }
}

impl From<OnceError> for Failed {
    fn from(_: OnceError) -> Failed {
        Failed
    }
}

/// The commits and the rows that effects of one row each add, one effect after the other.
fn effects(path: &Path, once: bool) -> [usize; 2] {
    let store = open(path);
    run(async {
        store.migrate("bench", MIGRATIONS).await.unwrap();
        let exactly_once = Once::new(store.clone(), OnceOptions::default());
        exactly_once.migrate().await.unwrap();
        let before = [commits(path), rows(path)];
        for number in 0..EFFECTS {
            let id = number.to_string();
            let key = IdempotencyKey::parse(&id, "POST /effects").unwrap().of("a user", &());
            let effect = async move |tx: &mut Tx| -> Result<u64, Failed> {
                Ok(tx.execute(INSERT, params![id, "x".repeat(100)]).await?)
            };
            if once {
                assert!(!exactly_once.try_run(key, effect).await.unwrap().repeated);
            } else {
                store.try_write(effect).await.unwrap();
            }
        }
        [commits(path) - before[0], rows(path) - before[1]]
    })
}

/// The rows of all tables.
fn rows(path: &Path) -> usize {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let count = |table: &String| -> i64 {
        connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    usize::try_from(tables.iter().map(count).sum::<i64>()).unwrap()
}

/// The commits in the write-ahead log. In its format a frame begins with the page's number and, in the last frame of a
/// commit, the size of the database; the log of so few effects has never begun anew.
fn commits(path: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let log = std::fs::read(path.with_extension("db-wal")).unwrap();
    let page = number(&log[8..12]) as usize;
    log[HEADER..].chunks_exact(FRAME_HEADER + page).filter(|frame| number(&frame[4..8]) != 0).count()
}
