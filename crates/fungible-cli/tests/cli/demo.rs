//! The article's system: its failure, its repair, and the kill test under load.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use test_basics::{Browser, Random, eventually, free_port, seed};

use super::client::Client;
use super::world::{Fleet, Place, is_root, signal};

const CUSTOMERS: usize = 50;
const KILLS: usize = 20;

fn demo<'a>(place: &'a Place, more: &[&str]) -> Fleet<'a> {
    place.fleet(&[&["demo", "--listen", "127.0.0.1:0", "--data", "data"], more].concat())
}

/// A UUID that no other test makes.
fn uuid(random: &mut Random) -> String {
    let mut part = |end: usize| random.below(end);
    format!("{:08x}-0000-4000-8000-{:012x}", part(1 << 32), part(1 << 48))
}

#[test]
fn the_broken_list_forgets_who_logged_in() {
    let place = Place::new();
    let fleet = demo(&place, &["--broken", "-n", "2"]);
    fleet.healthy(2);
    let mut customer = Client::new(fleet.address);
    let who = json!({"name": "anna", "password": "correct horse battery"});
    let login = customer.send("POST", "/api/login", Some(&who)).unwrap();
    assert!((200..300).contains(&login.status), "{:#?}", customer.journal);
    let list = customer.get("/api/tasks").unwrap();
    assert_ne!(login.header("x-served-by"), list.header("x-served-by"), "{:#?}", customer.journal);
    assert_eq!(list.status, 401, "{:#?}", customer.journal);
    assert!(list.body.contains("please log in again"), "{:#?}", customer.journal);
    // The very same request works where the session is trapped.
    let back = customer.get("/api/tasks").unwrap();
    assert_eq!(back.header("x-served-by"), login.header("x-served-by"));
    assert_eq!(back.status, 200, "{:#?}", customer.journal);
    println!("the request that is answered \"please log in again\": {}", customer.journal[1]);
}

#[test]
fn the_right_list_knows_who_logged_in_on_every_instance() {
    let place = Place::new();
    let fleet = demo(&place, &["-n", "2"]);
    fleet.healthy(2);
    let mut customer = Client::new(fleet.address);
    let who = json!({"name": "anna", "password": "correct horse battery"});
    assert_eq!(customer.send("POST", "/api/register", Some(&who)).unwrap().status, 201, "{:#?}", customer.journal);
    assert_eq!(customer.send("POST", "/api/login", Some(&who)).unwrap().status, 200, "{:#?}", customer.journal);
    let by: BTreeSet<String> = (0..4)
        .map(|_| {
            let list = customer.get("/api/tasks").unwrap();
            assert_eq!(list.status, 200, "{:#?}", customer.journal);
            list.header("x-served-by").unwrap().to_owned()
        })
        .collect();
    assert_eq!(by.len(), 2, "{:#?}", customer.journal);
}

#[test]
fn its_store_may_be_on_postgresql() {
    let server = test_postgres::Server::start_with(&["fsync=off"]);
    let place = Place::new();
    let fleet = demo(&place, &["--store", &server.url("postgres")]);
    fleet.healthy(3);
    let mut customer = Client::new(fleet.address);
    let who = json!({"name": "anna", "password": "correct horse battery"});
    assert_eq!(customer.send("POST", "/api/register", Some(&who)).unwrap().status, 201, "{:#?}", customer.journal);
    let path = format!("/api/tasks/{}", uuid(&mut Random::from_seed(7)));
    assert_eq!(customer.send("PUT", &path, Some(&json!({"title": "milk"}))).unwrap().status, 201);
    assert!(fleet.ask(&["kill", "todo-1"]).status.success());
    for _ in 0..6 {
        let list = customer.get("/api/tasks").unwrap();
        assert!(list.status == 200 && list.body.contains("milk"), "{:#?}", customer.journal);
    }
    assert!(!place.folder.path().join("data/todo.sqlite").exists());
    assert_eq!(server.sql("postgres", "SELECT title FROM tasks"), "milk");
}

#[test]
fn the_shop_charges_once_whatever_is_killed() {
    let place = Place::new();
    let fleet = demo(&place, &["--app", "shop"]);
    fleet.healthy(3);
    let mut customer = Client::new(fleet.address);
    let who = json!({"name": "anna", "password": "correct horse battery"});
    assert_eq!(customer.send("POST", "/api/register", Some(&who)).unwrap().status, 201, "{:#?}", customer.journal);
    customer.browser.headers.push(("Idempotency-Key".to_owned(), "k".to_owned()));
    assert_eq!(customer.send("PUT", "/api/cart/mug", Some(&json!({"quantity": 2}))).unwrap().status, 200);
    // All of them die one after the other while the order is placed and sent again.
    let card = json!({"card": "slow"});
    let address = fleet.address;
    let order = std::thread::scope(|scope| {
        let mut ordering = customer;
        let order = scope.spawn(move || (ordering.insist("POST", "/api/checkout", Some(&card)), ordering));
        for name in ["shop-1", "shop-2", "shop-3"] {
            assert!(fleet.ask(&["kill", name]).status.success());
            eventually("two that live", || (fleet.in_state("healthy").len() >= 2).then_some(()));
        }
        let (order, ordering) = order.join().unwrap();
        assert_eq!(order.status, 201, "{:#?}", ordering.journal);
        order
    });
    let mut anna = Client::new(address);
    assert_eq!(anna.send("POST", "/api/login", Some(&who)).unwrap().status, 200);
    let orders: Value = serde_json::from_str(&anna.get("/api/orders").unwrap().body).unwrap();
    let order: Value = serde_json::from_str(&order.body).unwrap();
    assert_eq!((orders["orders"].as_array().unwrap().len(), &orders["orders"][0]["id"]), (1, &order["id"]), "{orders}");
    // The supervisor dies; nothing is left of it, the payment service included.
    let data = place.folder.path().join("data");
    signal(i32::try_from(fleet.child.id()).unwrap(), "KILL");
    place.is_empty_eventually();
    let ledger = rusqlite::Connection::open(data.join("payments.sqlite")).unwrap();
    let charged: (String, i64) =
        ledger.query_row("SELECT payee_order, cents FROM charges", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(charged, (order["id"].as_str().unwrap().to_owned(), 2500));
    let all: i64 = ledger.query_row("SELECT count(*) FROM charges", [], |row| row.get(0)).unwrap();
    assert_eq!(all, 1);
}

#[test]
fn a_shop_that_cannot_start_leaves_nothing() {
    let place = Place::new();
    let other = rusqlite::Connection::open(place.folder.path().join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let output = place.output(&[
        "demo",
        "--app",
        "shop",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
        "--store",
        "sqlite:other.db",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("of another program"), "{output:?}");
    place.is_empty_eventually();
}

#[test]
fn broken_and_the_shop_exclude_each_other() {
    let place = Place::new();
    let output = place.output(&["demo", "--app", "shop", "--broken"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("leave out --broken or --app shop"), "{said}");
}

#[test]
fn sticky_sessions_hide_the_trap_until_the_instance_dies() {
    let place = Place::new();
    let fleet = demo(&place, &["--broken", "--sticky"]);
    fleet.healthy(3);
    let mut anna = Browser::default();
    let who = json!({"name": "anna", "password": "correct horse battery"});
    let login = anna.api(fleet.address, "POST", "/api/login", who);
    assert_eq!(anna.cookies.len(), 2, "the balancer's and the app's: {login:?}");
    for _ in 0..5 {
        assert_eq!(anna.get(fleet.address, "/api/tasks").status, 200);
    }
    let home = login.header("x-served-by").unwrap();
    assert!(fleet.ask(&["kill", home]).status.success());
    eventually("the one that came after it", || {
        fleet.healthy(3).iter().find(|one| one["name"] == home && one["restarts"] == 1).cloned()
    });
    let after = anna.get(fleet.address, "/api/tasks");
    assert_eq!((after.status, after.body.contains("please log in again")), (401, true), "{after:?}");
}

/// What one customer was promised.
#[derive(Default)]
struct Promised {
    tasks: BTreeMap<String, String>,
    journal: Vec<String>,
    cut: usize,
}

#[test]
fn instances_killed_under_load_lose_nothing() {
    if std::env::var_os("FUNGIBLE_QUICK").is_some() {
        return; // scripts/check --quick leaves it out
    }
    let seed = seed();
    let place = Place::new();
    let fleet = demo(&place, &[]);
    fleet.healthy(3);
    let (over, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let customers: Vec<Promised> = std::thread::scope(|scope| {
        let work: Vec<_> = (0..CUSTOMERS)
            .map(|number| {
                let (over, acknowledged, address) = (&over, &acknowledged, fleet.address);
                scope.spawn(move || customer(address, seed, number, over, acknowledged))
            })
            .collect();
        let mut random = Random::from_seed(seed);
        for kill in 0..KILLS {
            let goal = acknowledged.load(Ordering::Relaxed) + 1 + random.below(60);
            eventually("more tasks", || (acknowledged.load(Ordering::Relaxed) >= goal).then_some(()));
            // At least one other must live, or it would be an outage and no kill test.
            let healthy = eventually("two that live", || Some(fleet.in_state("healthy")).filter(|all| all.len() >= 2));
            let victim = &healthy[random.below(healthy.len())];
            println!("kill {kill}: {}", victim["name"]);
            signal(i32::try_from(victim["pid"].as_i64().unwrap()).unwrap(), "KILL");
            // The next one must not be the same process once more.
            eventually("its end in the status", || {
                let status = fleet.status();
                let gone = status["instances"].as_array().unwrap().iter().all(|one| one["pid"] != victim["pid"]);
                gone.then_some(())
            });
        }
        over.store(true, Ordering::Relaxed);
        work.into_iter().map(|customer| customer.join().unwrap()).collect()
    });
    let all: usize = customers.iter().map(|customer| customer.tasks.len()).sum();
    let cut: usize = customers.iter().map(|customer| customer.cut).sum();
    // The last kill is noticed a moment after it was sent.
    let restarts = eventually("as many restarts as kills", || {
        let restarts: u64 = fleet.healthy(3).iter().map(|one| one["restarts"].as_u64().unwrap()).sum();
        (restarts >= KILLS as u64).then_some(restarts)
    });
    println!("{KILLS} kills, {restarts} restarts, {all} tasks acknowledged, {cut} answers cut short");
    assert_eq!(restarts, KILLS as u64);
    assert!(fleet.ask(&["stop"]).status.success());

    let store = rusqlite::Connection::open(place.folder.path().join("data/todo.sqlite")).unwrap();
    let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    place.is_empty_eventually();
}

/// Registers, logs in, adds tasks and looks at them until it is over; then compares what it sees with what it was promised.
fn customer(address: SocketAddr, seed: u64, number: usize, over: &AtomicBool, acknowledged: &AtomicUsize) -> Promised {
    let mut random = Random::from_seed(seed.wrapping_add(1 + number as u64));
    let mut client = Client::new(address);
    let mut promised = Promised::default();
    let who = json!({"name": format!("customer-{number}"), "password": format!("correct horse {number}")});
    let registered = client.insist("POST", "/api/register", Some(&who));
    assert!([200, 201].contains(&registered.status), "{:#?}", client.journal);
    assert_eq!(client.insist("POST", "/api/login", Some(&who)).status, 200, "{:#?}", client.journal);
    while !over.load(Ordering::Relaxed) {
        let (id, title) = (uuid(&mut random), format!("task {} of {number}", promised.tasks.len()));
        let added = client.insist("PUT", &format!("/api/tasks/{id}"), Some(&json!({"title": title})));
        assert!([200, 201].contains(&added.status), "{:#?}", client.journal);
        promised.tasks.insert(id, title);
        acknowledged.fetch_add(1, Ordering::Relaxed);
        if random.below(4) == 0 {
            look(&mut client, &mut promised);
        }
        if random.below(40) == 0 {
            assert_eq!(client.insist("POST", "/api/login", Some(&who)).status, 200, "{:#?}", client.journal);
        }
        // What is long past helps nobody who reads a failure.
        let long_past = client.journal.len().saturating_sub(20);
        client.journal.drain(..long_past);
    }
    while !look(&mut client, &mut promised) {}
    promised.journal = client.journal;
    promised
}

/// Looks at the list, which must hold what was promised and nothing else. False when the answer was cut short.
fn look(client: &mut Client, promised: &mut Promised) -> bool {
    let seen = match client.get("/api/tasks") {
        Ok(answer) => answer,
        // An instance that dies in the middle of an answer may cut it; none may be missing from its first byte on.
        Err(none) => {
            assert!(none.begun, "{none:?}: {:#?}", client.journal);
            promised.cut += 1;
            return false;
        }
    };
    assert_eq!(seen.status, 200, "{:#?}", client.journal);
    let seen: Value = serde_json::from_str(&seen.body).unwrap();
    let text = |task: &Value, key: &str| task[key].as_str().unwrap().to_owned();
    let tasks: Vec<(String, String)> =
        seen["tasks"].as_array().unwrap().iter().map(|task| (text(task, "id"), text(task, "title"))).collect();
    let titles: BTreeSet<&String> = tasks.iter().map(|(_, title)| title).collect();
    assert_eq!(titles.len(), tasks.len(), "a task stands there twice: {tasks:?}");
    assert_eq!(tasks.into_iter().collect::<BTreeMap<_, _>>(), promised.tasks, "{:#?}", client.journal);
    true
}

#[test]
fn its_data_outlives_it_and_is_closed_to_others() {
    let place = Place::new();
    let who = json!({"name": "anna", "password": "correct horse battery"});
    let secret_path = place.folder.path().join("data/secret");
    let first = {
        let fleet = demo(&place, &["-n", "1"]);
        fleet.healthy(1);
        let mut customer = Client::new(fleet.address);
        assert_eq!(customer.send("POST", "/api/register", Some(&who)).unwrap().status, 201);
        assert!(fleet.ask(&["stop"]).status.success());
        fs::read_to_string(&secret_path).unwrap()
    };
    assert_eq!(fs::metadata(&secret_path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(place.folder.path().join("data")).unwrap().permissions().mode() & 0o777, 0o700);
    let fleet = demo(&place, &["-n", "1"]);
    fleet.healthy(1);
    assert_eq!(fs::read_to_string(&secret_path).unwrap(), first);
    let mut customer = Client::new(fleet.address);
    assert_eq!(customer.send("POST", "/api/login", Some(&who)).unwrap().status, 200);
}

#[test]
fn the_logs_hold_what_instances_print_and_others_cannot_read_them() {
    let place = Place::new();
    let data = place.folder.path().join("data");
    let fleet = demo(&place, &["-n", "1"]);
    fleet.healthy(1);
    let mut customer = Client::new(fleet.address);
    let who = json!({"name": "anna", "password": "correct horse battery"});
    assert_eq!(customer.send("POST", "/api/register", Some(&who)).unwrap().status, 201);
    let log = eventually("a line for the request", || {
        let log = fs::read_to_string(data.join("logs/todo-1.log")).unwrap();
        log.contains("/api/register").then_some(log)
    });
    assert!(!log.contains("correct horse"), "{log}");
    for name in ["secret", "todo.sqlite", "todo.sqlite-wal", "todo.sqlite-shm", "logs"] {
        let mode = fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn an_instance_whose_log_cannot_be_written_answers_as_ever() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (_, pipe) = std::io::pipe().unwrap();
    for (case, log) in [("a full disk", Stdio::from(full)), ("a pipe that nobody reads", pipe.into())] {
        let place = Place::new();
        let port = free_port();
        let mut command = place.tool(&["demo-instance", "todo"]);
        command.env("PORT", port.to_string()).env("FUNGIBLE_STORE", "sqlite:todo.sqlite").stderr(log);
        command.env("FUNGIBLE_COOKIES", "plain").env("FUNGIBLE_SECRET", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let mut child = command.spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("it listens", || {
            assert_eq!(child.try_wait().unwrap(), None, "{case}");
            std::net::TcpStream::connect(address).ok()
        });
        let mut customer = Client::new(address);
        let who = json!({"name": "anna", "password": "correct horse battery"});
        assert_eq!(customer.send("POST", "/api/register", Some(&who)).unwrap().status, 201, "{case}");
        let list = customer.get("/api/tasks").unwrap();
        assert_eq!(list.status, 200, "{case}: {:#?}", customer.journal);
        signal(child.id().cast_signed(), "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{case}");
    }
}

/// A user without rights that is in no list.
const STRANGER: u32 = 4242;

fn folder(path: &Path, mode: u32) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What the demo says, which must end by itself.
#[track_caller]
fn refused(place: &Place) -> String {
    let mut command = place.tool(&["demo", "--listen", "127.0.0.1:0", "--data", "data/"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("its end", || child.try_wait().unwrap());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn a_data_folder_that_others_may_open_is_refused() {
    for (name, mode) in [("data", 0o755), ("data", 0o770), ("data", 0o702), ("data/logs", 0o755)] {
        let place = Place::new();
        let [data, which] = ["data", name].map(|name| place.folder.path().join(name));
        folder(&data, 0o700);
        folder(&which, mode);
        let said = refused(&place);
        assert!(said.contains(name) && said.contains("others may open it; `chmod 700` it"), "{mode:o}: {said}");
        assert!(!data.join("secret").exists(), "{mode:o}");
        fs::set_permissions(&which, fs::Permissions::from_mode(0o700)).unwrap();
        demo(&place, &["-n", "1"]).healthy(1);
    }
}

/// Puts `what` in the place of `path`, as a link or as a thing of another user. Only root can do the latter.
fn put_foreign(what: &Path, path: &Path, link: bool) -> bool {
    if link {
        symlink(what, path).unwrap();
    } else if is_root() {
        fs::rename(what, path).unwrap();
        chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    } else {
        println!("left out: {} of another user, which only root can make", path.display());
    }
    link || is_root()
}

/// All files of a folder that a link called `logs` led to were removed.
#[test]
fn a_folder_that_is_a_link_or_of_another_user_is_refused_and_left_alone() {
    for (name, link) in [("data", true), ("data", false), ("data/logs", true), ("data/logs", false)] {
        let place = Place::new();
        let [elsewhere, path] = ["elsewhere", name].map(|name| place.folder.path().join(name));
        if name == "data/logs" {
            folder(path.parent().unwrap(), 0o700);
        }
        folder(&elsewhere, 0o700);
        fs::write(elsewhere.join("todo-1.log"), "precious").unwrap();
        if put_foreign(&elsewhere, &path, link) {
            let said = refused(&place);
            assert!(said.contains(name) && said.contains("it is not a folder of yours"), "{name}: {said}");
            let inside: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(inside, ["todo-1.log"], "{name}");
            assert_eq!(fs::read_to_string(path.join("todo-1.log")).unwrap(), "precious", "{name}");
        }
    }
}

/// What a link called `lock` led to was emptied.
#[test]
fn a_file_that_is_a_link_a_pipe_or_of_another_user_is_refused_and_left_alone() {
    for name in ["lock", "secret", "logs/todo-1.log", "logs/payments.log"] {
        for case in ["a link", "a pipe", "of another user"] {
            let place = Place::new();
            let [data, elsewhere] = ["data", "elsewhere"].map(|name| place.folder.path().join(name));
            folder(&data.join("logs"), 0o700);
            folder(&data, 0o700);
            let path = data.join(name);
            fs::write(&elsewhere, "precious").unwrap();
            if case == "a pipe" {
                assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            } else if !put_foreign(&elsewhere, &path, case == "a link") {
                continue;
            }
            let said = refused(&place);
            let why = if case == "of another user" { "belongs to another user" } else { "is not a plain file" };
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(said.contains(&format!("{name} {why}; remove it")), "{name}, {case}: {said}");
            assert!(fs::symlink_metadata(&path).is_ok(), "{name}, {case}");
            if case != "a pipe" {
                assert_eq!(fs::read_to_string(&path).unwrap(), "precious", "{name}, {case}");
            }
        }
    }
}

#[test]
fn of_the_logs_only_its_own_are_removed() {
    let place = Place::new();
    let logs = place.folder.path().join("data/logs");
    folder(&logs, 0o700);
    folder(logs.parent().unwrap(), 0o700);
    let own = ["todo-1.log", "todo-1.log.1", "todo-31.log", "shop-2.log", "payments.log", "payments.log.1"];
    let foreign = ["letter.txt", "todo-.log", "todo-x.log", "todo-1.log.2", "web-1.log", "old-payments.log", ".log"];
    for name in own.iter().chain(&foreign) {
        fs::write(logs.join(name), "as it was").unwrap();
    }
    let fleet = demo(&place, &["-n", "1"]);
    fleet.healthy(1);
    for name in foreign {
        assert_eq!(fs::read_to_string(logs.join(name)).unwrap(), "as it was", "{name}");
    }
    assert!(!fs::read_to_string(logs.join("todo-1.log")).unwrap().contains("as it was"));
    for name in &own[1..] {
        assert!(!logs.join(name).exists(), "{name}");
    }
}

#[test]
fn an_instance_does_not_log_through_a_link() {
    let place = Place::new();
    let fleet = demo(&place, &["-n", "1"]);
    fleet.healthy(1);
    let precious = place.folder.path().join("precious");
    fs::write(&precious, "kept").unwrap();
    let log = place.folder.path().join("data/logs/todo-1.log");
    fs::remove_file(&log).unwrap();
    symlink(&precious, &log).unwrap();
    assert!(fleet.ask(&["kill", "todo-1"]).status.success());
    eventually("the reason", || fleet.said().contains("todo-1.log is not a plain file; remove it").then_some(()));
    fs::remove_file(&log).unwrap();
    fleet.healthy(1);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
}

#[test]
fn its_logs_do_not_fill_the_disk() {
    const LIMIT: u64 = 8 * 1024 * 1024;
    let place = Place::new();
    let fleet = demo(&place, &["--app", "shop", "-n", "1"]);
    fleet.healthy(1);
    let logs = place.folder.path().join("data/logs");
    let length = |name: &str| fs::metadata(logs.join(name)).map(|found| found.len());
    let fill = |name: &str| {
        let mut log = fs::OpenOptions::new().append(true).open(logs.join(name)).unwrap();
        log.write_all(&b"something that an instance said\n".repeat(300_000)).unwrap();
    };
    for name in ["shop-1.log", "payments.log"] {
        fill(name);
        eventually("it is short", || (length(name).unwrap() < LIMIT).then_some(()));
        assert_eq!(length(&format!("{name}.1")).unwrap(), LIMIT, "{name}");
    }
    // Where nothing can be kept it is emptied all the same, and no link is written through.
    let (old, precious) = (logs.join("shop-1.log.1"), place.folder.path().join("precious"));
    fs::write(&precious, "kept").unwrap();
    fs::remove_file(&old).unwrap();
    symlink(&precious, &old).unwrap();
    fill("shop-1.log");
    eventually("it is short", || (length("shop-1.log").unwrap() < LIMIT).then_some(()));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
    // The instance writes on, at the new end.
    assert_eq!(fleet.get("/api/products").status, 200);
    let log = eventually("a line for the request", || {
        let log = fs::read_to_string(logs.join("shop-1.log")).unwrap();
        log.contains("/api/products").then_some(log)
    });
    assert!(!log.contains('\0'), "{} bytes", log.len());
}
