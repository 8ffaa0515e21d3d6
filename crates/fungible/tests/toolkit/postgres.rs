//! PostgreSQL when it goes away, comes back, or is another one than before: what is retried, what is said, and that
//! nothing that was acknowledged is lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::response::IntoResponse as _;
use fungible::{Migration, Store, StoreError, StoreOptions, StoreUrl, Tx, params};
use nix::sys::signal::Signal;
use test_basics::eventually_async;
use test_postgres::Server;

use crate::helper::ROWS;

fn url(server: &Server) -> StoreUrl {
    server.url("postgres").parse().unwrap()
}

async fn store_with_rows(url: &StoreUrl) -> Store {
    let store = Store::open(url).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    store
}

async fn add(store: &Store, id: String) -> Result<u64, StoreError> {
    let add = async move |tx: &mut Tx| tx.execute("INSERT INTO rows (id) VALUES ($1)", params![id]).await;
    store.write(add).await
}

async fn ids(store: &Store) -> HashSet<String> {
    let read = async move |tx: &mut Tx| {
        let rows = tx.query("SELECT id FROM rows", params![]).await?;
        rows.iter().map(|row| row.get("id")).collect::<Result<HashSet<String>, StoreError>>()
    };
    store.read(read).await.unwrap()
}

/// Clients that add rows until they are told to stop.
struct Traffic {
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<(Vec<String>, Vec<StoreError>)>>,
}

impl Traffic {
    fn start(store: &Store) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..4).map(|_| tokio::spawn(client(store.clone(), stop.clone()))).collect();
        Traffic { stop, clients }
    }

    /// What was acknowledged, and what was refused.
    async fn stop(self) -> (Vec<String>, Vec<StoreError>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
        for client in self.clients {
            let (done, not) = client.await.unwrap();
            acknowledged.extend(done);
            refused.extend(not);
        }
        (acknowledged, refused)
    }
}

async fn client(store: Store, stop: Arc<AtomicBool>) -> (Vec<String>, Vec<StoreError>) {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let id = uuid::Uuid::new_v4().to_string();
        match add(&store, id.clone()).await {
            Ok(_) => acknowledged.push(id),
            Err(error) => refused.push(error),
        }
    }
    (acknowledged, refused)
}

/// Everything that was acknowledged is there; what was refused without being unknown is not, and was answered well.
async fn nothing_is_lost(store: &Store, (acknowledged, refused): (Vec<String>, Vec<StoreError>)) {
    let there = ids(store).await;
    let lost = acknowledged.iter().filter(|id| !there.contains(*id)).count();
    assert_eq!(lost, 0, "of {} acknowledged rows", acknowledged.len());
    let unknown = refused.iter().filter(|error| matches!(error, StoreError::Unknown(_))).count();
    let more = there.len() - acknowledged.len();
    assert!(more <= unknown, "{more} rows that nobody knows of, {unknown} unknown: {refused:?}");
    for error in refused {
        assert!(error.is_retryable() || matches!(error, StoreError::Unknown(_)), "{error}");
        let response = error.into_response();
        assert_eq!(response.status().as_u16(), 503);
        assert!(response.headers().contains_key("retry-after"));
    }
}

async fn more_than(count: usize, store: &Store) {
    eventually_async("traffic", async || ids(store).await.len() > count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_cost_nobody_an_answer() {
    let server = Server::start();
    let store = store_with_rows(&url(&server)).await;
    let traffic = Traffic::start(&store);
    for round in 1..=10 {
        more_than(round * 20, &store).await;
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        server.sql("postgres", cut);
    }
    let said = traffic.stop().await;
    let known = said.1.iter().filter(|error| !matches!(error, StoreError::Unknown(_))).count();
    assert_eq!(known, 0, "what was not committed is run again: {:?}", said.1);
    nothing_is_lost(&store, said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_the_server_has_no_memory_for_begins_again() {
    let server = Server::start_with(&["fsync=off"]);
    let store = store_with_rows(&url(&server)).await;
    // \x3b is the semicolon between its statements.
    let body = r"E'BEGIN RAISE EXCEPTION USING ERRCODE = ''53200''\x3b END'";
    server.sql("postgres", &format!("CREATE FUNCTION short() RETURNS BIGINT LANGUAGE plpgsql AS {body}"));
    let began = AtomicBool::new(false);
    let read = async move |tx: &mut Tx| {
        let sql = if began.swap(true, Ordering::SeqCst) { "SELECT 1 AS one" } else { "SELECT short() AS one" };
        tx.query(sql, &[]).await
    };
    assert_eq!(store.read(read).await.unwrap().len(), 1);
    // One that writes is told so, and not tried for long.
    let write = async move |tx: &mut Tx| tx.execute("DELETE FROM rows", &[]).await;
    let error = store.read(write).await.unwrap_err();
    assert!(matches!(&error, StoreError::Sql(said) if said.contains("Store::write")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_change_one_row_wait_for_each_other_where_each_statement_is_right_by_itself() {
    let server = Server::start_with(&["fsync=off"]);
    let store = store_with_rows(&url(&server)).await;
    add(&store, "one".to_owned()).await.unwrap();
    let runs = async |store: Store| {
        let runs = Arc::new(AtomicUsize::new(0));
        let writes: Vec<_> = (0..8)
            .map(|_| {
                let (store, runs) = (store.clone(), runs.clone());
                tokio::spawn(async move {
                    let write = async move |tx: &mut Tx| {
                        runs.fetch_add(1, Ordering::SeqCst);
                        // All have begun before the first is through.
                        tx.query("SELECT 1 AS one FROM pg_sleep(0.1)", &[]).await?;
                        tx.execute("UPDATE rows SET who = who + 1 WHERE id = $1", params!["one"]).await
                    };
                    store.write(write).await.unwrap();
                })
            })
            .collect();
        for write in writes {
            write.await.unwrap();
        }
        runs.load(Ordering::SeqCst)
    };
    assert_eq!(runs(store.read_committed()).await, 8);
    assert!(runs(store.clone()).await > 8, "serializable ones begin again");
    let row = store.get("SELECT who FROM rows", &[]).await.unwrap().unwrap();
    assert_eq!(row.get::<i64>("who").unwrap(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_a_crash_in_the_midst_of_traffic_lose_nothing() {
    let mut server = Server::start();
    let store = store_with_rows(&url(&server)).await;
    for signal in [Signal::SIGINT, Signal::SIGKILL, Signal::SIGQUIT] {
        let before = ids(&store).await.len();
        let traffic = Traffic::start(&store);
        more_than(before + 50, &store).await;
        server.signal(signal);
        server.ended();
        server.run();
        // They go on without having been told anything.
        eventually_async("traffic after the restart", async || ids(&store).await.len() > before + 100).await;
        let said = traffic.stop().await;
        let known: Vec<_> = said.1.iter().filter(|error| !matches!(error, StoreError::Unknown(_))).collect();
        assert!(known.is_empty(), "{signal}: {known:?}");
        let there = ids(&store).await;
        assert!(said.0.iter().all(|id| there.contains(id)), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_long_is_a_clear_503() {
    let mut server = Server::start();
    let options = StoreOptions::default().wait_limit(Duration::from_millis(500));
    let store = Store::open_with(&url(&server), options).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    server.signal(Signal::SIGINT);
    server.ended();
    let began = Instant::now();
    let errors = [add(&store, "x".to_owned()).await.unwrap_err(), store.health().await.unwrap_err()];
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    for error in errors {
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.starts_with("postgres://postgres@127.0.0.1:") && said.ends_with("nothing was done"), "{said}");
        let response = error.into_response();
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    }
    server.run();
    eventually_async("it is back", async || add(&store, "y".to_owned()).await.is_ok()).await;
    assert_eq!(ids(&store).await, HashSet::from(["y".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_a_clear_503() {
    let server = Server::start();
    let limit = Duration::from_millis(500);
    let options = StoreOptions::default().wait_limit(limit).statement_limit(limit);
    let store = Store::open_with(&url(&server), options).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    add(&store, "before".to_owned()).await.unwrap();
    server.signal(Signal::SIGSTOP);
    let error = add(&store, "frozen".to_owned()).await.unwrap_err();
    assert_eq!(error.status().as_u16(), 503, "{error:?}");
    server.signal(Signal::SIGCONT);
    eventually_async("it is back", async || add(&store, uuid::Uuid::new_v4().to_string()).await.is_ok()).await;
    let there = ids(&store).await;
    assert!(there.contains("before"));
    assert!(!there.contains("frozen") || matches!(error, StoreError::Unknown(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_takes_over_in_the_midst_of_traffic() {
    let mut first = Server::start();
    let second = first.standby();
    // What is acknowledged is on both.
    first.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()");
    let replicates = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    eventually_async("the standby follows", async || first.sql("postgres", replicates) == "1").await;
    let address = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", first.port(), second.port());
    let url: StoreUrl = address.parse().unwrap();
    let store = store_with_rows(&url).await;
    let traffic = Traffic::start(&store);
    more_than(100, &store).await;
    first.signal(Signal::SIGKILL);
    first.ended();
    second.promote();
    let after = ids(&store).await.len();
    more_than(after + 50, &store).await;
    let said = traffic.stop().await;
    nothing_is_lost(&store, said).await;
    add(&store, "after".to_owned()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_does_not_come_is_unknown() {
    let server = Server::start();
    let options = StoreOptions::default().statement_limit(Duration::from_millis(500));
    let store = Store::open_with(&url(&server), options).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    // A commit waits for a standby that there is not.
    server.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()");
    eventually_async("the setting is taken", async || {
        server.sql("postgres", "SHOW synchronous_standby_names") == "nobody"
    })
    .await;
    let error = add(&store, "x".to_owned()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown(_)), "{error:?}");
    assert!(error.to_string().contains("it is unknown whether the transaction was committed"), "{error}");
    assert_eq!(error.into_response().status().as_u16(), 503);
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_one_clear_line() {
    let server = Server::start();
    let options = StoreOptions::default().wait_limit(Duration::from_millis(300));
    let open = async |address: String| {
        let url: StoreUrl = address.parse().unwrap();
        Store::open_with(&url, options.clone()).await.unwrap_err()
    };
    let nobody = open("postgres://me:hunter2@127.0.0.1:1/shop".to_owned()).await;
    assert!(matches!(nobody, StoreError::Unreachable { .. }), "{nobody:?}");
    let unknown = open(server.url("no_such_database")).await;
    assert!(
        matches!(&unknown, StoreError::Refused { reason, .. } if reason.contains("no_such_database")),
        "{unknown:?}"
    );
    server.sql("postgres", "CREATE ROLE guest LOGIN; CREATE DATABASE theirs");
    let guest = open(server.url("postgres").replace("postgres@", "guest@")).await;
    assert!(matches!(&guest, StoreError::Refused { reason, .. } if reason.contains("permission denied")), "{guest:?}");
    server.sql("theirs", "CREATE TABLE theirs (a INT)");
    let other = open(server.url("theirs")).await;
    assert!(matches!(other, StoreError::OtherApplication { .. }), "{other:?}");
    assert_eq!(server.sql("theirs", "SELECT count(*) FROM pg_class WHERE relname LIKE 'fungible%'"), "0");
    for error in [nobody, unknown, guest, other] {
        let said = error.to_string();
        assert!(said.lines().count() == 1 && said.starts_with("postgres://") && !said.contains("hunter2"), "{said}");
    }
    // A schema of its own in the same database is as good as a database.
    server.sql("theirs", "CREATE SCHEMA ours");
    let ours: StoreUrl = format!("{}?options=-c%20search_path%3Dours", server.url("theirs")).parse().unwrap();
    store_with_rows(&ours).await;
    assert_eq!(server.sql("theirs", "SELECT count(*) FROM ours.rows"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_work_than_connections_waits_and_too_much_is_busy() {
    let server = Server::start_with(&["max_connections=10"]);
    let options = StoreOptions::default().connections(2).queue(20);
    let store = Store::open_with(&url(&server), options).await.unwrap();
    store.migrate("rows", ROWS).await.unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|nth| {
            let store = store.clone();
            tokio::spawn(async move { add(&store, nth.to_string()).await })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error, StoreError::Busy),
        }
    }
    assert!(done >= 20, "{done}");
    assert_eq!(ids(&store).await.len(), done);
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fungible'";
    assert!(server.sql("postgres", connections).parse::<usize>().unwrap() <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_before_a_migration_is_made_anew() {
    const WIDER: &[Migration] = &[
        ROWS[0],
        ROWS[1],
        Migration { version: 3, name: "wide", sqlite: "", postgres: "ALTER TABLE rows ADD COLUMN more TEXT" },
    ];
    let server = Server::start();
    let store = store_with_rows(&url(&server)).await;
    add(&store, "a".to_owned()).await.unwrap();
    let all = "SELECT * FROM rows";
    let row = store.get(all, &[]).await.unwrap().unwrap();
    assert!(row.get::<Option<String>>("more").is_err());
    Store::open(&url(&server)).await.unwrap().migrate("rows", WIDER).await.unwrap();
    let row = store.get(all, &[]).await.unwrap().unwrap();
    assert_eq!(row.get::<Option<String>>("more"), Ok(None));
}

/// An authority and the certificate of a server that it has signed, as PEM: authority, certificate, key.
fn certificates() -> [String; 3] {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    [authority.pem(), server.pem(), key.serialize_pem()]
}

#[tokio::test]
async fn over_tls_the_server_must_be_the_right_one() {
    let mut server = Server::start();
    let [authority, certificate, key] = certificates();
    let [certificate, key] =
        [("server.pem", certificate), ("server.key", key)].map(|(name, pem)| server.file(name, &pem));
    let authority = server.file("ca.pem", &authority);
    let stranger = server.file("stranger.pem", &certificates()[0]);
    let open = async |port: u16, options: &str| {
        let url: StoreUrl = format!("postgres://postgres@localhost:{port}/postgres?{options}").parse().unwrap();
        let options = StoreOptions::default().wait_limit(Duration::from_millis(500));
        Store::open_with(&url, options).await
    };
    let trusted = format!("sslmode=require&sslrootcert={}", authority.display());
    let refused = |opened: Result<Store, StoreError>, word: &str| {
        let error = opened.unwrap_err();
        assert!(matches!(&error, StoreError::Refused { reason, .. } if reason.contains(word)), "{word}: {error:?}");
    };
    refused(open(server.port(), &trusted).await, "TLS");
    let settings = format!(
        "ALTER SYSTEM SET ssl = on; ALTER SYSTEM SET ssl_cert_file = '{}'; ALTER SYSTEM SET ssl_key_file = '{}'",
        certificate.display(),
        key.display()
    );
    server.sql("postgres", &settings);
    server.signal(Signal::SIGINT);
    server.ended();
    server.run();
    let store = open(server.port(), &trusted).await.unwrap();
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(store.get(encrypted, &[]).await.unwrap().unwrap().get("ssl"), Ok(true));
    assert!(open(server.port(), &trusted.replace("require", "verify-full")).await.is_ok());
    refused(open(server.port(), "sslmode=require").await, "certificate");
    refused(open(server.port(), &format!("sslrootcert={}", stranger.display())).await, "certificate");
    refused(open(server.port(), "sslrootcert=/no/such/file.pem").await, "/no/such/file.pem");
    refused(open(server.port(), &format!("sslrootcert={}", key.display())).await, "certificates");
}
